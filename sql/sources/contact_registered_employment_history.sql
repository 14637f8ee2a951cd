-- contact_registered_employment_history: the firm's table of employments with values that can be, under its own names.
-- {{contact_registered_employment_history}} stands for this query in every other file. A CRD number has 1 to 18 digits, a
-- date lies between 1930 and the day after the scored day; any other value is NULL. A recomputed day knows no day after:
-- what lay ahead of it is real by now, so dates count up to 2099.
-- grain:   one row per row of the table
-- inputs:  {{contact_registered_employment_history}}
-- names:   {{contact_registered_employment_history.RIA_CONTACT_CRD_ID}}, {{contact_registered_employment_history.PREVIOUS_REGISTRATION_COMPANY_CRD_ID}}, {{contact_registered_employment_history.PREVIOUS_REGISTRATION_COMPANY_NAME}}, {{contact_registered_employment_history.PREVIOUS_REGISTRATION_COMPANY_START_DATE}}, {{contact_registered_employment_history.PREVIOUS_REGISTRATION_COMPANY_END_DATE}}, {{contact_registered_employment_history.further}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   RIA_CONTACT_CRD_ID                        INT64   the advisor
--   PREVIOUS_REGISTRATION_COMPANY_CRD_ID      INT64   the firm
--   PREVIOUS_REGISTRATION_COMPANY_NAME        STRING  its name
--   PREVIOUS_REGISTRATION_COMPANY_START_DATE  DATE    first day there
--   PREVIOUS_REGISTRATION_COMPANY_END_DATE    DATE    last day there; NULL = current
--   found_contact                             INT64   RIA_CONTACT_CRD_ID as the table has it
--   found_firm                                INT64   PREVIOUS_REGISTRATION_COMPANY_CRD_ID as the table has it
--   found_start                               DATE    PREVIOUS_REGISTRATION_COMPANY_START_DATE as the table has it
--   found_end                                 DATE    PREVIOUS_REGISTRATION_COMPANY_END_DATE as the table has it

WITH found AS (
  SELECT
    {{contact_registered_employment_history.RIA_CONTACT_CRD_ID}} AS found_contact,
    {{contact_registered_employment_history.PREVIOUS_REGISTRATION_COMPANY_CRD_ID}} AS found_firm,
    {{contact_registered_employment_history.PREVIOUS_REGISTRATION_COMPANY_NAME}} AS PREVIOUS_REGISTRATION_COMPANY_NAME,
    {{contact_registered_employment_history.PREVIOUS_REGISTRATION_COMPANY_START_DATE}} AS found_start,
    {{contact_registered_employment_history.PREVIOUS_REGISTRATION_COMPANY_END_DATE}} AS found_end{{contact_registered_employment_history.further}}
  FROM {{contact_registered_employment_history}}
)

SELECT
  IF(found_contact BETWEEN 1 AND 999999999999999999, found_contact, NULL) AS RIA_CONTACT_CRD_ID,
  IF(found_firm BETWEEN 1 AND 999999999999999999, found_firm, NULL) AS PREVIOUS_REGISTRATION_COMPANY_CRD_ID,
  PREVIOUS_REGISTRATION_COMPANY_NAME,
  IF(
    found_start BETWEEN DATE '1930-01-01'
    AND IF(@retrospective, DATE '2099-12-31', DATE_ADD(@prediction_date, INTERVAL 1 DAY)),
    found_start,
    NULL
  ) AS PREVIOUS_REGISTRATION_COMPANY_START_DATE,
  IF(
    found_end BETWEEN DATE '1930-01-01'
    AND IF(@retrospective, DATE '2099-12-31', DATE_ADD(@prediction_date, INTERVAL 1 DAY)),
    found_end,
    NULL
  ) AS PREVIOUS_REGISTRATION_COMPANY_END_DATE,
  found_contact,
  found_firm,
  found_start,
  found_end{{contact_registered_employment_history.further}}
FROM found
