-- score_ranks: how one model version scored and ranked on the day, without saying whom.
-- grain:   one row per lead
-- inputs:  {{daily_scores}}
-- params:  @prediction_date DATE
-- output:
--   score       FLOAT64 [0..1]  full precision
--   percentile  INT64 [1..100]  100 = best of the day

SELECT score, percentile
FROM {{daily_scores}}
WHERE prediction_date = @prediction_date
