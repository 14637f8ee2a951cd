-- lead_coverage: compares the leads of two tables on the day: missing, extra and duplicate ones.
-- grain:   one row
-- inputs:  {{expected}}, {{actual}}
-- params:  @prediction_date DATE
-- output:
--   expected_count  INT64 [0..]  rows expected
--   actual_count    INT64 [0..]  rows found
--   distinct_count  INT64 [0..]  distinct leads found
--   missing_count   INT64 [0..]  expected leads not found
--   extra_count     INT64 [0..]  found leads not expected

WITH expected AS (
  SELECT lead_id FROM {{expected}} WHERE prediction_date = @prediction_date
),

actual AS (
  SELECT lead_id, COUNT(*) AS row_count FROM {{actual}} WHERE prediction_date = @prediction_date GROUP BY lead_id
)

SELECT
  (SELECT COUNT(*) FROM expected) AS expected_count,
  (SELECT COALESCE(SUM(row_count), 0) FROM actual) AS actual_count,
  (SELECT COUNT(*) FROM actual) AS distinct_count,
  (SELECT COUNT(*) FROM expected LEFT JOIN actual USING (lead_id) WHERE actual.lead_id IS NULL) AS missing_count,
  (SELECT COUNT(*) FROM actual LEFT JOIN expected USING (lead_id) WHERE expected.lead_id IS NULL) AS extra_count
