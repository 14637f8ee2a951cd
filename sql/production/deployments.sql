-- deployments: every change of production, oldest first. Rows are only added.
-- grain:   one row per event_id
-- inputs:  {{deployments}}
-- params:  none
-- output:
--   event_id         STRING     unique
--   sequence         INT64 [1..]  order in which the events were recorded
--   happened_at      TIMESTAMP  when
--   event            STRING     adopted, promotion_started, promotion_completed, rollback_started, rollback_completed, sunset_started, sunset_completed, restored, allowed, approved, acknowledged, held, released
--   version          STRING     live afterwards; or the version that is archived, restored, allowed or approved; the watched one where an early warning is acknowledged; the live one where a hold begins or ends
--   previous         STRING     the version live before; NULL where nothing is switched
--   action_id        STRING     event_id of the …_started event this one belongs to; its own there; NULL elsewhere
--   reason           STRING     why, in words
--   decided_by       STRING     the sensor, or the person who gave the command
--   gates            STRING     the gates' verdicts as JSON; NULL where none were asked
--   evidence_day     DATE       the day whose evidence was decided on; NULL where none was
--   evidence_sha256  STRING     its sha256
--   bundle_sha256    STRING     the bundle that went live or was approved; NULL for other events and before schema 2
--   run_id           STRING     the Dagster run, NULL from the command line
--   hold_until       TIMESTAMP  when a hold ends; NULL for other events and before schema 2

SELECT
  event_id, sequence, happened_at, event, version, previous, action_id, reason, decided_by, gates, evidence_day,
  evidence_sha256, bundle_sha256, run_id, hold_until
FROM {{deployments}}
ORDER BY sequence, happened_at, event_id
