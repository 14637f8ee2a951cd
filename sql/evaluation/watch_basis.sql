-- watch_basis: what the watch of a live version is judged by, measured once when it begins. Rows are only added.
-- grain:   one row per switch_id
-- inputs:  {{watch_basis}}
-- params:  none
-- output:
--   switch_id       STRING   event_id of the switch that made the version live
--   version         STRING   the watched version
--   recorded_at     TIMESTAMP  when
--   recorded_on     DATE     the day whose evaluation measured it
--   votes_from      DATE     calls from this day on vote: the switch's day, or recorded_on where the watch began before this table
--   measured_from   DATE     first day of contact of the leads that are measured
--   measured_to     DATE     last one, before the switch
--   leads           INT64 [0..]  covered leads
--   conversions     INT64 [0..]  of the covered leads
--   before_scored   INT64 [0..]  conversions called before the lead could first be scored
--   leads_per_week  FLOAT64 [0..]  covered leads a week
--   booked_by       STRING   share of the calls booked by each day after contact, as JSON
--   calls           INT64 [0..]  booked calls that variance is measured on
--   variance        FLOAT64 [0..1]  mean square of the difference of the calls' ranks under both versions
--   base_rate       FLOAT64 [0..1]  the covered base the early warning reckons with: measured, or assumed below 100 conversions
--   threshold       FLOAT64  sum above which the early warning is raised
--   assumed         STRING   lifts and AUCs the early warning tells apart, as JSON
--   run_id          STRING   the Dagster run

SELECT
  switch_id, version, recorded_at, recorded_on, votes_from, measured_from, measured_to, leads, conversions,
  before_scored, leads_per_week, booked_by, calls, variance, base_rate, threshold, assumed, run_id
FROM {{watch_basis}}
ORDER BY recorded_at, switch_id
