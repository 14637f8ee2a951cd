-- lead_outcomes: contact, call and conversion of every recently contacted lead, as known on the day.
-- It holds the leads contacted in the widest cohort, up to 14 days before it, or later, and those called since then,
-- whenever they were contacted: the cohort of an earlier week-close is read from it, too.
-- A lead was chosen from the last list that was given out before its contact and holds its advisor. A list that another
-- edition has replaced by then does not count; lists and contact are compared as instants.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{lead}}, {{prospect_list}}, {{prospect_lists}}
-- names:   {{lead.id}}, {{lead.advisor_crd}}, {{lead.email}}, {{lead.linkedin}}, {{lead.company}}, {{lead.created_at}}, {{lead.entered_contacting}}, {{lead.entered_call_scheduled}}
-- params:  @prediction_date DATE, @cutoff TIMESTAMP (prediction_date 00:00 New York), @first_contact DATE (14 days before the widest cohort), @last_matured DATE (contacted by then, the outcome is known), @window_days INT64 (outcome window), @retrospective BOOL
-- output:
--   prediction_date        DATE    the day of evaluation
--   lead_id                STRING  Salesforce Lead Id, 18 characters
--   contacted_on           DATE    New York date of entering Contacting, as the CRM has it; NULL when that lies after the cut-off
--   called_on              DATE    New York date of entering Call Scheduled; NULL when that has not happened before the cut-off
--   converted              BOOL    called 0 to @window_days New York days after contact; NULL while not matured
--   called_before_contact  BOOL    called on a New York date before that of contact; it did not convert
--   has_crd                BOOL    the CRD number is present: the lead is to be scored
--   is_own                 BOOL    one of the firm's own people: the company holds SAVVY
--   retrospective          BOOL    computed on another day than prediction_date
--   advisor_crd            INT64   the advisor; NULL when the CRM's field holds no CRD number, and before schema 2
--   contacted_at           TIMESTAMP  when it entered Contacting, as the CRM has it; NULL where contacted_on is, and before schema 2
--   chosen_version         STRING  the version whose scores order the list it was chosen from; NULL without one, and before schema 2
--   chosen_month           DATE    first day of that list's month
--   chosen_percentile      INT64 [0..100]  the advisor's percentile on that list

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
),

known AS (
  SELECT
    {{lead.id}} AS lead_id,
    DATE(
      IF({{lead.entered_contacting}} < @cutoff, {{lead.entered_contacting}}, NULL), 'America/New_York'
    ) AS contacted_on,
    DATE(
      IF({{lead.entered_call_scheduled}} < @cutoff, {{lead.entered_call_scheduled}}, NULL), 'America/New_York'
    ) AS called_on,
    has_crd,
    is_own,
    {{lead.advisor_crd}} AS advisor_crd,
    IF({{lead.entered_contacting}} < @cutoff, {{lead.entered_contacting}}, NULL) AS contacted_at
  FROM one_row_per_lead
),

given AS (
  SELECT
    prediction_date,
    edition,
    given_out_at,
    LEAD(given_out_at) OVER (PARTITION BY prediction_date ORDER BY edition) AS replaced_at
  FROM {{prospect_lists}}
),

chosen AS (
  SELECT known.lead_id, list.model_version, list.prediction_date AS month, list.percentile
  FROM known
  JOIN {{prospect_list}} AS list ON list.advisor_crd = known.advisor_crd
  JOIN given ON given.prediction_date = list.prediction_date AND given.edition = list.edition
  WHERE given.given_out_at < known.contacted_at
    AND (given.replaced_at IS NULL OR given.replaced_at >= known.contacted_at)
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY known.lead_id ORDER BY given.given_out_at DESC, list.prediction_date DESC, list.edition DESC
  ) = 1
)

SELECT
  @prediction_date AS prediction_date,
  known.lead_id,
  known.contacted_on,
  known.called_on,
  IF(
    known.contacted_on <= @last_matured,
    COALESCE(DATE_DIFF(known.called_on, known.contacted_on, DAY) BETWEEN 0 AND @window_days, FALSE),
    NULL
  ) AS converted,
  COALESCE(known.called_on < known.contacted_on, FALSE) AS called_before_contact,
  known.has_crd,
  known.is_own,
  @retrospective AS retrospective,
  known.advisor_crd,
  known.contacted_at,
  chosen.model_version AS chosen_version,
  chosen.month AS chosen_month,
  chosen.percentile AS chosen_percentile
FROM known
LEFT JOIN chosen ON chosen.lead_id = known.lead_id
WHERE known.contacted_on >= @first_contact OR known.called_on >= @first_contact
