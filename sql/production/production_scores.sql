-- production_scores: the daily scores of the live version. Readers use the view of this name.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{daily_scores}}, {{production}}
-- params:  none
-- output:
--   prediction_date  DATE    the scored day
--   lead_id          STRING  Salesforce Lead Id; the other columns are those of daily_scores

-- Named one by one: the view unites the versions' tables by position, and a column added by an upgrade stands last in the
-- tables it found and in its place in those made later.
SELECT
  scores.prediction_date,
  scores.lead_id,
  scores.advisor_crd,
  scores.score,
  scores.percentile,
  scores.decile,
  scores.deprioritize,
  scores.reason_1,
  scores.reason_2,
  scores.reason_3,
  scores.model_version,
  scores.model_sha256,
  scores.bundle_sha256,
  scores.scored_at,
  scores.retrospective
FROM {{daily_scores}} AS scores
JOIN {{production}} AS live ON live.version = scores.model_version
