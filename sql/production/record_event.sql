-- record_event: add one event to the history of deployments, once.
-- grain:   one row
-- inputs:  {{deployments}}
-- params:  @event_id STRING, @happened_at TIMESTAMP, @event STRING, @version STRING, @previous STRING, @action_id STRING, @reason STRING, @decided_by STRING, @gates STRING, @evidence_day STRING, @evidence_sha256 STRING, @bundle_sha256 STRING, @run_id STRING, @hold_until STRING
-- output:
--   event_id  STRING  unique; the other columns are those of deployments

-- A clock may stand still, so the order of events is counted.
INSERT INTO {{deployments}} (
  event_id, sequence, happened_at, event, version, previous, action_id, reason, decided_by, gates, evidence_day,
  evidence_sha256, bundle_sha256, run_id, hold_until
)
SELECT
  @event_id, recorded.latest + 1, @happened_at, @event, @version, @previous, @action_id, @reason, @decided_by, @gates,
  CAST(@evidence_day AS DATE), @evidence_sha256, @bundle_sha256, @run_id,
  CAST(@hold_until AS TIMESTAMP)
FROM (SELECT COALESCE(MAX(sequence), 0) AS latest FROM {{deployments}}) AS recorded
WHERE NOT EXISTS (SELECT 1 FROM {{deployments}} WHERE event_id = @event_id)
