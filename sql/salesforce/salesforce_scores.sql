-- salesforce_scores: the day's scores of one version, as far as the CRM is concerned.
-- grain:   one row per lead
-- inputs:  {{daily_scores}}
-- params:  @prediction_date DATE
-- output:
--   lead_id        STRING     Salesforce Lead Id
--   score          FLOAT64 [0..1]  full precision
--   percentile     INT64 [1..100]  100 = best of the day
--   deprioritize   BOOL       percentile <= 20: not called
--   model_version  STRING     the version that scored
--   model_sha256   STRING     sha256 of its booster file
--   bundle_sha256  STRING     sha256 of everything that can change its scores; NULL before schema 2
--   scored_at      TIMESTAMP  when

SELECT lead_id, score, percentile, deprioritize, model_version, model_sha256, bundle_sha256, scored_at
FROM {{daily_scores}}
WHERE prediction_date = @prediction_date
