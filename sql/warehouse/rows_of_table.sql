-- rows_of_table: every row of a table or view that is not kept by day.
-- grain:   that of the table or view
-- inputs:  {{undated}}
-- params:  none
-- output:
--   version  STRING  the version of the row; the other columns are those of the table or view

SELECT *
FROM {{undated}}
