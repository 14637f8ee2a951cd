-- source_observations: how many rows, nulls and impossible values each source column held when the day was prepared, and how fresh it was.
-- grain:   one row per prediction_date, source and column_name
-- inputs:  {{lead}}, {{ria_contacts_current}}, {{contact_registered_employment_history}}, {{broker_protocol_members}}
-- names:   {{lead.created_at}}, {{lead_name.id}}, {{lead.id}}, {{lead_name.advisor_crd}}, {{lead.advisor_crd}}, {{lead_name.email}}, {{lead.email}}, {{lead_name.linkedin}}, {{lead.linkedin}}, {{lead_name.company}}, {{lead.company}}, {{lead_name.created_at}}, {{lead_name.entered_contacting}}, {{lead.entered_contacting}}, {{lead_name.entered_call_scheduled}}, {{lead.entered_call_scheduled}}, {{lead.brought}}, {{ria_contacts_current.brought}}, {{contact_registered_employment_history.brought}}, {{broker_protocol_members.brought}}
-- params:  @prediction_date DATE, @cutoff TIMESTAMP (prediction_date 00:00 New York), @retrospective BOOL
-- output:
--   prediction_date      DATE       the scored day
--   source               STRING     the source table
--   column_name          STRING     one of its columns
--   row_count            INT64 [0..]  rows of the source; leads and employments begun before the cut-off only
--   null_count           INT64 [0..]  of those, rows in which the column is NULL
--   impossible_count     INT64 [0..]  of those, rows whose value cannot be and is read as NULL; NULL before release 0.2
--   impossible_examples  STRING     the smallest and the largest such value
--   latest_at            TIMESTAMP  newest entry before the cut-off; NULL for a source without dates
--   retrospective        BOOL       observed on another day than prediction_date

WITH observed AS (
  SELECT
    'lead' AS source,
    COUNT(*) AS row_count,
    MAX({{lead.created_at}}) AS latest_at,
    [
      STRUCT(
        '{{lead_name.id}}' AS column_name,
        COUNTIF(found_id IS NULL) AS null_count,
        COUNTIF(found_id IS NOT NULL AND {{lead.id}} IS NULL) AS impossible_count,
        MIN(IF({{lead.id}} IS NULL, found_id, NULL)) AS lowest,
        MAX(IF({{lead.id}} IS NULL, found_id, NULL)) AS highest
      ),
      STRUCT(
        '{{lead_name.advisor_crd}}' AS column_name,
        COUNTIF(found_advisor_crd IS NULL) AS null_count,
        COUNTIF(found_advisor_crd IS NOT NULL AND has_crd AND {{lead.advisor_crd}} IS NULL) AS impossible_count,
        MIN(IF(has_crd AND {{lead.advisor_crd}} IS NULL, found_advisor_crd, NULL)) AS lowest,
        MAX(IF(has_crd AND {{lead.advisor_crd}} IS NULL, found_advisor_crd, NULL)) AS highest
      ),
      STRUCT(
        '{{lead_name.email}}' AS column_name,
        COUNTIF({{lead.email}} IS NULL) AS null_count,
        0 AS impossible_count,
        CAST(NULL AS STRING) AS lowest,
        CAST(NULL AS STRING) AS highest
      ),
      STRUCT(
        '{{lead_name.linkedin}}' AS column_name,
        COUNTIF({{lead.linkedin}} IS NULL) AS null_count,
        0 AS impossible_count,
        CAST(NULL AS STRING) AS lowest,
        CAST(NULL AS STRING) AS highest
      ),
      STRUCT(
        '{{lead_name.company}}' AS column_name,
        COUNTIF({{lead.company}} IS NULL) AS null_count,
        0 AS impossible_count,
        CAST(NULL AS STRING) AS lowest,
        CAST(NULL AS STRING) AS highest
      ),
      STRUCT(
        '{{lead_name.created_at}}' AS column_name,
        COUNTIF(found_created_at IS NULL) AS null_count,
        COUNTIF(found_created_at IS NOT NULL AND {{lead.created_at}} IS NULL) AS impossible_count,
        MIN(IF({{lead.created_at}} IS NULL, CAST(DATE(found_created_at, 'UTC') AS STRING), NULL)) AS lowest,
        MAX(IF({{lead.created_at}} IS NULL, CAST(DATE(found_created_at, 'UTC') AS STRING), NULL)) AS highest
      ),
      STRUCT(
        '{{lead_name.entered_contacting}}' AS column_name,
        COUNTIF(found_entered_contacting IS NULL OR found_entered_contacting >= @cutoff) AS null_count,
        COUNTIF(found_entered_contacting IS NOT NULL AND {{lead.entered_contacting}} IS NULL) AS impossible_count,
        MIN(IF({{lead.entered_contacting}} IS NULL, CAST(DATE(found_entered_contacting, 'UTC') AS STRING), NULL)) AS lowest,
        MAX(IF({{lead.entered_contacting}} IS NULL, CAST(DATE(found_entered_contacting, 'UTC') AS STRING), NULL)) AS highest
      ),
      STRUCT(
        '{{lead_name.entered_call_scheduled}}' AS column_name,
        COUNTIF(found_entered_call_scheduled IS NULL OR found_entered_call_scheduled >= @cutoff) AS null_count,
        COUNTIF(found_entered_call_scheduled IS NOT NULL AND {{lead.entered_call_scheduled}} IS NULL) AS impossible_count,
        MIN(IF({{lead.entered_call_scheduled}} IS NULL, CAST(DATE(found_entered_call_scheduled, 'UTC') AS STRING), NULL)) AS lowest,
        MAX(IF({{lead.entered_call_scheduled}} IS NULL, CAST(DATE(found_entered_call_scheduled, 'UTC') AS STRING), NULL)) AS highest
      ){{lead.brought}}
    ] AS columns
  FROM {{lead}}
  WHERE {{lead.created_at}} < @cutoff OR ({{lead.created_at}} IS NULL AND found_created_at IS NOT NULL)

  UNION ALL

  SELECT
    'ria_contacts_current' AS source,
    COUNT(*) AS row_count,
    TIMESTAMP(MAX(IF(PRIMARY_FIRM_START_DATE < @prediction_date, PRIMARY_FIRM_START_DATE, NULL)), 'UTC') AS latest_at,
    [
      STRUCT(
        'RIA_CONTACT_CRD_ID' AS column_name,
        COUNTIF(found_contact IS NULL) AS null_count,
        COUNTIF(found_contact IS NOT NULL AND RIA_CONTACT_CRD_ID IS NULL) AS impossible_count,
        MIN(IF(RIA_CONTACT_CRD_ID IS NULL, CAST(found_contact AS STRING), NULL)) AS lowest,
        MAX(IF(RIA_CONTACT_CRD_ID IS NULL, CAST(found_contact AS STRING), NULL)) AS highest
      ),
      STRUCT(
        'PRIMARY_FIRM' AS column_name,
        COUNTIF(found_primary_firm IS NULL) AS null_count,
        COUNTIF(found_primary_firm IS NOT NULL AND PRIMARY_FIRM IS NULL) AS impossible_count,
        MIN(IF(PRIMARY_FIRM IS NULL, CAST(found_primary_firm AS STRING), NULL)) AS lowest,
        MAX(IF(PRIMARY_FIRM IS NULL, CAST(found_primary_firm AS STRING), NULL)) AS highest
      ),
      STRUCT(
        'PRIMARY_FIRM_START_DATE' AS column_name,
        COUNTIF(found_primary_start IS NULL) AS null_count,
        COUNTIF(found_primary_start IS NOT NULL AND PRIMARY_FIRM_START_DATE IS NULL) AS impossible_count,
        MIN(IF(PRIMARY_FIRM_START_DATE IS NULL, CAST(found_primary_start AS STRING), NULL)) AS lowest,
        MAX(IF(PRIMARY_FIRM_START_DATE IS NULL, CAST(found_primary_start AS STRING), NULL)) AS highest
      ),
      STRUCT(
        'PRIMARY_FIRM_CLASSIFICATION' AS column_name,
        COUNTIF(PRIMARY_FIRM_CLASSIFICATION IS NULL) AS null_count,
        0 AS impossible_count,
        CAST(NULL AS STRING) AS lowest,
        CAST(NULL AS STRING) AS highest
      ),
      STRUCT(
        'REP_TYPE' AS column_name,
        COUNTIF(REP_TYPE IS NULL) AS null_count,
        0 AS impossible_count,
        CAST(NULL AS STRING) AS lowest,
        CAST(NULL AS STRING) AS highest
      ),
      STRUCT(
        'PRODUCING_ADVISOR' AS column_name,
        COUNTIF(PRODUCING_ADVISOR IS NULL) AS null_count,
        0 AS impossible_count,
        CAST(NULL AS STRING) AS lowest,
        CAST(NULL AS STRING) AS highest
      ),
      STRUCT(
        'INDUSTRY_TENURE_MONTHS' AS column_name,
        COUNTIF(found_months IS NULL) AS null_count,
        COUNTIF(found_months IS NOT NULL AND INDUSTRY_TENURE_MONTHS IS NULL) AS impossible_count,
        MIN(IF(INDUSTRY_TENURE_MONTHS IS NULL, CAST(found_months AS STRING), NULL)) AS lowest,
        MAX(IF(INDUSTRY_TENURE_MONTHS IS NULL, CAST(found_months AS STRING), NULL)) AS highest
      ),
      STRUCT(
        'LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID' AS column_name,
        COUNTIF(found_registered_firm IS NULL) AS null_count,
        COUNTIF(found_registered_firm IS NOT NULL AND LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID IS NULL) AS impossible_count,
        MIN(IF(LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID IS NULL, CAST(found_registered_firm AS STRING), NULL)) AS lowest,
        MAX(IF(LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID IS NULL, CAST(found_registered_firm AS STRING), NULL)) AS highest
      ),
      STRUCT(
        'LATEST_REGISTERED_EMPLOYMENT_START_DATE' AS column_name,
        COUNTIF(found_registered_start IS NULL) AS null_count,
        COUNTIF(found_registered_start IS NOT NULL AND LATEST_REGISTERED_EMPLOYMENT_START_DATE IS NULL) AS impossible_count,
        MIN(IF(LATEST_REGISTERED_EMPLOYMENT_START_DATE IS NULL, CAST(found_registered_start AS STRING), NULL)) AS lowest,
        MAX(IF(LATEST_REGISTERED_EMPLOYMENT_START_DATE IS NULL, CAST(found_registered_start AS STRING), NULL)) AS highest
      ){{ria_contacts_current.brought}}
    ] AS columns
  FROM {{ria_contacts_current}}

  UNION ALL

  SELECT
    'contact_registered_employment_history' AS source,
    COUNT(*) AS row_count,
    TIMESTAMP(MAX(PREVIOUS_REGISTRATION_COMPANY_START_DATE), 'UTC') AS latest_at,
    [
      STRUCT(
        'RIA_CONTACT_CRD_ID' AS column_name,
        COUNTIF(found_contact IS NULL) AS null_count,
        COUNTIF(found_contact IS NOT NULL AND RIA_CONTACT_CRD_ID IS NULL) AS impossible_count,
        MIN(IF(RIA_CONTACT_CRD_ID IS NULL, CAST(found_contact AS STRING), NULL)) AS lowest,
        MAX(IF(RIA_CONTACT_CRD_ID IS NULL, CAST(found_contact AS STRING), NULL)) AS highest
      ),
      STRUCT(
        'PREVIOUS_REGISTRATION_COMPANY_CRD_ID' AS column_name,
        COUNTIF(found_firm IS NULL) AS null_count,
        COUNTIF(found_firm IS NOT NULL AND PREVIOUS_REGISTRATION_COMPANY_CRD_ID IS NULL) AS impossible_count,
        MIN(IF(PREVIOUS_REGISTRATION_COMPANY_CRD_ID IS NULL, CAST(found_firm AS STRING), NULL)) AS lowest,
        MAX(IF(PREVIOUS_REGISTRATION_COMPANY_CRD_ID IS NULL, CAST(found_firm AS STRING), NULL)) AS highest
      ),
      STRUCT(
        'PREVIOUS_REGISTRATION_COMPANY_START_DATE' AS column_name,
        COUNTIF(found_start IS NULL) AS null_count,
        COUNTIF(found_start IS NOT NULL AND PREVIOUS_REGISTRATION_COMPANY_START_DATE IS NULL) AS impossible_count,
        MIN(IF(PREVIOUS_REGISTRATION_COMPANY_START_DATE IS NULL, CAST(found_start AS STRING), NULL)) AS lowest,
        MAX(IF(PREVIOUS_REGISTRATION_COMPANY_START_DATE IS NULL, CAST(found_start AS STRING), NULL)) AS highest
      ),
      STRUCT(
        'PREVIOUS_REGISTRATION_COMPANY_END_DATE' AS column_name,
        COUNTIF(found_end IS NULL) AS null_count,
        COUNTIF(found_end IS NOT NULL AND PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL) AS impossible_count,
        MIN(IF(PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL, CAST(found_end AS STRING), NULL)) AS lowest,
        MAX(IF(PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL, CAST(found_end AS STRING), NULL)) AS highest
      ){{contact_registered_employment_history.brought}}
    ] AS columns
  FROM {{contact_registered_employment_history}}
  WHERE PREVIOUS_REGISTRATION_COMPANY_START_DATE IS NULL
    OR PREVIOUS_REGISTRATION_COMPANY_START_DATE < @prediction_date

  UNION ALL

  SELECT
    'broker_protocol_members' AS source,
    COUNT(*) AS row_count,
    CAST(NULL AS TIMESTAMP) AS latest_at,
    [
      STRUCT(
        'firm_crd_id' AS column_name,
        COUNTIF(found_firm IS NULL) AS null_count,
        COUNTIF(found_firm IS NOT NULL AND firm_crd_id IS NULL) AS impossible_count,
        MIN(IF(firm_crd_id IS NULL, CAST(found_firm AS STRING), NULL)) AS lowest,
        MAX(IF(firm_crd_id IS NULL, CAST(found_firm AS STRING), NULL)) AS highest
      ){{broker_protocol_members.brought}}
    ] AS columns
  FROM {{broker_protocol_members}}
)

SELECT
  @prediction_date AS prediction_date,
  observed.source,
  observation.column_name,
  observed.row_count,
  observation.null_count,
  observation.impossible_count,
  IF(
    observation.lowest = observation.highest, observation.lowest, CONCAT(observation.lowest, ', ', observation.highest)
  ) AS impossible_examples,
  observed.latest_at,
  @retrospective AS retrospective
FROM observed
CROSS JOIN UNNEST(observed.columns) AS observation
