-- daily_scores: the scores one model version gave every scored lead on the day.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{daily_scores}}
-- params:  @prediction_date DATE
-- output:
--   prediction_date  DATE       the scored day
--   lead_id          STRING     Salesforce Lead Id
--   advisor_crd      INT64      the advisor, NULL without a usable CRD
--   score            FLOAT64 [0..1]  full precision; ranks, is not a probability
--   percentile       INT64 [1..100]  100 = best of the day
--   decile           INT64 [1..10]  ceil(percentile / 10), 10 = top
--   deprioritize     BOOL       percentile <= 20: not called
--   reason_1         STRING     feature that moved the score most, "raises" or "lowers" before it; NULL where switched off
--   reason_2         STRING     the second
--   reason_3         STRING     the third
--   model_version    STRING     the version that scored
--   model_sha256     STRING     sha256 of its booster file
--   bundle_sha256    STRING     sha256 of everything that can change its scores; NULL before schema 2, where v4_schema.facts has it
--   scored_at        TIMESTAMP  when
--   retrospective    BOOL       scored on another day than prediction_date

SELECT
  prediction_date, lead_id, advisor_crd, score, percentile, decile, deprioritize, reason_1, reason_2, reason_3,
  model_version, model_sha256, bundle_sha256, scored_at, retrospective
FROM {{daily_scores}}
WHERE prediction_date = @prediction_date
