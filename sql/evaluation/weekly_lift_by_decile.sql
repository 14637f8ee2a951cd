-- weekly_lift_by_decile: the full lift by decile once a week, as evaluated on the week's last evaluated day.
-- grain:   one row per week_from, question, version, ranking and decile
-- inputs:  {{lift_by_decile}}
-- names:   {{policy.week}}
-- params:  none
-- output:
--   week_from             DATE  first day of the week, as policy.weeks of rollout.yaml sets it
--   is_closed             BOOL  a day of a later week has been evaluated
--   prediction_date       DATE  the day of evaluation
--   question              STRING [promotion | rollback]  what the cohort was sized for
--   version               STRING  the version judged
--   ranking               STRING [cohort | within_week | as_served]  among whom a lead was ranked: the cohort, its ISO week of contact, all leads open at its first score
--   decile                INT64 [1..10]  10 = top
--   leads                 FLOAT64 [0..]  leads of the cohort in the decile; a tie across a border is shared in proportion
--   conversions           FLOAT64 [0..]  conversions among them
--   conversion_rate       FLOAT64 [0..]  conversions / leads; NULL in an empty decile
--   conversion_rate_low   FLOAT64 [0..1]  Wilson
--   conversion_rate_high  FLOAT64 [0..1]  Wilson
--   lift                  FLOAT64 [0..]  conversion_rate over the cohort's; NULL without conversions
--   retrospective         BOOL  computed on another day than prediction_date

SELECT
  CAST(DATE_TRUNC(prediction_date, {{policy.week}}) AS DATE) AS week_from,
  DATE_TRUNC(prediction_date, {{policy.week}}) < DATE_TRUNC(MAX(prediction_date) OVER (), {{policy.week}}) AS is_closed,
  prediction_date, question, version, ranking, decile, leads, conversions, conversion_rate, conversion_rate_low,
  conversion_rate_high, lift, retrospective
FROM {{lift_by_decile}}
QUALIFY prediction_date = MAX(prediction_date) OVER (PARTITION BY DATE_TRUNC(prediction_date, {{policy.week}}))
