-- scored_leads: the open leads to be scored on the day, as of its cut-off.
-- A lead that is deleted, merged or converted by now is left out of its own day, and of no recomputed one: the CRM does not
-- keep since when it is.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{lead}}
-- names:   {{lead.id}}, {{lead.advisor_crd}}, {{lead.email}}, {{lead.linkedin}}, {{lead.company}}, {{lead.created_at}}, {{lead.entered_contacting}}, {{lead.entered_call_scheduled}}
-- params:  @prediction_date DATE, @cutoff TIMESTAMP (prediction_date 00:00 New York), @retrospective BOOL
-- output:
--   prediction_date  DATE    the scored day
--   lead_id          STRING  Salesforce Lead Id, 18 characters
--   advisor_crd      INT64   the CRD number; NULL when the field holds none
--   contacted_on     DATE    New York date of entering Contacting
--   has_email        INT64 [0..1]  the lead's own Email is present
--   has_linkedin     INT64 [0..1]  the lead's own LinkedIn profile is present
--   tie_break        INT64   salted hash of lead_id: orders equal scores without favouring old or young leads
--   retrospective    BOOL    computed on another day than prediction_date

WITH one_row_per_lead AS (
  -- A duplicated Lead row counts once. A row that is further along its stages wins, so that no as-of day can see it open again.
  SELECT
    *,
    LOGICAL_OR(is_gone) OVER (PARTITION BY {{lead.id}}) AS is_gone_in_a_row
  FROM {{lead}}
  WHERE {{lead.id}} IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY {{lead.id}}
    ORDER BY
      {{lead.entered_call_scheduled}} IS NULL,
      {{lead.entered_contacting}} DESC NULLS LAST,
      {{lead.created_at}} DESC NULLS LAST,
      found_advisor_crd DESC NULLS LAST,
      {{lead.company}} DESC NULLS LAST,
      {{lead.email}} DESC NULLS LAST,
      {{lead.linkedin}} DESC NULLS LAST,
      {{lead.entered_call_scheduled}} DESC
  ) = 1
)

SELECT
  @prediction_date AS prediction_date,
  {{lead.id}} AS lead_id,
  {{lead.advisor_crd}} AS advisor_crd,
  DATE({{lead.entered_contacting}}, 'America/New_York') AS contacted_on,
  IF(has_email, 1, 0) AS has_email,
  IF(has_linkedin, 1, 0) AS has_linkedin,
  CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT('v4-tie-break:', {{lead.id}}))), 1, 15)) AS INT64) AS tie_break, -- engines agree: hexadecimal digits
  @retrospective AS retrospective
FROM one_row_per_lead
WHERE has_crd
  AND {{lead.entered_contacting}} < @cutoff
  AND ({{lead.entered_call_scheduled}} IS NULL OR {{lead.entered_call_scheduled}} >= @cutoff)
  AND NOT is_own
  AND (@retrospective OR NOT is_gone_in_a_row)
