-- features_v41: the 22 features of V4.1.0.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{common_features}}, {{advisor_firms}}, {{firm_activity}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   prediction_date               DATE    the scored day
--   lead_id                       STRING  Salesforce Lead Id
--   advisor_crd                   INT64   the advisor, NULL without a usable CRD
--   tie_break                     INT64   salted hash of lead_id that orders equal scores
-- features:
--   tenure_months                 INT64 [0..]  month boundaries crossed at the current firm, 0 when unknown
--   tenure_bucket                 STRING [0-12 | 12-24 | 24-48 | 48-120 | 120+ | Unknown; missing Unknown]  tenure_months, upper bound exclusive
--   experience_years              FLOAT64 [0..]  INDUSTRY_TENURE_MONTHS / 12, 0 when unknown
--   mobility_3yr                  INT64 [0..]  distinct firms started in the three years up to the day
--   mobility_tier                 STRING [Stable | Low_Mobility | High_Mobility]  0, 1, 2 or more firms
--   firm_rep_count_at_contact     INT64 [0..; missing 0]  distinct advisors at the current firm on the day
--   firm_net_change_12mo          INT64   arrivals minus recorded ends over the twelve months before the day
--   firm_stability_tier           STRING [Unknown | Heavy_Bleeding | Light_Bleeding | Stable | Growing; missing Unknown]  firm_net_change_12mo in tiers
--   has_firm_data                 INT64 [0..1; missing 0]  a current firm is known
--   is_wirehouse                  INT64 [0..1]  the current firm's name is one of the ten big houses'
--   is_broker_protocol            INT64 [0..1]  the current firm is a Broker Protocol member
--   has_email                     INT64 [0..1; missing 0]  the lead's own Email is present
--   has_linkedin                  INT64 [0..1; missing 0]  the lead's own LinkedIn profile is present
--   mobility_x_heavy_bleeding     INT64 [0..1]  mobility_3yr >= 2 and net change below -10
--   short_tenure_x_high_mobility  INT64 [0..1]  tenure known and under 24 months, and mobility_3yr >= 2
--   is_recent_mover               INT64 [0..1]  joined the primary firm in the 365 days up to the day
--   days_since_last_move          INT64 [0..; missing 9999]  days since joining the primary firm, 9999 when unknown or later
--   firm_departures_corrected     INT64 [0..]  inferred departures from the current firm in the 365 days before the day
--   bleeding_velocity_encoded     INT64 [0..3]  0 stable, 1 decelerating, 2 steady, 3 accelerating departures
--   is_independent_ria            INT64 [0..1]  a producing advisor at an Independent RIA
--   is_ia_rep_type                INT64 [0..1]  a producing advisor registered as IA
--   is_dual_registered            INT64 [0..1]  a producing advisor registered as DR
-- marks:
--   retrospective                 BOOL    computed on another day than prediction_date

WITH moved AS (
  SELECT
    leads.*,
    COALESCE(advisors.industry_months, 0) / 12 AS experience_years,
    -- NULL for an unknown move and for one that lies after the day
    IF(
      advisors.primary_firm_started_on <= @prediction_date,
      DATE_DIFF(@prediction_date, advisors.primary_firm_started_on, DAY),
      NULL
    ) AS days_since_move,
    COALESCE(firms.departures_365d, 0) AS departures_365d,
    COALESCE(firms.departures_90d, 0) AS departures_90d,
    COALESCE(firms.departures_prior_90d, 0) AS departures_prior_90d,
    COALESCE(advisors.is_producing, FALSE) AS is_producing,
    advisors.firm_classification,
    advisors.rep_type
  FROM {{common_features}} AS leads
  LEFT JOIN {{advisor_firms}} AS advisors
    ON advisors.prediction_date = @prediction_date AND advisors.advisor_crd = leads.advisor_crd
  LEFT JOIN {{firm_activity}} AS firms
    ON firms.prediction_date = @prediction_date AND firms.firm_crd = advisors.firm_crd
  WHERE leads.prediction_date = @prediction_date
)

SELECT
  @prediction_date AS prediction_date,
  lead_id,
  advisor_crd,
  tie_break,
  tenure_months,
  tenure_bucket,
  experience_years,
  mobility_3yr,
  mobility_tier,
  firm_rep_count_at_contact,
  firm_net_change_12mo,
  firm_stability_tier,
  has_firm_data,
  is_wirehouse,
  is_broker_protocol,
  has_email,
  has_linkedin,
  mobility_x_heavy_bleeding,
  short_tenure_x_high_mobility,
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
  @retrospective AS retrospective
FROM moved
