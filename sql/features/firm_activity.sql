-- firm_activity: headcount, arrivals and departures of every firm as of the day.
-- grain:   one row per prediction_date and firm_crd
-- inputs:  {{contact_registered_employment_history}}, {{inferred_departures}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   prediction_date       DATE   the scored day
--   firm_crd              INT64  the firm
--   rep_count             INT64 [0..]  distinct advisors employed there on prediction_date
--   arrivals_12mo         INT64 [0..]  distinct advisors who started in [prediction_date - 12 months, prediction_date)
--   ended_12mo            INT64 [0..]  distinct advisors whose recorded end date lies in the same window
--   departures_365d       INT64 [0..]  inferred departures in [prediction_date - 365 days, prediction_date)
--   departures_90d        INT64 [0..]  those of the last 90 days
--   departures_prior_90d  INT64 [0..]  those of the 90 days before
--   retrospective         BOOL   computed on another day than prediction_date

WITH employment AS (
  SELECT
    RIA_CONTACT_CRD_ID AS advisor_crd,
    PREVIOUS_REGISTRATION_COMPANY_CRD_ID AS firm_crd,
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

employed AS (
  SELECT firm_crd, COUNT(DISTINCT advisor_crd) AS rep_count
  FROM employment
  WHERE ended_on IS NULL OR ended_on >= @prediction_date
  GROUP BY firm_crd
),

arrived AS (
  SELECT firm_crd, COUNT(DISTINCT advisor_crd) AS arrivals_12mo
  FROM employment
  WHERE started_on >= DATE_SUB(@prediction_date, INTERVAL 12 MONTH) AND started_on < @prediction_date
  GROUP BY firm_crd
),

ended AS (
  SELECT firm_crd, COUNT(DISTINCT advisor_crd) AS ended_12mo
  FROM employment
  WHERE ended_on >= DATE_SUB(@prediction_date, INTERVAL 12 MONTH) AND ended_on < @prediction_date
  GROUP BY firm_crd
),

departed AS (
  SELECT
    departed_firm_crd AS firm_crd,
    COUNT(*) AS departures_365d,
    COUNTIF(departed_on >= DATE_SUB(@prediction_date, INTERVAL 90 DAY)) AS departures_90d,
    COUNTIF(
      departed_on >= DATE_SUB(@prediction_date, INTERVAL 180 DAY)
      AND departed_on < DATE_SUB(@prediction_date, INTERVAL 90 DAY)
    ) AS departures_prior_90d
  FROM {{inferred_departures}}
  WHERE prediction_date = @prediction_date
  GROUP BY departed_firm_crd
)

SELECT
  @prediction_date AS prediction_date,
  firm_crd,
  COALESCE(rep_count, 0) AS rep_count,
  COALESCE(arrivals_12mo, 0) AS arrivals_12mo,
  COALESCE(ended_12mo, 0) AS ended_12mo,
  COALESCE(departures_365d, 0) AS departures_365d,
  COALESCE(departures_90d, 0) AS departures_90d,
  COALESCE(departures_prior_90d, 0) AS departures_prior_90d,
  @retrospective AS retrospective
FROM employed
FULL JOIN arrived USING (firm_crd)
FULL JOIN ended USING (firm_crd)
FULL JOIN departed USING (firm_crd)
