-- record_verdict: add the results of the blocking checks on one write.
-- grain:   one row
-- inputs:  {{partition_verdicts}}
-- params:  @table_name STRING, @prediction_date DATE, @sequence INT64, @passed BOOL, @failed STRING, @judged_at TIMESTAMP, @run_id STRING
-- output:
--   table_name  STRING  the table judged; the other columns are those of partition_verdicts

INSERT INTO {{partition_verdicts}} (table_name, prediction_date, sequence, passed, failed, judged_at, run_id)
VALUES (@table_name, @prediction_date, @sequence, @passed, @failed, @judged_at, @run_id)
