-- production_scores: the daily scores of the live version. Readers use the view of this name.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{daily_scores}}, {{production}}
-- params:  none
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
