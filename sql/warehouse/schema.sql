-- schema: the schema versions the warehouse was made at or upgraded to, oldest first. Rows are only added.
-- grain:   one row per version
-- inputs:  {{schema}}
-- params:  none
-- output:
--   version      INT64 [1..]  the version the tables have since
--   previous     INT64 [1..]  the version they had before; NULL where they were made at this one
--   recorded_at  TIMESTAMP    when
--   release      STRING       the release of v4-assets that did it
--   recorded_by  STRING       the command that did it
--   facts        STRING       what only this upgrade could find out about older rows, as JSON; NULL where nothing

SELECT version, previous, recorded_at, release, recorded_by, facts
FROM {{schema}}
ORDER BY version, recorded_at
