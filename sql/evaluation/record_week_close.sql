-- record_week_close: record the verdicts of a day that can close a week, once for each write of its evidence.
-- grain:   one row
-- inputs:  {{week_closes}}
-- params:  @day DATE, @sequence INT64, @retrospective BOOL, @recorded_at TIMESTAMP, @live_version STRING, @policy_sha256 STRING, @policy STRING, @gates STRING, @run_id STRING
-- output:
--   day  DATE  the evaluated day; the other columns are those of week_closes

INSERT INTO {{week_closes}} (
  day, sequence, retrospective, recorded_at, live_version, policy_sha256, policy, gates, run_id
)
SELECT @day, @sequence, @retrospective, @recorded_at, @live_version, @policy_sha256, @policy, @gates, @run_id
FROM (SELECT 1)
WHERE NOT EXISTS (SELECT 1 FROM {{week_closes}} WHERE day = @day AND sequence = @sequence)
