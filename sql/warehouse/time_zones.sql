-- time_zones: an instant in the time zone of the warehouse's session, and in New York's.
-- grain:   one row per new_york_date
-- inputs:  none
-- params:  @cutoff TIMESTAMP (a day 00:00 New York)
-- output:
--   session_hour   INT64 [0..23]  hour of the instant in the session's time zone, which must be UTC
--   new_york_hour  INT64 [0..23]  hour of the instant in New York: 0
--   new_york_date  DATE           date of the instant in New York: the day

SELECT
  EXTRACT(HOUR FROM @cutoff) AS session_hour,
  EXTRACT(HOUR FROM DATETIME(@cutoff, 'America/New_York')) AS new_york_hour,
  DATE(@cutoff, 'America/New_York') AS new_york_date
