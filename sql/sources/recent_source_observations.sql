-- recent_source_observations: the observations of a day and of the days before it.
-- grain:   one row per prediction_date, source and column_name
-- inputs:  {{source_observations}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   prediction_date  DATE       the scored day
--   source           STRING     the source table
--   column_name      STRING     one of its columns
--   row_count        INT64 [0..]  rows of the source
--   null_count       INT64 [0..]  rows in which the column is NULL
--   impossible_count  INT64 [0..]  rows whose value cannot be; NULL before release 0.2
--   impossible_examples  STRING  the smallest and the largest such value
--   latest_at        TIMESTAMP  newest entry before the cut-off

SELECT prediction_date, source, column_name, row_count, null_count, impossible_count, impossible_examples, latest_at
FROM {{source_observations}}
WHERE prediction_date BETWEEN @first_day AND @last_day
