-- prospects: the advisors to be scored in a month: producing and active in FinTrx as of its first morning.
-- grain:   one row per prediction_date and advisor_crd
-- inputs:  {{ria_contacts_current}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   prediction_date  DATE    first day of the month
--   advisor_crd      INT64   the advisor
--   firm_name        STRING  PRIMARY_FIRM_NAME
--   is_own           BOOL    one of the firm's own people: the primary firm's name holds SAVVY
--   has_email        INT64 [0..1]  FinTrx has an e-mail address
--   has_linkedin     INT64 [0..1]  FinTrx has a LinkedIn profile
--   tie_break        INT64   salted hash of advisor_crd: orders equal scores without favouring old or young numbers
--   retrospective    BOOL    computed on another day than prediction_date: a late month

WITH contact AS (
  -- The row that advisor_firms chooses; the last three columns decide only where that choice leaves several.
  SELECT contacts.*
  FROM {{ria_contacts_current}} AS contacts
  WHERE RIA_CONTACT_CRD_ID IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY RIA_CONTACT_CRD_ID
    ORDER BY
      PRIMARY_FIRM_START_DATE DESC NULLS LAST,
      PRIMARY_FIRM NULLS LAST,
      LATEST_REGISTERED_EMPLOYMENT_START_DATE DESC NULLS LAST,
      LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID NULLS LAST,
      INDUSTRY_TENURE_MONTHS DESC NULLS LAST,
      REP_TYPE NULLS LAST,
      PRIMARY_FIRM_CLASSIFICATION NULLS LAST,
      PRODUCING_ADVISOR DESC NULLS LAST,
      LATEST_REGISTERED_EMPLOYMENT_COMPANY NULLS LAST,
      ACTIVE DESC NULLS LAST,
      EMAIL NULLS LAST,
      LINKEDIN_PROFILE_URL NULLS LAST,
      PRIMARY_FIRM_NAME NULLS LAST
  ) = 1
)

SELECT
  @prediction_date AS prediction_date,
  RIA_CONTACT_CRD_ID AS advisor_crd,
  PRIMARY_FIRM_NAME AS firm_name,
  UPPER(COALESCE(PRIMARY_FIRM_NAME, '')) LIKE '%SAVVY%' AS is_own,
  IF(REGEXP_CONTAINS(EMAIL, r'[^\s\v\p{Z}\p{Cc}\p{Cf}]'), 1, 0) AS has_email,
  IF(REGEXP_CONTAINS(LINKEDIN_PROFILE_URL, r'[^\s\v\p{Z}\p{Cc}\p{Cf}]'), 1, 0) AS has_linkedin,
  CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT('v4-tie-break:', CAST(RIA_CONTACT_CRD_ID AS STRING)))), 1, 15)) AS INT64) AS tie_break, -- engines agree: hexadecimal digits
  @retrospective AS retrospective
FROM contact
WHERE PRODUCING_ADVISOR AND ACTIVE
