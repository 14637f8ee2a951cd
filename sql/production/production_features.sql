-- production_features: a version's features on the latest day with features, under the guide's name of the view.
-- grain:   one row per lead_id
-- inputs:  {{features}}
-- params:  none
-- output:
--   prediction_date  DATE    the latest day that has features
--   lead_id          STRING  Salesforce Lead Id; after it the version's features

SELECT *
FROM {{features}}
WHERE prediction_date = (SELECT MAX(prediction_date) FROM {{features}})
