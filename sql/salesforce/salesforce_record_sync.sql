-- salesforce_record_sync: record the end of a sync.
-- grain:   one row
-- inputs:  {{salesforce_syncs}}
-- params:  @sync_id STRING, @target STRING, @org_id STRING, @prediction_date DATE, @model_version STRING, @run_id STRING, @ended_at TIMESTAMP, @is_full BOOL, @leads INT64, @sent INT64, @confirmed INT64, @pending INT64, @failed_rows INT64, @quarantined INT64, @held_back INT64, @absent INT64, @repaired INT64, @owed STRING
-- output:
--   sequence  INT64  unique; the other columns are those of salesforce_syncs

INSERT INTO {{salesforce_syncs}} (
  sequence, sync_id, target, org_id, prediction_date, model_version, run_id, ended_at, is_full, leads, sent, confirmed,
  pending, failed, quarantined, held_back, absent, repaired, owed
)
SELECT
  COALESCE(MAX(sequence), 0) + 1, @sync_id, @target, @org_id, @prediction_date, @model_version, @run_id, @ended_at,
  @is_full, @leads, @sent, @confirmed, @pending, @failed_rows, @quarantined, @held_back, @absent, @repaired, @owed
FROM {{salesforce_syncs}}
