-- scored_leads: the open leads to be scored on the day, as of its cut-off.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{lead}}
-- params:  @prediction_date DATE, @cutoff TIMESTAMP (prediction_date 00:00 New York), @retrospective BOOL
-- output:
--   prediction_date  DATE    the scored day
--   lead_id          STRING  Salesforce Lead Id, 18 characters
--   advisor_crd      INT64   digits of FA_CRD__c; NULL when none are left or they overflow 64 bits
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
)

SELECT
  @prediction_date AS prediction_date,
  Id AS lead_id,
  SAFE_CAST(REGEXP_REPLACE(FA_CRD__c, r'[^0-9]', '') AS INT64) AS advisor_crd,
  DATE(stage_entered_contacting__c, 'America/New_York') AS contacted_on,
  IF(REGEXP_CONTAINS(Email, r'\S'), 1, 0) AS has_email,
  IF(REGEXP_CONTAINS(LinkedIn_Profile_Apollo__c, r'\S'), 1, 0) AS has_linkedin,
  CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT('v4-tie-break:', Id))), 1, 15)) AS INT64) AS tie_break,
  @retrospective AS retrospective
FROM one_row_per_lead
WHERE REGEXP_CONTAINS(FA_CRD__c, r'\S')
  AND stage_entered_contacting__c < @cutoff
  AND (Stage_Entered_Call_Scheduled__c IS NULL OR Stage_Entered_Call_Scheduled__c >= @cutoff)
  AND UPPER(COALESCE(Company, '')) NOT LIKE '%SAVVY%'
