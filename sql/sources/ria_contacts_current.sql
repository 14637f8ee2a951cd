-- ria_contacts_current: the firm's table of advisors with values that can be, under the table's own names.
-- {{ria_contacts_current}} stands for this query in every other file. A CRD number has 1 to 18 digits, a date lies between
-- 1930 and the day after the scored day, INDUSTRY_TENURE_MONTHS between 0 and 75 years; any other value is NULL.
-- grain:   one row per row of the table
-- inputs:  {{ria_contacts_current}}
-- names:   {{ria_contacts_current.RIA_CONTACT_CRD_ID}}, {{ria_contacts_current.PRIMARY_FIRM}}, {{ria_contacts_current.PRIMARY_FIRM_NAME}}, {{ria_contacts_current.PRIMARY_FIRM_START_DATE}}, {{ria_contacts_current.PRIMARY_FIRM_CLASSIFICATION}}, {{ria_contacts_current.REP_TYPE}}, {{ria_contacts_current.PRODUCING_ADVISOR}}, {{ria_contacts_current.ACTIVE}}, {{ria_contacts_current.INDUSTRY_TENURE_MONTHS}}, {{ria_contacts_current.LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID}}, {{ria_contacts_current.LATEST_REGISTERED_EMPLOYMENT_COMPANY}}, {{ria_contacts_current.LATEST_REGISTERED_EMPLOYMENT_START_DATE}}, {{ria_contacts_current.EMAIL}}, {{ria_contacts_current.LINKEDIN_PROFILE_URL}}, {{ria_contacts_current.further}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   RIA_CONTACT_CRD_ID                           INT64   the advisor
--   PRIMARY_FIRM                                 INT64   where the advisor works now
--   PRIMARY_FIRM_NAME                            STRING  its name
--   PRIMARY_FIRM_START_DATE                      DATE    since when
--   PRIMARY_FIRM_CLASSIFICATION                  STRING  kind of firm
--   REP_TYPE                                     STRING  IA, DR, BD, NA
--   PRODUCING_ADVISOR                            BOOL    whether the advisor produces
--   ACTIVE                                       BOOL    whether the advisor is active
--   INDUSTRY_TENURE_MONTHS                       INT64 [0..900]  months in the industry
--   LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID  INT64   firm of the latest registration
--   LATEST_REGISTERED_EMPLOYMENT_COMPANY         STRING  its name
--   LATEST_REGISTERED_EMPLOYMENT_START_DATE      DATE    its start
--   EMAIL                                        STRING  e-mail address
--   LINKEDIN_PROFILE_URL                         STRING  LinkedIn profile
--   found_contact                                INT64   RIA_CONTACT_CRD_ID as the table has it
--   found_primary_firm                           INT64   PRIMARY_FIRM as the table has it
--   found_primary_start                          DATE    PRIMARY_FIRM_START_DATE as the table has it
--   found_months                                 INT64   INDUSTRY_TENURE_MONTHS as the table has it
--   found_registered_firm                        INT64   LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID as the table has it
--   found_registered_start                       DATE    LATEST_REGISTERED_EMPLOYMENT_START_DATE as the table has it

WITH found AS (
  SELECT
    {{ria_contacts_current.RIA_CONTACT_CRD_ID}} AS found_contact,
    {{ria_contacts_current.PRIMARY_FIRM}} AS found_primary_firm,
    {{ria_contacts_current.PRIMARY_FIRM_NAME}} AS PRIMARY_FIRM_NAME,
    {{ria_contacts_current.PRIMARY_FIRM_START_DATE}} AS found_primary_start,
    {{ria_contacts_current.PRIMARY_FIRM_CLASSIFICATION}} AS PRIMARY_FIRM_CLASSIFICATION,
    {{ria_contacts_current.REP_TYPE}} AS REP_TYPE,
    {{ria_contacts_current.PRODUCING_ADVISOR}} AS PRODUCING_ADVISOR,
    {{ria_contacts_current.ACTIVE}} AS ACTIVE,
    {{ria_contacts_current.INDUSTRY_TENURE_MONTHS}} AS found_months,
    {{ria_contacts_current.LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID}} AS found_registered_firm,
    {{ria_contacts_current.LATEST_REGISTERED_EMPLOYMENT_COMPANY}} AS LATEST_REGISTERED_EMPLOYMENT_COMPANY,
    {{ria_contacts_current.LATEST_REGISTERED_EMPLOYMENT_START_DATE}} AS found_registered_start,
    {{ria_contacts_current.EMAIL}} AS EMAIL,
    {{ria_contacts_current.LINKEDIN_PROFILE_URL}} AS LINKEDIN_PROFILE_URL{{ria_contacts_current.further}}
  FROM {{ria_contacts_current}}
)

SELECT
  IF(found_contact BETWEEN 1 AND 999999999999999999, found_contact, NULL) AS RIA_CONTACT_CRD_ID,
  IF(found_primary_firm BETWEEN 1 AND 999999999999999999, found_primary_firm, NULL) AS PRIMARY_FIRM,
  PRIMARY_FIRM_NAME,
  IF(
    found_primary_start BETWEEN DATE '1930-01-01'
    AND IF(@retrospective, DATE '2099-12-31', DATE_ADD(@prediction_date, INTERVAL 1 DAY)),
    found_primary_start,
    NULL
  ) AS PRIMARY_FIRM_START_DATE,
  PRIMARY_FIRM_CLASSIFICATION,
  REP_TYPE,
  PRODUCING_ADVISOR,
  ACTIVE,
  IF(found_months BETWEEN 0 AND 900, found_months, NULL) AS INDUSTRY_TENURE_MONTHS,
  IF(
    found_registered_firm BETWEEN 1 AND 999999999999999999, found_registered_firm, NULL
  ) AS LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID,
  LATEST_REGISTERED_EMPLOYMENT_COMPANY,
  IF(
    found_registered_start BETWEEN DATE '1930-01-01'
    AND IF(@retrospective, DATE '2099-12-31', DATE_ADD(@prediction_date, INTERVAL 1 DAY)),
    found_registered_start,
    NULL
  ) AS LATEST_REGISTERED_EMPLOYMENT_START_DATE,
  EMAIL,
  LINKEDIN_PROFILE_URL,
  found_contact,
  found_primary_firm,
  found_primary_start,
  found_months,
  found_registered_firm,
  found_registered_start{{ria_contacts_current.further}}
FROM found
