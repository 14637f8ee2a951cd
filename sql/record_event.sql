-- record_event: add one event to the history of deployments.
-- grain:   one row
-- inputs:  {{deployments}}
-- params:  @event_id STRING, @happened_at TIMESTAMP, @event STRING, @version STRING, @previous STRING, @reason STRING, @gates STRING, @evidence_sha256 STRING, @run_id STRING
-- output:
--   event_id  STRING  unique; the other columns are those of deployments

INSERT INTO {{deployments}} (event_id, happened_at, event, version, previous, reason, gates, evidence_sha256, run_id)
VALUES (@event_id, @happened_at, @event, @version, @previous, @reason, @gates, @evidence_sha256, @run_id)
