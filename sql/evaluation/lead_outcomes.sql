-- lead_outcomes: contact, call and conversion of every recently contacted lead, as known on the day.
-- It holds the leads contacted in the widest cohort or later, and those called since then, whenever they were contacted.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{lead}}
-- params:  @prediction_date DATE, @cutoff TIMESTAMP (prediction_date 00:00 New York), @first_contact DATE (of the widest cohort), @last_matured DATE (contacted by then, the outcome is known), @window_days INT64 (outcome window), @retrospective BOOL
-- output:
--   prediction_date        DATE    the day of evaluation
--   lead_id                STRING  Salesforce Lead Id, 18 characters
--   contacted_on           DATE    New York date of entering Contacting, as the CRM has it; NULL when that lies after the cut-off
--   called_on              DATE    New York date of entering Call Scheduled; NULL when that has not happened before the cut-off
--   converted              BOOL    called 0 to @window_days New York days after contact; NULL while not matured
--   called_before_contact  BOOL    called on a New York date before that of contact; it did not convert
--   has_crd                BOOL    FA_CRD__c is present: the lead is to be scored
--   is_own                 BOOL    one of the firm's own people: Company holds SAVVY
--   retrospective          BOOL    computed on another day than prediction_date

WITH one_row_per_lead AS (
  -- A duplicated Lead row counts once. A row that is further along its stages wins, so that no as-of day can see it open again.
  SELECT *
  FROM {{lead}}
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY Id
    ORDER BY
      Stage_Entered_Call_Scheduled__c IS NULL,
      stage_entered_contacting__c DESC NULLS LAST,
      CreatedDate DESC NULLS LAST,
      FA_CRD__c DESC NULLS LAST,
      Company DESC NULLS LAST,
      Email DESC NULLS LAST,
      LinkedIn_Profile_Apollo__c DESC NULLS LAST,
      Stage_Entered_Call_Scheduled__c DESC
  ) = 1
),

known AS (
  SELECT
    Id AS lead_id,
    DATE(
      IF(stage_entered_contacting__c < @cutoff, stage_entered_contacting__c, NULL), 'America/New_York'
    ) AS contacted_on,
    DATE(
      IF(Stage_Entered_Call_Scheduled__c < @cutoff, Stage_Entered_Call_Scheduled__c, NULL), 'America/New_York'
    ) AS called_on,
    COALESCE(REGEXP_CONTAINS(FA_CRD__c, r'\S'), FALSE) AS has_crd,
    UPPER(COALESCE(Company, '')) LIKE '%SAVVY%' AS is_own
  FROM one_row_per_lead
)

SELECT
  @prediction_date AS prediction_date,
  lead_id,
  contacted_on,
  called_on,
  IF(
    contacted_on <= @last_matured,
    COALESCE(DATE_DIFF(called_on, contacted_on, DAY) BETWEEN 0 AND @window_days, FALSE),
    NULL
  ) AS converted,
  COALESCE(called_on < contacted_on, FALSE) AS called_before_contact,
  has_crd,
  is_own,
  @retrospective AS retrospective
FROM known
WHERE contacted_on >= @first_contact OR called_on >= @first_contact
