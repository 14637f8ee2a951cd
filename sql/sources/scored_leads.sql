-- scored_leads: the open leads to be scored on the day, as of its cut-off.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{lead}}
-- names:   {{lead.id}}, {{lead.advisor_crd}}, {{lead.email}}, {{lead.linkedin}}, {{lead.company}}, {{lead.created_at}}, {{lead.entered_contacting}}, {{lead.entered_call_scheduled}}
-- params:  @prediction_date DATE, @cutoff TIMESTAMP (prediction_date 00:00 New York), @retrospective BOOL
-- output:
--   prediction_date  DATE    the scored day
--   lead_id          STRING  Salesforce Lead Id, 18 characters
--   advisor_crd      INT64   digits of the CRD number; NULL when none are left or they overflow 64 bits
--   contacted_on     DATE    New York date of entering Contacting
--   has_email        INT64 [0..1]  the lead's own Email is present
--   has_linkedin     INT64 [0..1]  the lead's own LinkedIn profile is present
--   tie_break        INT64   salted hash of lead_id: orders equal scores without favouring old or young leads
--   retrospective    BOOL    computed on another day than prediction_date

WITH one_row_per_lead AS (
  -- A duplicated Lead row counts once. A row that is further along its stages wins, so that no as-of day can see it open again.
  SELECT *
  FROM {{lead}}
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY {{lead.id}}
    ORDER BY
      {{lead.entered_call_scheduled}} IS NULL,
      {{lead.entered_contacting}} DESC NULLS LAST,
      {{lead.created_at}} DESC NULLS LAST,
      {{lead.advisor_crd}} DESC NULLS LAST,
      {{lead.company}} DESC NULLS LAST,
      {{lead.email}} DESC NULLS LAST,
      {{lead.linkedin}} DESC NULLS LAST,
      {{lead.entered_call_scheduled}} DESC
  ) = 1
)

SELECT
  @prediction_date AS prediction_date,
  {{lead.id}} AS lead_id,
  SAFE_CAST(REGEXP_REPLACE({{lead.advisor_crd}}, r'[^0-9]', '') AS INT64) AS advisor_crd,
  DATE({{lead.entered_contacting}}, 'America/New_York') AS contacted_on,
  IF(REGEXP_CONTAINS({{lead.email}}, r'\S'), 1, 0) AS has_email,
  IF(REGEXP_CONTAINS({{lead.linkedin}}, r'\S'), 1, 0) AS has_linkedin,
  CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT('v4-tie-break:', {{lead.id}}))), 1, 15)) AS INT64) AS tie_break,
  @retrospective AS retrospective
FROM one_row_per_lead
WHERE REGEXP_CONTAINS({{lead.advisor_crd}}, r'\S')
  AND {{lead.entered_contacting}} < @cutoff
  AND ({{lead.entered_call_scheduled}} IS NULL OR {{lead.entered_call_scheduled}} >= @cutoff)
  AND UPPER(COALESCE({{lead.company}}, '')) NOT LIKE '%SAVVY%'
