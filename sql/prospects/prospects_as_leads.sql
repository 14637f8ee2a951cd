-- prospects_as_leads: rows of advisors under a lead_id, so that the leads' own feature files read them.
-- The lead_id is the CRD number as text. No prospect has a date of contact.
-- grain:   one row per prediction_date and advisor_crd
-- inputs:  {{prospects}}
-- params:  none
-- output:
--   lead_id  STRING  the CRD number; after it the table's own columns

SELECT CAST(advisors.advisor_crd AS STRING) AS lead_id, advisors.*
FROM {{prospects}} AS advisors
