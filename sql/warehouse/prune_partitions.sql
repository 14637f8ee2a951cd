-- prune_partitions: remove a table's rows of the days before one.
-- grain:   one row per prediction_date
-- inputs:  {{pruned}}
-- params:  @before DATE
-- output:
--   prediction_date  DATE  a day before it

DELETE FROM {{pruned}} WHERE prediction_date < @before
