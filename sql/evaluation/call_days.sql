-- call_days: the days on which at least one lead entered Call Scheduled, and how many did, as known on the day of evaluation.
-- grain:   one row per called_on
-- inputs:  {{lead_outcomes}}
-- params:  @prediction_date DATE, @first_day DATE
-- output:
--   called_on  DATE  a New York date with at least one call, from @first_day on
--   calls      INT64 [1..]  leads that entered it on that date

SELECT called_on, COUNT(*) AS calls
FROM {{lead_outcomes}}
WHERE prediction_date = @prediction_date AND called_on >= @first_day
GROUP BY called_on
