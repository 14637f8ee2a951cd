-- common_features: what every version reads about a scored lead, derived once from one snapshot.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{scored_leads}}, {{advisor_firms}}, {{firm_activity}}, {{broker_protocol_members}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   prediction_date               DATE    the scored day
--   lead_id                       STRING  Salesforce Lead Id
--   advisor_crd                   INT64   the advisor, NULL without a usable CRD
--   tie_break                     INT64   salted hash of lead_id that orders equal scores
--   tenure_months                 INT64 [0..]  month boundaries crossed at the current firm, 0 when unknown
--   tenure_bucket                 STRING [0-12 | 12-24 | 24-48 | 48-120 | 120+ | Unknown; missing Unknown]  tenure_months, upper bound exclusive
--   mobility_3yr                  INT64 [0..]  distinct firms started in the three years up to the day
--   mobility_tier                 STRING [Stable | Low_Mobility | High_Mobility]  0, 1, 2 or more firms
--   firm_rep_count_at_contact     INT64 [0..; missing 0]  distinct advisors at the current firm on the day
--   firm_net_change_12mo          INT64   arrivals minus recorded ends over the twelve months before the day
--   firm_stability_tier           STRING [Unknown | Heavy_Bleeding | Light_Bleeding | Stable | Growing; missing Unknown]  net change below -10, below 0, 0, above 0
--   has_firm_data                 INT64 [0..1; missing 0]  a current firm is known
--   is_wirehouse                  INT64 [0..1]  the current firm's name is one of the ten big houses'
--   is_broker_protocol            INT64 [0..1]  the current firm is a Broker Protocol member
--   has_email                     INT64 [0..1; missing 0]  the lead's own Email is present
--   has_linkedin                  INT64 [0..1; missing 0]  the lead's own LinkedIn profile is present
--   mobility_x_heavy_bleeding     INT64 [0..1]  mobility_3yr >= 2 and net change below -10
--   short_tenure_x_high_mobility  INT64 [0..1]  tenure known and under 24 months, and mobility_3yr >= 2
--   retrospective                 BOOL    computed on another day than prediction_date

WITH facts AS (
  SELECT
    leads.lead_id,
    leads.advisor_crd,
    leads.tie_break,
    leads.has_email,
    leads.has_linkedin,
    advisors.firm_crd,
    UPPER(advisors.firm_name) AS firm_name,
    DATE_DIFF(@prediction_date, advisors.firm_started_on, MONTH) AS months_at_firm,
    COALESCE(advisors.firms_started_3yr, 0) AS mobility_3yr,
    COALESCE(firms.rep_count, 0) AS rep_count,
    COALESCE(firms.arrivals_12mo, 0) - COALESCE(firms.ended_12mo, 0) AS net_change_12mo,
    advisors.firm_crd IN (SELECT firm_crd_id FROM {{broker_protocol_members}} WHERE firm_crd_id IS NOT NULL)
      AS in_protocol
  FROM {{scored_leads}} AS leads
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
  COALESCE(months_at_firm, 0) AS tenure_months,
  CASE
    WHEN months_at_firm IS NULL THEN 'Unknown'
    WHEN months_at_firm < 12 THEN '0-12'
    WHEN months_at_firm < 24 THEN '12-24'
    WHEN months_at_firm < 48 THEN '24-48'
    WHEN months_at_firm < 120 THEN '48-120'
    ELSE '120+'
  END AS tenure_bucket,
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
  @retrospective AS retrospective
FROM facts
