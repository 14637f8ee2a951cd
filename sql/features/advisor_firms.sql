-- advisor_firms: the current firm and career of every advisor behind a scored lead, as of the day.
-- grain:   one row per prediction_date and advisor_crd
-- inputs:  {{scored_leads}}, {{ria_contacts_current}}, {{contact_registered_employment_history}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   prediction_date          DATE    the scored day
--   advisor_crd              INT64   the advisor
--   firm_crd                 INT64   current firm: latest history row covering the day (tie: smallest id), else the contact's; NULL when that registration has no company id
--   firm_name                STRING  its name on the row it came from
--   firm_started_on          DATE    start at the current firm
--   prior_experience_months  INT64 [0..]  months of the rows begun before the current firm and ended by the day
--   industry_months          INT64   INDUSTRY_TENURE_MONTHS of the contact
--   firms_started_3yr        INT64 [0..]  distinct firms started in (prediction_date - 3 years, prediction_date]
--   primary_firm_started_on  DATE    PRIMARY_FIRM_START_DATE of the contact
--   firm_classification      STRING  PRIMARY_FIRM_CLASSIFICATION of the contact
--   rep_type                 STRING  REP_TYPE of the contact
--   is_producing             BOOL    PRODUCING_ADVISOR of the contact, NULL counts as false
--   retrospective            BOOL    computed on another day than prediction_date

WITH advisor AS (
  SELECT DISTINCT advisor_crd
  FROM {{scored_leads}}
  WHERE prediction_date = @prediction_date AND advisor_crd IS NOT NULL
),

contact AS (
  -- One row per advisor is promised; should it be broken, every rerun still picks the same row.
  SELECT contacts.*
  FROM {{ria_contacts_current}} AS contacts
  JOIN advisor ON advisor.advisor_crd = contacts.RIA_CONTACT_CRD_ID
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
      LATEST_REGISTERED_EMPLOYMENT_COMPANY NULLS LAST
  ) = 1
),

employment AS (
  SELECT
    history.RIA_CONTACT_CRD_ID AS advisor_crd,
    history.PREVIOUS_REGISTRATION_COMPANY_CRD_ID AS firm_crd,
    history.PREVIOUS_REGISTRATION_COMPANY_NAME AS firm_name,
    history.PREVIOUS_REGISTRATION_COMPANY_START_DATE AS started_on,
    history.PREVIOUS_REGISTRATION_COMPANY_END_DATE AS ended_on
  FROM {{contact_registered_employment_history}} AS history
  JOIN advisor ON advisor.advisor_crd = history.RIA_CONTACT_CRD_ID
  WHERE history.PREVIOUS_REGISTRATION_COMPANY_CRD_ID IS NOT NULL
    AND history.PREVIOUS_REGISTRATION_COMPANY_START_DATE <= @prediction_date
    AND (
      history.PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL
      OR history.PREVIOUS_REGISTRATION_COMPANY_END_DATE >= history.PREVIOUS_REGISTRATION_COMPANY_START_DATE
    )
),

employed_now AS (
  SELECT advisor_crd, firm_crd, firm_name, started_on
  FROM employment
  WHERE ended_on IS NULL OR ended_on >= @prediction_date
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY advisor_crd ORDER BY started_on DESC, firm_crd, firm_name NULLS LAST
  ) = 1
),

registered AS (
  SELECT
    RIA_CONTACT_CRD_ID AS advisor_crd,
    LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID AS firm_crd,
    LATEST_REGISTERED_EMPLOYMENT_COMPANY AS firm_name,
    LATEST_REGISTERED_EMPLOYMENT_START_DATE AS started_on
  FROM contact
  -- Without a company id it is no firm, but its start and its name still tell tenure and wirehouse.
  WHERE LATEST_REGISTERED_EMPLOYMENT_START_DATE <= @prediction_date
),

current_firm AS (
  SELECT * FROM employed_now
  UNION ALL
  SELECT registered.*
  FROM registered
  LEFT JOIN employed_now USING (advisor_crd)
  WHERE employed_now.advisor_crd IS NULL
),

distinct_employment AS (
  SELECT DISTINCT advisor_crd, firm_crd, started_on, ended_on FROM employment
),

experience AS (
  SELECT
    past.advisor_crd,
    SUM(DATE_DIFF(COALESCE(past.ended_on, @prediction_date), past.started_on, MONTH)) AS prior_experience_months
  FROM distinct_employment AS past
  JOIN current_firm ON current_firm.advisor_crd = past.advisor_crd
  WHERE past.started_on < current_firm.started_on
    AND COALESCE(past.ended_on, @prediction_date) <= @prediction_date
  GROUP BY past.advisor_crd
),

mobility AS (
  SELECT advisor_crd, COUNT(DISTINCT firm_crd) AS firms_started_3yr
  FROM employment
  WHERE started_on > DATE_SUB(@prediction_date, INTERVAL 3 YEAR)
  GROUP BY advisor_crd
)

SELECT
  @prediction_date AS prediction_date,
  advisor.advisor_crd,
  current_firm.firm_crd,
  current_firm.firm_name,
  current_firm.started_on AS firm_started_on,
  COALESCE(experience.prior_experience_months, 0) AS prior_experience_months,
  contact.INDUSTRY_TENURE_MONTHS AS industry_months,
  COALESCE(mobility.firms_started_3yr, 0) AS firms_started_3yr,
  contact.PRIMARY_FIRM_START_DATE AS primary_firm_started_on,
  contact.PRIMARY_FIRM_CLASSIFICATION AS firm_classification,
  contact.REP_TYPE AS rep_type,
  COALESCE(contact.PRODUCING_ADVISOR, FALSE) AS is_producing,
  @retrospective AS retrospective
FROM advisor
LEFT JOIN contact ON contact.RIA_CONTACT_CRD_ID = advisor.advisor_crd
LEFT JOIN current_firm ON current_firm.advisor_crd = advisor.advisor_crd
LEFT JOIN experience ON experience.advisor_crd = advisor.advisor_crd
LEFT JOIN mobility ON mobility.advisor_crd = advisor.advisor_crd
