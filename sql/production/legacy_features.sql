-- legacy_features: production_features with columns of the hand-run view of that name, for readers that still select them.
-- grain:   one row per lead_id
-- inputs:  {{features}}, {{advisor_firms}}, {{partition_writes}}
-- params:  none
-- output:
--   firm_crd                      INT64      current firm; NULL when unknown
--   firm_name                     STRING     its name; NULL when unknown
--   has_fintrx_match              INT64 [0..1]  anything is known about the advisor
--   feature_extraction_timestamp  TIMESTAMP  when the first table of the day was written; before them stand the columns of production_features

SELECT
  features.*,
  firms.firm_crd,
  firms.firm_name,
  IF(
    firms.firm_crd IS NULL AND firms.industry_months IS NULL AND firms.primary_firm_started_on IS NULL
    AND firms.rep_type IS NULL AND firms.firm_classification IS NULL,
    0,
    1
  ) AS has_fintrx_match,
  writes.feature_extraction_timestamp
FROM {{features}} AS features
LEFT JOIN {{advisor_firms}} AS firms
  ON firms.prediction_date = features.prediction_date AND firms.advisor_crd = features.advisor_crd
LEFT JOIN (
  SELECT prediction_date, MIN(written_at) AS feature_extraction_timestamp
  FROM {{partition_writes}}
  GROUP BY prediction_date
) AS writes ON writes.prediction_date = features.prediction_date
WHERE features.prediction_date = (SELECT MAX(prediction_date) FROM {{features}})
