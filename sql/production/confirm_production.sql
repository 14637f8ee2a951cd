-- confirm_production: verify that production is still as expected, unchanged; in a transaction it conflicts with a switch.
-- grain:   one row
-- inputs:  {{production}}
-- params:  @expected_event_id STRING
-- output:
--   version  STRING  the live version; the other columns are those of production

UPDATE {{production}}
SET version = version
WHERE event_id = @expected_event_id
