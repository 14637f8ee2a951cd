-- check_results: what every check found on the tables of some days, judgement by judgement. Rows are only added.
-- grain:   one row per table_name, prediction_date, number, run_id and check_name
-- inputs:  {{check_results}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   table_name       STRING     the table judged
--   prediction_date  DATE       its partition
--   number           INT64 [1..]  1 for the first judgement of the partition, then one more each; the highest holds
--   sequence         INT64 [1..]  the write that was judged, as in partition_writes; NULL where no writes are counted
--   inputs           STRING     the latest writes of the table's inputs when it was judged, as JSON by table, 0 for none; NULL before schema 2
--   check_name       STRING     the check; blocking_checks for all that passed together before schema 2
--   verdict          STRING     PASS, INCONCLUSIVE or FAIL
--   severity         STRING     ERROR or WARN; a FAIL with ERROR stands in the way of a promotion
--   blocking         BOOL       without PASS, what is downstream is not made and not sent
--   alert            BOOL       it raises an alert, whatever the verdict
--   actual           FLOAT64    the figure found; NULL where it is no number
--   threshold        FLOAT64    the line of a gate; NULL for other checks
--   bound            FLOAT64    the one-sided bound a gate is judged by; NULL when judged by the estimate
--   reason           STRING     the verdict in words, with the numbers
--   evidence_sha256  STRING     the evidence that a gate judged; NULL for other checks
--   policy_sha256    STRING     sha256 of the thresholds it was judged by; NULL before schema 2
--   judged_at        TIMESTAMP  when
--   run_id           STRING     the Dagster run that judged

SELECT
  table_name, prediction_date, number, sequence, inputs, check_name, verdict, severity, blocking, alert, actual, threshold,
  bound, reason, evidence_sha256, policy_sha256, judged_at, run_id
FROM {{check_results}}
WHERE prediction_date BETWEEN @first_day AND @last_day
