-- record_check_results: add judgements of the tables of some days, all or none.
-- grain:   one row per check
-- inputs:  {{check_results}}
-- params:  @results STRING, @first_day DATE, @last_day DATE
-- output:
--   table_name  STRING  the table judged; the other columns are those of check_results

-- One statement for any number of rows: on BigQuery every statement of a transaction takes a second.
INSERT INTO {{check_results}} (
  table_name, prediction_date, number, sequence, inputs, check_name, verdict, severity, blocking, alert, actual, threshold,
  bound, reason, evidence_sha256, policy_sha256, judged_at, run_id
)
SELECT
  JSON_VALUE(one, '$.table_name'),
  CAST(JSON_VALUE(one, '$.prediction_date') AS DATE),
  COALESCE(known.latest, 0) + CAST(JSON_VALUE(one, '$.number') AS INT64),  -- engines agree: JSON of whole numbers
  CAST(JSON_VALUE(one, '$.sequence') AS INT64),  -- engines agree: JSON of whole numbers
  JSON_VALUE(one, '$.inputs'),
  JSON_VALUE(one, '$.check_name'),
  JSON_VALUE(one, '$.verdict'),
  JSON_VALUE(one, '$.severity'),
  CAST(JSON_VALUE(one, '$.blocking') AS BOOL),  -- engines agree: JSON's true and false
  CAST(JSON_VALUE(one, '$.alert') AS BOOL),  -- engines agree: JSON's true and false
  CAST(JSON_VALUE(one, '$.actual') AS FLOAT64),
  CAST(JSON_VALUE(one, '$.threshold') AS FLOAT64),
  CAST(JSON_VALUE(one, '$.bound') AS FLOAT64),
  JSON_VALUE(one, '$.reason'),
  JSON_VALUE(one, '$.evidence_sha256'),
  JSON_VALUE(one, '$.policy_sha256'),
  CAST(JSON_VALUE(one, '$.judged_at') AS TIMESTAMP),
  JSON_VALUE(one, '$.run_id')
FROM UNNEST(JSON_QUERY_ARRAY(@results)) AS one
LEFT JOIN (
  SELECT table_name, prediction_date, MAX(number) AS latest
  FROM {{check_results}}
  WHERE prediction_date BETWEEN @first_day AND @last_day
  GROUP BY table_name, prediction_date
) AS known
  ON known.table_name = JSON_VALUE(one, '$.table_name')
  AND known.prediction_date = CAST(JSON_VALUE(one, '$.prediction_date') AS DATE)
