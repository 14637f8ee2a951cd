-- prospect_lists: the lists that were given out, oldest first. Rows are only added.
-- grain:   one row per prediction_date and edition
-- inputs:  {{prospect_lists}}
-- params:  none
-- output:
--   prediction_date  DATE       first day of the month
--   edition          INT64 [1..]  as in prospect_list
--   given_out_at     TIMESTAMP  when
--   given_out_by     STRING     the operator
--   model_version    STRING     the version whose scores order the list
--   bundle_sha256    STRING     sha256 of everything that can change its scores
--   advisors         INT64 [0..]  rows of the list
--   file_sha256      STRING     sha256 of the CSV file
--   reason           STRING     why it replaces the edition before it; NULL for the first

SELECT
  prediction_date, edition, given_out_at, given_out_by, model_version, bundle_sha256, advisors, file_sha256, reason
FROM {{prospect_lists}}
ORDER BY prediction_date, edition
