-- production_scores: the daily scores of the live version. Readers use the view of this name.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{daily_scores}}, {{production}}
-- params:  none
-- output:
--   prediction_date  DATE    the scored day
--   lead_id          STRING  Salesforce Lead Id; the other columns are those of daily_scores

SELECT scores.*
FROM {{daily_scores}} AS scores
JOIN {{production}} AS live ON live.version = scores.model_version
