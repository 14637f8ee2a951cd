-- partition_verdicts: results of the blocking checks on each write of the partitions of some days.
-- grain:   one row per table_name, prediction_date, sequence and judging run
-- inputs:  {{partition_verdicts}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   table_name       STRING     the table judged
--   prediction_date  DATE       its partition
--   sequence         INT64 [1..]  the write that was judged, as in partition_writes
--   passed           BOOL       every blocking check passed
--   failed           STRING     the blocking checks that did not, comma separated; empty when all did
--   judged_at        TIMESTAMP  when
--   run_id           STRING     the Dagster run that judged

SELECT table_name, prediction_date, sequence, passed, failed, judged_at, run_id
FROM {{partition_verdicts}}
WHERE prediction_date BETWEEN @first_day AND @last_day
