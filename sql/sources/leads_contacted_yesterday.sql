-- leads_contacted_yesterday: the scored leads on their first morning, as training sees them.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{scored_leads}}
-- params:  @prediction_date DATE
-- output:
--   prediction_date  DATE    the scored day
--   lead_id          STRING  Salesforce Lead Id; the other columns are those of scored_leads

SELECT *
FROM {{scored_leads}}
WHERE contacted_on = DATE_SUB(@prediction_date, INTERVAL 1 DAY)
