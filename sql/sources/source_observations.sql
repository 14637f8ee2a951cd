-- source_observations: how many rows and nulls each source column held when the day was prepared, and how fresh it was.
-- grain:   one row per prediction_date, source and column_name
-- inputs:  {{lead}}, {{ria_contacts_current}}, {{contact_registered_employment_history}}, {{broker_protocol_members}}
-- names:   {{lead.id}}, {{lead.advisor_crd}}, {{lead.email}}, {{lead.linkedin}}, {{lead.company}}, {{lead.created_at}}, {{lead.entered_contacting}}
-- params:  @prediction_date DATE, @cutoff TIMESTAMP (prediction_date 00:00 New York), @retrospective BOOL
-- output:
--   prediction_date  DATE       the scored day
--   source           STRING     the source table
--   column_name      STRING     one of its columns
--   row_count        INT64 [0..]  rows of the source; leads and employments begun before the cut-off only
--   null_count       INT64 [0..]  of those, rows in which the column is NULL
--   latest_at        TIMESTAMP  newest entry before the cut-off; NULL for a source without dates
--   retrospective    BOOL       observed on another day than prediction_date

WITH observed AS (
  SELECT
    'lead' AS source,
    COUNT(*) AS row_count,
    MAX({{lead.created_at}}) AS latest_at,
    [
      STRUCT('{{lead.id}}' AS column_name, COUNTIF({{lead.id}} IS NULL) AS null_count),
      STRUCT('{{lead.advisor_crd}}' AS column_name, COUNTIF({{lead.advisor_crd}} IS NULL) AS null_count),
      STRUCT('{{lead.email}}' AS column_name, COUNTIF({{lead.email}} IS NULL) AS null_count),
      STRUCT('{{lead.linkedin}}' AS column_name, COUNTIF({{lead.linkedin}} IS NULL) AS null_count),
      STRUCT('{{lead.company}}' AS column_name, COUNTIF({{lead.company}} IS NULL) AS null_count),
      STRUCT('{{lead.entered_contacting}}' AS column_name,
        COUNTIF({{lead.entered_contacting}} IS NULL OR {{lead.entered_contacting}} >= @cutoff) AS null_count)
    ] AS columns
  FROM {{lead}}
  WHERE {{lead.created_at}} < @cutoff

  UNION ALL

  SELECT
    'ria_contacts_current' AS source,
    COUNT(*) AS row_count,
    TIMESTAMP(MAX(IF(PRIMARY_FIRM_START_DATE < @prediction_date, PRIMARY_FIRM_START_DATE, NULL)), 'UTC') AS latest_at,
    [
      STRUCT('RIA_CONTACT_CRD_ID' AS column_name, COUNTIF(RIA_CONTACT_CRD_ID IS NULL) AS null_count),
      STRUCT('PRIMARY_FIRM' AS column_name, COUNTIF(PRIMARY_FIRM IS NULL) AS null_count),
      STRUCT('PRIMARY_FIRM_START_DATE' AS column_name, COUNTIF(PRIMARY_FIRM_START_DATE IS NULL) AS null_count),
      STRUCT('PRIMARY_FIRM_CLASSIFICATION' AS column_name, COUNTIF(PRIMARY_FIRM_CLASSIFICATION IS NULL) AS null_count),
      STRUCT('REP_TYPE' AS column_name, COUNTIF(REP_TYPE IS NULL) AS null_count),
      STRUCT('PRODUCING_ADVISOR' AS column_name, COUNTIF(PRODUCING_ADVISOR IS NULL) AS null_count),
      STRUCT('INDUSTRY_TENURE_MONTHS' AS column_name, COUNTIF(INDUSTRY_TENURE_MONTHS IS NULL) AS null_count),
      STRUCT('LATEST_REGISTERED_EMPLOYMENT_START_DATE' AS column_name,
        COUNTIF(LATEST_REGISTERED_EMPLOYMENT_START_DATE IS NULL) AS null_count)
    ] AS columns
  FROM {{ria_contacts_current}}

  UNION ALL

  SELECT
    'contact_registered_employment_history' AS source,
    COUNT(*) AS row_count,
    TIMESTAMP(MAX(PREVIOUS_REGISTRATION_COMPANY_START_DATE), 'UTC') AS latest_at,
    [
      STRUCT('RIA_CONTACT_CRD_ID' AS column_name, COUNTIF(RIA_CONTACT_CRD_ID IS NULL) AS null_count),
      STRUCT('PREVIOUS_REGISTRATION_COMPANY_CRD_ID' AS column_name,
        COUNTIF(PREVIOUS_REGISTRATION_COMPANY_CRD_ID IS NULL) AS null_count),
      STRUCT('PREVIOUS_REGISTRATION_COMPANY_START_DATE' AS column_name,
        COUNTIF(PREVIOUS_REGISTRATION_COMPANY_START_DATE IS NULL) AS null_count),
      STRUCT('PREVIOUS_REGISTRATION_COMPANY_END_DATE' AS column_name,
        COUNTIF(PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL) AS null_count)
    ] AS columns
  FROM {{contact_registered_employment_history}}
  WHERE PREVIOUS_REGISTRATION_COMPANY_START_DATE IS NULL
    OR PREVIOUS_REGISTRATION_COMPANY_START_DATE < @prediction_date

  UNION ALL

  SELECT
    'broker_protocol_members' AS source,
    COUNT(*) AS row_count,
    CAST(NULL AS TIMESTAMP) AS latest_at,
    [STRUCT('firm_crd_id' AS column_name, COUNTIF(firm_crd_id IS NULL) AS null_count)] AS columns
  FROM {{broker_protocol_members}}
)

SELECT
  @prediction_date AS prediction_date,
  observed.source,
  observation.column_name,
  observed.row_count,
  observation.null_count,
  observed.latest_at,
  @retrospective AS retrospective
FROM observed
CROSS JOIN UNNEST(observed.columns) AS observation
