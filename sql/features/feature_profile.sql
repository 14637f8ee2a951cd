-- feature_profile: the distribution of every feature of one version, on each of some days.
-- grain:   one row per prediction_date and feature
-- inputs:  {{feature_profile}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   prediction_date  DATE     the scored day
--   feature          STRING   name of the feature
--   row_count        INT64 [0..]  leads
--   missing_count    INT64 [0..]  leads in which it is NULL or holds its "not known" value
--   mean             FLOAT64  mean of the encoded values; NULL on an empty day
--   psi              FLOAT64 [0..]  population stability index against the model's training profile; NULL on an empty day
--   retrospective    BOOL     computed on another day than prediction_date

SELECT prediction_date, feature, row_count, missing_count, mean, psi, retrospective
FROM {{feature_profile}}
WHERE prediction_date BETWEEN @first_day AND @last_day
