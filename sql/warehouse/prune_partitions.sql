-- prune_partitions: remove a table's rows of some days.
-- grain:   one row per prediction_date
-- inputs:  {{pruned}}
-- params:  @days STRING (JSON array of days)
-- output:
--   prediction_date  DATE  one of these days

DELETE FROM {{pruned}}
WHERE prediction_date IN (SELECT CAST(JSON_VALUE(one, '$') AS DATE) FROM UNNEST(JSON_QUERY_ARRAY(@days)) AS one)
