-- switch_production: make another version live, if production has not changed since the decision.
-- grain:   one row
-- inputs:  {{production}}, {{partition_writes}}
-- params:  @version STRING, @features_view STRING, @scores_table STRING, @model_uri STRING, @model_sha256 STRING, @bundle_sha256 STRING, @event_id STRING, @expected_event_id STRING, @evidence_table STRING, @evidence_day STRING, @evidence_sequence INT64
-- output:
--   version  STRING  the live version; the other columns are those of production

-- An UPDATE of the one row, so that two switches conflict; inserts never do. The evidence must be the very write that
-- was read: a sequence of 0 asks for none, which is how a person overrides.
UPDATE {{production}}
SET
  version = @version,
  features_view = @features_view,
  scores_table = @scores_table,
  model_uri = @model_uri,
  model_sha256 = @model_sha256,
  bundle_sha256 = @bundle_sha256,
  event_id = @event_id
WHERE event_id = @expected_event_id
  AND @evidence_sequence = (
    SELECT IF(@evidence_sequence = 0, 0, COALESCE(MAX(sequence), -1))
    FROM {{partition_writes}}
    WHERE table_name = @evidence_table AND prediction_date = CAST(@evidence_day AS DATE)
  )
