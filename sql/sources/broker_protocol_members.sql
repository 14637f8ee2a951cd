-- broker_protocol_members: the firm's table of Broker Protocol members; a CRD number has 1 to 18 digits, or is NULL.
-- {{broker_protocol_members}} stands for this query in every other file.
-- grain:   one row per row of the table
-- inputs:  {{broker_protocol_members}}
-- names:   {{broker_protocol_members.firm_crd_id}}, {{broker_protocol_members.further}}
-- params:  none
-- output:
--   firm_crd_id  INT64  a member firm
--   found_firm   INT64  firm_crd_id as the table has it

SELECT
  IF(found_firm BETWEEN 1 AND 999999999999999999, found_firm, NULL) AS firm_crd_id,
  found_firm{{broker_protocol_members.further}}
FROM (
  SELECT {{broker_protocol_members.firm_crd_id}} AS found_firm{{broker_protocol_members.further}} FROM {{broker_protocol_members}}
)
