-- features_v40: the 14 features of V4.0.0.
-- grain:   one row per prediction_date and lead_id
-- inputs:  {{common_features}}, {{advisor_firms}}
-- params:  @prediction_date DATE, @retrospective BOOL
-- output:
--   prediction_date               DATE    the scored day
--   lead_id                       STRING  Salesforce Lead Id
--   advisor_crd                   INT64   the advisor, NULL without a usable CRD
--   tie_break                     INT64   salted hash of lead_id that orders equal scores
-- features:
--   tenure_bucket                 STRING [0-12 | 12-24 | 24-48 | 48-120 | 120+ | Unknown; missing Unknown]  months at the current firm, upper bound exclusive
--   experience_bucket             STRING [0-5 | 5-10 | 10-15 | 15-20 | 20+]  years in the industry, upper bound exclusive
--   is_experience_missing         INT64 [0..1; missing 1]  neither a current firm start nor an industry tenure is known
--   mobility_tier                 STRING [Stable | Low_Mobility | High_Mobility]  0, 1, 2 or more firms started in three years
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
-- marks:
--   retrospective                 BOOL    computed on another day than prediction_date

WITH experienced AS (
  SELECT
    leads.*,
    CASE
      WHEN advisors.firm_started_on IS NOT NULL THEN advisors.prior_experience_months
      ELSE COALESCE(advisors.industry_months, 0)
    END AS experience_months,
    IF(advisors.firm_started_on IS NULL AND advisors.industry_months IS NULL, 1, 0) AS is_experience_missing
  FROM {{common_features}} AS leads
  LEFT JOIN {{advisor_firms}} AS advisors
    ON advisors.prediction_date = @prediction_date AND advisors.advisor_crd = leads.advisor_crd
  WHERE leads.prediction_date = @prediction_date
)

SELECT
  @prediction_date AS prediction_date,
  lead_id,
  advisor_crd,
  tie_break,
  tenure_bucket,
  CASE
    WHEN experience_months < 5 * 12 THEN '0-5'
    WHEN experience_months < 10 * 12 THEN '5-10'
    WHEN experience_months < 15 * 12 THEN '10-15'
    WHEN experience_months < 20 * 12 THEN '15-20'
    ELSE '20+'
  END AS experience_bucket,
  is_experience_missing,
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
  @retrospective AS retrospective
FROM experienced
