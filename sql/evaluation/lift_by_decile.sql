-- lift_by_decile: conversion of the cohort's leads by decile, for each question, version and way of ranking.
-- grain:   one row per prediction_date, question, version, ranking and decile
-- inputs:  {{lift_by_decile}}
-- params:  @first_day DATE, @last_day DATE
-- output:
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
  prediction_date, question, version, ranking, decile, leads, conversions, conversion_rate, conversion_rate_low,
  conversion_rate_high, lift, retrospective
FROM {{lift_by_decile}}
WHERE prediction_date BETWEEN @first_day AND @last_day
ORDER BY prediction_date, question, version, ranking, decile
