-- production_prospects: the live version's scores of the latest month it scored. Readers use the view v4_prospect_scores.
-- grain:   one row per crd
-- inputs:  {{prospect_scores}}, {{production}}
-- names:   {{prospects.percentile}}
-- params:  none
-- output:
--   crd                   INT64      the advisor
--   v4_score              FLOAT64 [0..1]  full precision; ranks, is not a probability
--   v4_percentile         INT64 [0..100]  100 = best of the month, or 99 where rollout.yaml counts from zero
--   v4_deprioritize       BOOL       v4_percentile <= 20
--   v4_upgrade_candidate  BOOL       v4_percentile >= 80
--   shap_top1_feature     STRING     feature that moved the score most; candidates only
--   shap_top1_value       FLOAT64    its TreeSHAP value in log-odds
--   shap_top2_feature     STRING     the second
--   shap_top2_value       FLOAT64    its value
--   shap_top3_feature     STRING     the third
--   shap_top3_value       FLOAT64    its value
--   v4_narrative          STRING     the reasons as a sentence; candidates only
--   scored_at             TIMESTAMP  when
--   model_version         STRING     the version that scored
--   bundle_sha256         STRING     sha256 of everything that can change its scores
--   prediction_date       DATE       first day of the month
--   is_late               BOOL       scored on a later day than that

SELECT
  scores.advisor_crd AS crd,
  scores.score AS v4_score,
  scores.shown_percentile AS v4_percentile,
  scores.shown_percentile <= 20 AS v4_deprioritize,
  scores.shown_percentile >= 80 AS v4_upgrade_candidate,
  IF(scores.shown_percentile >= 80, scores.reason_1, NULL) AS shap_top1_feature,
  IF(scores.shown_percentile >= 80, scores.value_1, NULL) AS shap_top1_value,
  IF(scores.shown_percentile >= 80, scores.reason_2, NULL) AS shap_top2_feature,
  IF(scores.shown_percentile >= 80, scores.value_2, NULL) AS shap_top2_value,
  IF(scores.shown_percentile >= 80, scores.reason_3, NULL) AS shap_top3_feature,
  IF(scores.shown_percentile >= 80, scores.value_3, NULL) AS shap_top3_value,
  IF(scores.shown_percentile >= 80, scores.narrative, NULL) AS v4_narrative,
  scores.scored_at,
  scores.model_version,
  scores.bundle_sha256,
  scores.prediction_date,
  scores.retrospective AS is_late
FROM (
  SELECT *, {{prospects.percentile}} AS shown_percentile
  FROM {{prospect_scores}}
  WHERE prediction_date = (SELECT MAX(prediction_date) FROM {{prospect_scores}})
) AS scores
JOIN {{production}} AS live ON live.version = scores.model_version
