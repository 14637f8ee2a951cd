-- cohort_bundles: the artifacts by which one model version scored the days of a cohort's first scores.
-- grain:   one row per scored_on and artifact
-- inputs:  {{daily_scores}}
-- params:  @first_scored DATE, @last_scored DATE
-- output:
--   scored_on      DATE    the scored day
--   model_sha256   STRING  sha256 of the booster file
--   bundle_sha256  STRING  sha256 of everything that can change a score; NULL before schema 2

SELECT DISTINCT
  prediction_date AS scored_on,
  model_sha256,
  bundle_sha256
FROM {{daily_scores}}
WHERE prediction_date BETWEEN @first_scored AND @last_scored
