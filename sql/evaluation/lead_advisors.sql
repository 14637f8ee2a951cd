-- lead_advisors: the advisor behind each lead listed in some days.
-- grain:   one row per lead_id
-- inputs:  {{scored_leads}}
-- params:  @first_scored DATE, @last_scored DATE
-- output:
--   lead_id      STRING  Salesforce Lead Id
--   advisor_crd  INT64   the advisor; NULL without a usable CRD

SELECT lead_id, MAX(advisor_crd) AS advisor_crd
FROM {{scored_leads}}
WHERE prediction_date BETWEEN @first_scored AND @last_scored
GROUP BY lead_id
