-- rows_of_days: the rows of a table or view between two days, both included.
-- grain:   that of the table or view
-- inputs:  {{dated}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   prediction_date  DATE  the day; the other columns are those of the table or view

SELECT *
FROM {{dated}}
WHERE prediction_date BETWEEN @first_day AND @last_day
