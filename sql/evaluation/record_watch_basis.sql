-- record_watch_basis: record what a watch is judged by, unless that was recorded before.
-- grain:   one row
-- inputs:  {{watch_basis}}
-- params:  @switch_id STRING, @version STRING, @recorded_at TIMESTAMP, @recorded_on DATE, @votes_from DATE, @measured_from DATE, @measured_to DATE, @leads INT64, @conversions INT64, @before_scored INT64, @leads_per_week FLOAT64, @booked_by STRING, @calls INT64, @variance FLOAT64, @base_rate FLOAT64, @threshold FLOAT64, @assumed STRING, @run_id STRING
-- output:
--   switch_id  STRING  the switch; the other columns are those of watch_basis

INSERT INTO {{watch_basis}} (
  switch_id, version, recorded_at, recorded_on, votes_from, measured_from, measured_to, leads, conversions,
  before_scored, leads_per_week, booked_by, calls, variance, base_rate, threshold, assumed, run_id
)
SELECT
  @switch_id, @version, @recorded_at, @recorded_on, @votes_from, @measured_from, @measured_to, @leads, @conversions,
  @before_scored, @leads_per_week, @booked_by, @calls, @variance, @base_rate, @threshold, @assumed,
  @run_id
FROM (SELECT 1)
WHERE NOT EXISTS (SELECT 1 FROM {{watch_basis}} WHERE switch_id = @switch_id)
