-- adopt_production: make the first version live, if no version is live.
-- grain:   one row
-- inputs:  {{production}}
-- params:  @version STRING, @features_view STRING, @scores_table STRING, @model_uri STRING, @model_sha256 STRING, @bundle_sha256 STRING, @event_id STRING
-- output:
--   version        STRING  the live version; the other columns are those of production

INSERT INTO {{production}} (version, features_view, scores_table, model_uri, model_sha256, bundle_sha256, event_id)
SELECT adopted.*
FROM (
  SELECT
    @version AS version,
    @features_view AS features_view,
    @scores_table AS scores_table,
    @model_uri AS model_uri,
    @model_sha256 AS model_sha256,
    @bundle_sha256 AS bundle_sha256,
    @event_id AS event_id
) AS adopted
WHERE NOT EXISTS (SELECT 1 FROM {{production}})
