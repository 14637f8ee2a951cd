-- prospect_scores: the scores one model version gave every prospect of the month.
-- grain:   one row per prediction_date and advisor_crd
-- inputs:  {{prospect_scores}}
-- params:  @prediction_date DATE
-- output:
--   prediction_date  DATE       first day of the month
--   advisor_crd      INT64      the advisor
--   score            FLOAT64 [0..1]  full precision; ranks, is not a probability
--   percentile       INT64 [1..100]  100 = best of the month
--   decile           INT64 [1..10]  ceil(percentile / 10), 10 = top
--   deprioritize     BOOL       percentile <= 20
--   reason_1         STRING     feature that moved the score most; NULL below percentile 80, and where no feature moved it
--   value_1          FLOAT64    its TreeSHAP value in log-odds, above zero when it raises the score
--   reason_2         STRING     the second
--   value_2          FLOAT64    its value
--   reason_3         STRING     the third
--   value_3          FLOAT64    its value
--   narrative        STRING     the reasons as a sentence, in the words of rollout.yaml; NULL where there is no reason
--   model_version    STRING     the version that scored
--   model_sha256     STRING     sha256 of its booster file
--   bundle_sha256    STRING     sha256 of everything that can change its scores
--   scored_at        TIMESTAMP  when
--   retrospective    BOOL       scored on another day than prediction_date: a late month

SELECT
  prediction_date, advisor_crd, score, percentile, decile, deprioritize, reason_1, value_1, reason_2, value_2, reason_3,
  value_3, narrative, model_version, model_sha256, bundle_sha256, scored_at, retrospective
FROM {{prospect_scores}}
WHERE prediction_date = @prediction_date
