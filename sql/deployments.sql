-- deployments: everything that was ever done to production, oldest first. Rows are only added.
-- grain:   one row per event_id
-- inputs:  {{deployments}}
-- params:  none
-- output:
--   event_id         STRING     unique
--   happened_at      TIMESTAMP  when
--   event            STRING     adopted, promotion_started, promotion_completed, rollback_started, …
--   version          STRING     the version it is about
--   previous         STRING     the version live before; NULL at adoption
--   reason           STRING     why, in words
--   gates            STRING     the gates' verdicts as JSON; NULL where none were asked
--   evidence_sha256  STRING     sha256 of the evidence decided on; NULL where none was
--   run_id           STRING     the Dagster run, NULL from the command line

SELECT event_id, happened_at, event, version, previous, reason, gates, evidence_sha256, run_id
FROM {{deployments}}
ORDER BY happened_at, event_id
