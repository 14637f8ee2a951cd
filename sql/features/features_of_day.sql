-- features_of_day: the frozen features of one version on one day, as the model reads them.
-- grain:   one row per lead_id
-- inputs:  {{features}}
-- params:  @prediction_date DATE
-- output:
--   lead_id      STRING  Salesforce Lead Id
--   advisor_crd  INT64   the advisor, NULL without a usable CRD
--   tie_break    INT64   orders equal scores; after these the version's features

SELECT *
FROM {{features}}
WHERE prediction_date = @prediction_date
