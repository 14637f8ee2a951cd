-- prospect_list: the advisors to contact in a month, every edition of the list.
-- A list that was given out is never changed; a later edition replaces it and stands beside it.
-- grain:   one row per prediction_date, edition and advisor_crd
-- inputs:  {{prospect_list}}
-- params:  @month DATE (first day of the month)
-- output:
--   prediction_date       DATE       first day of the month
--   edition               INT64 [1..]  1 for the month's first list, then one more for each that replaces one given out
--   advisor_crd           INT64      the advisor
--   place                 INT64 [1..]  1 = best of the list
--   caller                INT64 [1..]  who contacts it: the places go round the callers
--   firm_name             STRING     PRIMARY_FIRM_NAME
--   score                 FLOAT64 [0..1]  full precision
--   percentile            INT64 [0..100]  as the view v4_prospect_scores counts
--   is_upgrade_candidate  BOOL       percentile >= 80
--   why                   STRING     why the advisor is on the list
--   model_version         STRING     the version whose scores order the list
--   bundle_sha256         STRING     sha256 of everything that can change its scores
--   made_at               TIMESTAMP  when the edition was made
--   made_on               DATE       the day whose cut-off it goes by, New York
--   reason                STRING     why it replaces the edition given out before it; NULL for the first
--   retrospective         BOOL       made on another day than the first of the month

SELECT
  prediction_date, edition, advisor_crd, place, caller, firm_name, score, percentile, is_upgrade_candidate, why,
  model_version, bundle_sha256, made_at, made_on, reason, retrospective
FROM {{prospect_list}}
WHERE prediction_date = @month
ORDER BY edition, place
