-- cohort_leads: the leads a cohort may be drawn from, with their outcomes as known on the day of evaluation.
-- A lead's contact is the one frozen by scored_leads when the lead was first listed 1 to 3 days later; a later second
-- contact or another Company changes nothing. For a lead that was never listed in time, it is the contact in the CRM.
-- grain:   one row per lead_id
-- inputs:  {{scored_leads}}, {{lead_outcomes}}
-- params:  @prediction_date DATE, @first_contact DATE, @last_contact DATE, @first_scored DATE (the day after @first_contact), @last_scored DATE (three days after @last_contact)
-- output:
--   lead_id       STRING  Salesforce Lead Id
--   contacted_on  DATE    New York date of contact, from @first_contact to @last_contact
--   called_on     DATE    New York date of the call; NULL when none is known
--   is_listed     BOOL    listed to be scored 1 to 3 days after contact; otherwise it has a CRD, is not one of the firm's own and should have been

WITH listed AS (
  SELECT lead_id, contacted_on
  FROM {{scored_leads}}
  WHERE prediction_date BETWEEN @first_scored AND @last_scored
    AND contacted_on BETWEEN @first_contact AND @last_contact
    AND DATE_DIFF(prediction_date, contacted_on, DAY) BETWEEN 1 AND 3
  QUALIFY ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY prediction_date, contacted_on) = 1
),

known AS (
  SELECT lead_id, contacted_on, called_on, has_crd AND NOT is_own AS is_wanted
  FROM {{lead_outcomes}}
  WHERE prediction_date = @prediction_date
)

SELECT
  COALESCE(listed.lead_id, known.lead_id) AS lead_id,
  COALESCE(listed.contacted_on, known.contacted_on) AS contacted_on,
  known.called_on,
  listed.lead_id IS NOT NULL AS is_listed
FROM listed
FULL JOIN known ON known.lead_id = listed.lead_id
WHERE listed.lead_id IS NOT NULL
  OR (known.is_wanted AND known.contacted_on BETWEEN @first_contact AND @last_contact)
-- Sums of fractions depend on their order in the last digit, and evidence must not.
ORDER BY lead_id
