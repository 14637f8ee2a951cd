-- week_closes: the verdicts of every evaluated day that can close a week, by the thresholds then in force. Rows are only added.
-- grain:   one row per day and sequence
-- inputs:  {{week_closes}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   day            DATE     the evaluated day
--   sequence       INT64 [1..]  the write of lift_comparison that was judged, as in partition_writes
--   retrospective  BOOL     the evidence was computed on another day
--   recorded_at    TIMESTAMP  when
--   live_version   STRING   the version that the rollback gates judged; NULL before the adoption
--   policy_sha256  STRING   sha256 of the thresholds
--   policy         STRING   the thresholds, as JSON
--   gates          STRING   the evidence gates with verdict and reason, as JSON
--   run_id         STRING   the Dagster run

SELECT day, sequence, retrospective, recorded_at, live_version, policy_sha256, policy, gates, run_id
FROM {{week_closes}}
WHERE day BETWEEN @first_day AND @last_day
ORDER BY day, sequence
