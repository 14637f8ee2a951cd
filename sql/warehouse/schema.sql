-- schema: the schema versions that the warehouse was created with or upgraded to, oldest first. Rows are only added.
-- grain:   one row per version
-- inputs:  {{schema}}
-- params:  none
-- output:
--   version      INT64 [1..]  the version the tables have since
--   previous     INT64 [1..]  the version they had before; NULL where they were made at this one
--   recorded_at  TIMESTAMP    when
--   release      STRING       the release of v4-assets that made the change
--   recorded_by  STRING       the command that made the change
--   facts        STRING       facts about older rows read by this upgrade, as JSON; NULL when there are none

SELECT version, previous, recorded_at, release, recorded_by, facts
FROM {{schema}}
ORDER BY version, recorded_at
