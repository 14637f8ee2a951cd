-- score_ranks: scores and ranks of one model version on the day, without lead ids.
-- grain:   one row per lead
-- inputs:  {{daily_scores}}
-- params:  @prediction_date DATE
-- output:
--   score       FLOAT64 [0..1]  full precision
--   percentile  INT64 [1..100]  100 = best of the day

SELECT score, percentile
FROM {{daily_scores}}
WHERE prediction_date = @prediction_date
