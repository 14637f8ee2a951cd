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
--   latest_at        TIMESTAMP  newest entry before the cut-off

SELECT prediction_date, source, column_name, row_count, null_count, latest_at
FROM {{source_observations}}
WHERE prediction_date BETWEEN @first_day AND @last_day
