-- leads_called: the leads that got a call, and those that are converted, merged or deleted. Their values stay in the CRM
-- when they leave the scored set.
-- grain:   one row per lead
-- inputs:  {{lead}}
-- names:   {{lead.id}}, {{lead.entered_call_scheduled}}
-- params:  none
-- output:
--   lead_id  STRING  Salesforce Lead Id, 18 characters

SELECT DISTINCT {{lead.id}} AS lead_id
FROM {{lead}}
WHERE {{lead.id}} IS NOT NULL AND ({{lead.entered_call_scheduled}} IS NOT NULL OR is_gone)
