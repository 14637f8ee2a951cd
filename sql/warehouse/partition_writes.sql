-- partition_writes: the latest write of every partition in a range of days; the table itself keeps them all.
-- grain:   one row per table_name and prediction_date
-- inputs:  {{partition_writes}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   table_name         STRING     the table written
--   prediction_date    DATE       its partition
--   sequence           INT64 [1..]  1 for the first write of the partition, then one more each
--   written_at         TIMESTAMP  when
--   row_count          INT64 [0..]  rows it wrote
--   retrospective      BOOL       written on another day than its own; false is evidence
--   definition_sha256  STRING     sha256 of what made the rows: the query, the model, the writes of its inputs
--   run_id             STRING     the Dagster run
--   replace_reason     STRING     why a partition written on its own day was replaced; NULL otherwise
--   pruned_at          TIMESTAMP  when `v4 prune` removed the rows; NULL while they are there

SELECT
  table_name, prediction_date, sequence, written_at, row_count, retrospective, definition_sha256, run_id, replace_reason,
  pruned_at
FROM {{partition_writes}}
WHERE prediction_date BETWEEN @first_day AND @last_day
QUALIFY ROW_NUMBER() OVER (PARTITION BY table_name, prediction_date ORDER BY sequence DESC) = 1
