-- record_pruned: note on the writes of a table's partitions of some days that their rows were removed, once.
-- grain:   one row per prediction_date and sequence
-- inputs:  {{partition_writes}}
-- params:  @pruned_table STRING, @days STRING (JSON array of days), @removed_at TIMESTAMP
-- output:
--   prediction_date  DATE       the partition; the other columns are those of partition_writes

UPDATE {{partition_writes}} SET pruned_at = @removed_at
WHERE table_name = @pruned_table
  AND prediction_date IN (SELECT CAST(JSON_VALUE(one, '$') AS DATE) FROM UNNEST(JSON_QUERY_ARRAY(@days)) AS one)
  AND pruned_at IS NULL
