-- record_prospect_list: record that a list was given out, unless that edition was before.
-- grain:   one row
-- inputs:  {{prospect_lists}}
-- params:  @month DATE (first day of the month), @edition INT64, @given_out_at TIMESTAMP, @given_out_by STRING, @version STRING, @bundle_sha256 STRING, @advisors INT64, @file_sha256 STRING, @reason STRING
-- output:
--   prediction_date  DATE  first day of the month; the other columns are those of prospect_lists

INSERT INTO {{prospect_lists}} (
  prediction_date, edition, given_out_at, given_out_by, model_version, bundle_sha256, advisors, file_sha256, reason
)
SELECT @month, @edition, @given_out_at, @given_out_by, @version, @bundle_sha256, @advisors, @file_sha256, @reason
FROM (SELECT 1)
WHERE NOT EXISTS (SELECT 1 FROM {{prospect_lists}} WHERE prediction_date = @month AND edition = @edition)
