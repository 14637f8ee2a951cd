-- top_decile_churn: the leads of one version's top decile that were not in it the day before.
-- grain:   one row
-- inputs:  {{daily_scores}}
-- params:  @prediction_date DATE, @day_before DATE
-- output:
--   top_count    INT64 [0..]  leads in the top decile of the day
--   known_count  INT64 [0..]  those of them that were scored the day before
--   new_count    INT64 [0..]  those of these that were in a lower decile then

SELECT
  COUNT(*) AS top_count,
  COUNT(earlier.lead_id) AS known_count,
  COUNTIF(earlier.decile < 10) AS new_count
FROM {{daily_scores}} AS today
LEFT JOIN {{daily_scores}} AS earlier
  ON earlier.lead_id = today.lead_id AND earlier.prediction_date = @day_before
WHERE today.prediction_date = @prediction_date
  AND today.decile = 10
