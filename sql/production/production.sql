-- production: the live version. The table holds one row.
-- grain:   one row
-- inputs:  {{production}}
-- params:  none
-- output:
--   version        STRING  the live version
--   features_view  STRING  its features on the latest day
--   scores_table   STRING  its daily scores
--   model_uri      STRING  where its bundle lies
--   model_sha256   STRING  sha256 of its booster file
--   bundle_sha256  STRING  sha256 of everything that can change its scores; NULL before schema 2, where v4_schema.facts has it
--   event_id       STRING  the deployment event that made it live

SELECT version, features_view, scores_table, model_uri, model_sha256, bundle_sha256, event_id
FROM {{production}}
