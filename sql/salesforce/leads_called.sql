-- leads_called: the leads that got a call. Their values stay in the CRM when they leave the scored set.
-- grain:   one row per lead
-- inputs:  {{lead}}
-- names:   {{lead.id}}, {{lead.entered_call_scheduled}}
-- params:  none
-- output:
--   lead_id  STRING  Salesforce Lead Id, as the source spells it

SELECT DISTINCT {{lead.id}} AS lead_id
FROM {{lead}}
WHERE {{lead.entered_call_scheduled}} IS NOT NULL
