-- prospect_coverage: compares the advisors of two tables in the month: missing, extra and duplicate ones.
-- grain:   one row
-- inputs:  {{expected}}, {{actual}}
-- params:  @prediction_date DATE
-- output:
--   expected_count  INT64 [0..]  rows expected
--   actual_count    INT64 [0..]  rows found
--   distinct_count  INT64 [0..]  distinct advisors found
--   missing_count   INT64 [0..]  expected advisors not found
--   extra_count     INT64 [0..]  found advisors not expected

WITH expected AS (
  SELECT advisor_crd FROM {{expected}} WHERE prediction_date = @prediction_date
),

actual AS (
  SELECT advisor_crd, COUNT(*) AS row_count FROM {{actual}} WHERE prediction_date = @prediction_date GROUP BY advisor_crd
)

SELECT
  (SELECT COUNT(*) FROM expected) AS expected_count,
  (SELECT COALESCE(SUM(row_count), 0) FROM actual) AS actual_count,
  (SELECT COUNT(*) FROM actual) AS distinct_count,
  (SELECT COUNT(*) FROM expected LEFT JOIN actual USING (advisor_crd) WHERE actual.advisor_crd IS NULL) AS missing_count,
  (SELECT COUNT(*) FROM actual LEFT JOIN expected USING (advisor_crd) WHERE expected.advisor_crd IS NULL) AS extra_count
