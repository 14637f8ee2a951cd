-- record_schema: add one version to the schema versions of the warehouse, once.
-- grain:   one row
-- inputs:  {{schema}}
-- params:  @schema_version INT64, @previous_schema STRING, @recorded_at TIMESTAMP, @release STRING, @recorded_by STRING, @facts STRING
-- output:
--   version  INT64  the version; the other columns are those of schema

INSERT INTO {{schema}} (version, previous, recorded_at, release, recorded_by, facts)
SELECT upgraded.*
FROM (
  SELECT
    @schema_version AS version,
    CAST(@previous_schema AS INT64) AS previous, -- engines agree: a whole number
    @recorded_at AS recorded_at,
    @release AS release,
    @recorded_by AS recorded_by,
    @facts AS facts
) AS upgraded
WHERE NOT EXISTS (SELECT 1 FROM {{schema}} WHERE version = @schema_version)
