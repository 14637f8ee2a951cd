-- correlated: the features of both versions as one hand-written query, a subquery per lead and feature.
-- The definitions are those of sql/; only the way of asking differs. It trusts ria_contacts_current to hold one row per
-- advisor, which the files of sql/ do not.
-- grain:   one row per lead_id
-- inputs:  {{lead}}, {{ria_contacts_current}}, {{contact_registered_employment_history}}, {{broker_protocol_members}}
-- params:  @prediction_date DATE, @cutoff TIMESTAMP
-- output:
--   lead_id                       STRING  Salesforce Lead Id
-- features:
--   tenure_months                 INT64   the 22 features of V4.1.0, defined in sql/features/features_v41.sql
--   tenure_bucket                 STRING  …
--   experience_years              FLOAT64  …
--   mobility_3yr                  INT64   …
--   mobility_tier                 STRING  …
--   firm_rep_count_at_contact     INT64   …
--   firm_net_change_12mo          INT64   …
--   firm_stability_tier           STRING  …
--   has_firm_data                 INT64   …
--   is_wirehouse                  INT64   …
--   is_broker_protocol            INT64   …
--   has_email                     INT64   …
--   has_linkedin                  INT64   …
--   mobility_x_heavy_bleeding     INT64   …
--   short_tenure_x_high_mobility  INT64   …
--   is_recent_mover               INT64   …
--   days_since_last_move          INT64   …
--   firm_departures_corrected     INT64   …
--   bleeding_velocity_encoded     INT64   …
--   is_independent_ria            INT64   …
--   is_ia_rep_type                INT64   …
--   is_dual_registered            INT64   …
--   experience_bucket             STRING  the two that only V4.0.0 has, defined in sql/features/features_v40.sql
--   is_experience_missing         INT64   …

WITH open_lead AS (
  SELECT
    id AS lead_id,
    advisor_crd,
    IF(has_email, 1, 0) AS has_email,
    IF(has_linkedin, 1, 0) AS has_linkedin
  FROM (
    SELECT *
    FROM {{lead}}
    WHERE id IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY id
      ORDER BY
        entered_call_scheduled IS NULL,
        entered_contacting DESC NULLS LAST,
        created_at DESC NULLS LAST,
        found_advisor_crd DESC NULLS LAST,
        company DESC NULLS LAST,
        email DESC NULLS LAST,
        linkedin DESC NULLS LAST
    ) = 1
  ) AS one_row_per_lead
  WHERE has_crd
    AND entered_contacting < @cutoff
    AND (entered_call_scheduled IS NULL OR entered_call_scheduled >= @cutoff)
    AND NOT is_own
    AND NOT is_gone
),

employment AS (
  SELECT
    RIA_CONTACT_CRD_ID AS advisor_crd,
    PREVIOUS_REGISTRATION_COMPANY_CRD_ID AS firm_crd,
    PREVIOUS_REGISTRATION_COMPANY_NAME AS firm_name,
    PREVIOUS_REGISTRATION_COMPANY_START_DATE AS started_on,
    PREVIOUS_REGISTRATION_COMPANY_END_DATE AS ended_on
  FROM {{contact_registered_employment_history}}
  WHERE PREVIOUS_REGISTRATION_COMPANY_CRD_ID IS NOT NULL
    AND PREVIOUS_REGISTRATION_COMPANY_START_DATE <= @prediction_date
    AND (
      PREVIOUS_REGISTRATION_COMPANY_END_DATE IS NULL
      OR PREVIOUS_REGISTRATION_COMPANY_END_DATE >= PREVIOUS_REGISTRATION_COMPANY_START_DATE
    )
),

departure AS (
  SELECT contact.RIA_CONTACT_CRD_ID AS advisor_crd, job.firm_crd, contact.PRIMARY_FIRM_START_DATE AS departed_on
  FROM {{ria_contacts_current}} AS contact
  JOIN employment AS job ON job.advisor_crd = contact.RIA_CONTACT_CRD_ID
  WHERE contact.PRIMARY_FIRM_START_DATE >= DATE_SUB(@prediction_date, INTERVAL 365 DAY)
    AND contact.PRIMARY_FIRM_START_DATE < @prediction_date
    AND job.firm_crd <> contact.PRIMARY_FIRM
    AND job.started_on < contact.PRIMARY_FIRM_START_DATE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY contact.RIA_CONTACT_CRD_ID ORDER BY job.started_on DESC, job.firm_crd) = 1
),

lead_job AS (
  SELECT open_lead.*, job.firm_crd, job.firm_name, job.started_on
  FROM open_lead
  LEFT JOIN employment AS job
    ON job.advisor_crd = open_lead.advisor_crd AND (job.ended_on IS NULL OR job.ended_on >= @prediction_date)
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY open_lead.lead_id ORDER BY job.started_on DESC, job.firm_crd, job.firm_name NULLS LAST
  ) = 1
),

lead_registration AS (
  SELECT
    lead_job.*,
    contact.INDUSTRY_TENURE_MONTHS AS industry_tenure_months,
    contact.PRIMARY_FIRM_START_DATE AS primary_firm_started_on,
    contact.PRIMARY_FIRM_CLASSIFICATION AS firm_classification,
    contact.REP_TYPE AS rep_type,
    COALESCE(contact.PRODUCING_ADVISOR, FALSE) AS is_producing,
    contact.LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID AS registered_crd,
    contact.LATEST_REGISTERED_EMPLOYMENT_COMPANY AS registered_name,
    contact.LATEST_REGISTERED_EMPLOYMENT_START_DATE AS registered_on,
    lead_job.firm_crd IS NULL
      AND contact.LATEST_REGISTERED_EMPLOYMENT_START_DATE <= @prediction_date AS is_registered_only
  FROM lead_job
  LEFT JOIN {{ria_contacts_current}} AS contact ON contact.RIA_CONTACT_CRD_ID = lead_job.advisor_crd
),

lead_firm AS (
  SELECT
    lead_id,
    advisor_crd,
    has_email,
    has_linkedin,
    industry_tenure_months,
    primary_firm_started_on,
    firm_classification,
    rep_type,
    is_producing,
    IF(is_registered_only, registered_crd, firm_crd) AS firm_crd,
    UPPER(IF(is_registered_only, registered_name, firm_name)) AS firm_name,
    IF(is_registered_only, registered_on, started_on) AS firm_started_on
  FROM lead_registration
),

counted AS (
  SELECT
    leads.*,
    DATE_DIFF(@prediction_date, leads.firm_started_on, MONTH) AS months_at_firm,
    IF(
      leads.primary_firm_started_on <= @prediction_date,
      DATE_DIFF(@prediction_date, leads.primary_firm_started_on, DAY),
      NULL
    ) AS days_since_move,
    (
      SELECT COUNT(DISTINCT job.firm_crd)
      FROM employment AS job
      WHERE job.advisor_crd = leads.advisor_crd AND job.started_on > DATE_SUB(@prediction_date, INTERVAL 3 YEAR)
    ) AS mobility_3yr,
    (
      SELECT SUM(DATE_DIFF(COALESCE(past.ended_on, @prediction_date), past.started_on, MONTH))
      FROM (SELECT DISTINCT advisor_crd, firm_crd, started_on, ended_on FROM employment) AS past
      WHERE past.advisor_crd = leads.advisor_crd
        AND past.started_on < leads.firm_started_on
        AND COALESCE(past.ended_on, @prediction_date) <= @prediction_date
    ) AS prior_experience_months,
    (
      SELECT COUNT(DISTINCT job.advisor_crd)
      FROM employment AS job
      WHERE job.firm_crd = leads.firm_crd AND (job.ended_on IS NULL OR job.ended_on >= @prediction_date)
    ) AS rep_count,
    (
      SELECT COUNT(DISTINCT job.advisor_crd)
      FROM employment AS job
      WHERE job.firm_crd = leads.firm_crd
        AND job.started_on >= DATE_SUB(@prediction_date, INTERVAL 12 MONTH)
        AND job.started_on < @prediction_date
    ) AS arrivals_12mo,
    (
      SELECT COUNT(DISTINCT job.advisor_crd)
      FROM employment AS job
      WHERE job.firm_crd = leads.firm_crd
        AND job.ended_on >= DATE_SUB(@prediction_date, INTERVAL 12 MONTH)
        AND job.ended_on < @prediction_date
    ) AS ended_12mo,
    (
      SELECT COUNT(DISTINCT departure.advisor_crd) FROM departure WHERE departure.firm_crd = leads.firm_crd
    ) AS departures_365d,
    (
      SELECT COUNT(DISTINCT departure.advisor_crd)
      FROM departure
      WHERE departure.firm_crd = leads.firm_crd
        AND departure.departed_on >= DATE_SUB(@prediction_date, INTERVAL 90 DAY)
    ) AS departures_90d,
    (
      SELECT COUNT(DISTINCT departure.advisor_crd)
      FROM departure
      WHERE departure.firm_crd = leads.firm_crd
        AND departure.departed_on >= DATE_SUB(@prediction_date, INTERVAL 180 DAY)
        AND departure.departed_on < DATE_SUB(@prediction_date, INTERVAL 90 DAY)
    ) AS departures_prior_90d,
    EXISTS(
      SELECT 1 FROM {{broker_protocol_members}} AS member WHERE member.firm_crd_id = leads.firm_crd
    ) AS in_protocol
  FROM lead_firm AS leads
),

derived AS (
  SELECT
    counted.*,
    arrivals_12mo - ended_12mo AS net_change_12mo,
    IF(firm_started_on IS NOT NULL, COALESCE(prior_experience_months, 0), COALESCE(industry_tenure_months, 0))
      AS experience_months
  FROM counted
)

SELECT
  lead_id,
  COALESCE(months_at_firm, 0) AS tenure_months,
  CASE
    WHEN months_at_firm IS NULL THEN 'Unknown'
    WHEN months_at_firm < 12 THEN '0-12'
    WHEN months_at_firm < 24 THEN '12-24'
    WHEN months_at_firm < 48 THEN '24-48'
    WHEN months_at_firm < 120 THEN '48-120'
    ELSE '120+'
  END AS tenure_bucket,
  COALESCE(industry_tenure_months, 0) / 12 AS experience_years,
  mobility_3yr,
  CASE mobility_3yr WHEN 0 THEN 'Stable' WHEN 1 THEN 'Low_Mobility' ELSE 'High_Mobility' END AS mobility_tier,
  rep_count AS firm_rep_count_at_contact,
  net_change_12mo AS firm_net_change_12mo,
  CASE
    WHEN firm_crd IS NULL THEN 'Unknown'
    WHEN net_change_12mo < -10 THEN 'Heavy_Bleeding'
    WHEN net_change_12mo < 0 THEN 'Light_Bleeding'
    WHEN net_change_12mo = 0 THEN 'Stable'
    ELSE 'Growing'
  END AS firm_stability_tier,
  IF(firm_crd IS NOT NULL, 1, 0) AS has_firm_data,
  IF(
    firm_name LIKE '%MERRILL%'
    OR firm_name LIKE '%MORGAN STANLEY%'
    OR firm_name LIKE '%UBS%'
    OR firm_name LIKE '%WELLS FARGO%'
    OR firm_name LIKE '%EDWARD JONES%'
    OR firm_name LIKE '%RAYMOND JAMES%'
    OR firm_name LIKE '%AMERIPRISE%'
    OR firm_name LIKE '%LPL%'
    OR firm_name LIKE '%NORTHWESTERN MUTUAL%'
    OR firm_name LIKE '%STIFEL%',
    1, 0
  ) AS is_wirehouse,
  IF(in_protocol, 1, 0) AS is_broker_protocol,
  has_email,
  has_linkedin,
  IF(mobility_3yr >= 2 AND net_change_12mo < -10, 1, 0) AS mobility_x_heavy_bleeding,
  IF(months_at_firm < 24 AND mobility_3yr >= 2, 1, 0) AS short_tenure_x_high_mobility,
  IF(days_since_move <= 365, 1, 0) AS is_recent_mover,
  COALESCE(days_since_move, 9999) AS days_since_last_move,
  departures_365d AS firm_departures_corrected,
  CASE
    WHEN departures_365d < 3 THEN 0
    WHEN departures_90d > 1.5 * departures_prior_90d THEN 3
    WHEN departures_90d < 0.5 * departures_prior_90d THEN 1
    ELSE 2
  END AS bleeding_velocity_encoded,
  IF(is_producing AND firm_classification LIKE '%Independent RIA%', 1, 0) AS is_independent_ria,
  IF(is_producing AND rep_type = 'IA', 1, 0) AS is_ia_rep_type,
  IF(is_producing AND rep_type = 'DR', 1, 0) AS is_dual_registered,
  CASE
    WHEN experience_months < 5 * 12 THEN '0-5'
    WHEN experience_months < 10 * 12 THEN '5-10'
    WHEN experience_months < 15 * 12 THEN '10-15'
    WHEN experience_months < 20 * 12 THEN '15-20'
    ELSE '20+'
  END AS experience_bucket,
  IF(firm_started_on IS NULL AND industry_tenure_months IS NULL, 1, 0) AS is_experience_missing
FROM derived
