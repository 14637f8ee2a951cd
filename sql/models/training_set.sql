-- training_set: features of leads on the first morning after contact, and whether they converted within the outcome window.
-- Leads that converted before that morning were never scored: they are excluded here, as from every cohort.
-- Its inputs hold that one morning only (sql.compose computes them on the spot), so lead_id alone joins them.
-- grain:   one row per lead_id
-- inputs:  {{features_v40}}, {{features_v41}}, {{scored_leads}}, {{lead}}
-- names:   {{lead.id}}, {{lead.entered_call_scheduled}}
-- params:  @prediction_date DATE, @window_days INT64 (outcome window)
-- output:
--   feature_date                  DATE    the morning after contact, as of which the features are
--   lead_id                       STRING  Salesforce Lead Id
--   contacted_on                  DATE    New York date of entering Contacting
--   converted                     BOOL    Call Scheduled within @window_days New York days of Contacting
--   tenure_months                 INT64   feature, as in features_v40 and features_v41
--   tenure_bucket                 STRING  feature
--   experience_bucket             STRING  feature of V4.0.0 only
--   is_experience_missing         INT64   feature of V4.0.0 only
--   experience_years              FLOAT64  feature
--   mobility_3yr                  INT64   feature
--   mobility_tier                 STRING  feature
--   firm_rep_count_at_contact     INT64   feature
--   firm_net_change_12mo          INT64   feature
--   firm_stability_tier           STRING  feature
--   has_firm_data                 INT64   feature
--   is_wirehouse                  INT64   feature
--   is_broker_protocol            INT64   feature
--   has_email                     INT64   feature
--   has_linkedin                  INT64   feature
--   mobility_x_heavy_bleeding     INT64   feature
--   short_tenure_x_high_mobility  INT64   feature
--   is_recent_mover               INT64   feature
--   days_since_last_move          INT64   feature
--   firm_departures_corrected     INT64   feature
--   bleeding_velocity_encoded     INT64   feature
--   is_independent_ria            INT64   feature
--   is_ia_rep_type                INT64   feature
--   is_dual_registered            INT64   feature

WITH outcome AS (
  SELECT {{lead.id}} AS lead_id, MAX(DATE({{lead.entered_call_scheduled}}, 'America/New_York')) AS call_on
  FROM {{lead}}
  WHERE {{lead.id}} IS NOT NULL
  GROUP BY {{lead.id}}
)

SELECT
  @prediction_date AS feature_date,
  v41.lead_id,
  leads.contacted_on,
  COALESCE(DATE_DIFF(outcome.call_on, leads.contacted_on, DAY) BETWEEN 0 AND @window_days, FALSE) AS converted,
  v41.tenure_months,
  v41.tenure_bucket,
  v40.experience_bucket,
  v40.is_experience_missing,
  v41.experience_years,
  v41.mobility_3yr,
  v41.mobility_tier,
  v41.firm_rep_count_at_contact,
  v41.firm_net_change_12mo,
  v41.firm_stability_tier,
  v41.has_firm_data,
  v41.is_wirehouse,
  v41.is_broker_protocol,
  v41.has_email,
  v41.has_linkedin,
  v41.mobility_x_heavy_bleeding,
  v41.short_tenure_x_high_mobility,
  v41.is_recent_mover,
  v41.days_since_last_move,
  v41.firm_departures_corrected,
  v41.bleeding_velocity_encoded,
  v41.is_independent_ria,
  v41.is_ia_rep_type,
  v41.is_dual_registered
FROM {{features_v41}} AS v41
JOIN {{features_v40}} AS v40 USING (lead_id)
JOIN {{scored_leads}} AS leads USING (lead_id)
JOIN outcome USING (lead_id)
