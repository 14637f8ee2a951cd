-- lift_comparison: ranking quality of each compared version on the latest matured cohort, for each question.
-- grain:   one row per prediction_date, question and version
-- inputs:  {{lift_comparison}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   prediction_date              DATE  the day of evaluation
--   question                     STRING [promotion | rollback]  what the cohort was sized for
--   version                      STRING  the version judged
--   model_sha256                 STRING  the artifact that scored the cohort; NULL when no lead is covered or several artifacts scored it
--   bundle_sha256                STRING  sha256 of everything that can change its scores; NULL where model_sha256 is, and before schema 2
--   cohort_from                  DATE  first day of contact
--   cohort_to                    DATE  last day of contact: the outcome window and the label lag before the day
--   leads                        INT64 [0..]  covered: first scored 1 to 3 days after contact and before conversion, by every compared version
--   conversions                  INT64 [0..]  of the covered leads
--   uncovered                    INT64 [0..]  contacted in the cohort's days and never scored in time by every compared version
--   converted_before_scored      INT64 [0..]  called before they could first be scored
--   called_before_contact        INT64 [0..]  called on a day before that of contact
--   live_share                   FLOAT64 [0..1]  of the covered leads, those whose first score was written on its own day
--   longest_silence_days         INT64 [0..]  longest run of days since cohort_from on which no lead anywhere entered Call Scheduled
--   base_rate                    FLOAT64 [0..1]  conversions / leads
--   top_leads                    FLOAT64 [0..]  leads in the top decile: leads / 10
--   top_conversions              FLOAT64 [0..]  conversions among them; a tie across the border is credited in proportion
--   lift                         FLOAT64 [0..]  conversion of the top decile over base_rate
--   lift_low                     FLOAT64 [0..]  Wilson
--   lift_high                    FLOAT64 [0..]  Wilson
--   top_decile_conversion        FLOAT64 [0..]  top_conversions / top_leads
--   top_decile_conversion_low    FLOAT64 [0..1]  Wilson
--   top_decile_conversion_high   FLOAT64 [0..1]  Wilson
--   auc                          FLOAT64 [0..1]  area under the ROC curve
--   auc_low                      FLOAT64 [0..1]  logit-DeLong
--   auc_high                     FLOAT64 [0..1]  logit-DeLong
--   auc_se                       FLOAT64 [0..]  DeLong standard error
--   only_own_top                 FLOAT64 [0..]  conversions in this version's top decile and not in the baseline's; NULL for the baseline
--   only_baseline_top            FLOAT64 [0..]  the other way round
--   lift_difference              FLOAT64  this version minus the baseline on the same leads
--   lift_difference_low          FLOAT64  Bonett-Price
--   lift_difference_high         FLOAT64  Bonett-Price
--   auc_difference               FLOAT64 [-1..1]  this version minus the baseline on the same leads
--   auc_difference_low           FLOAT64 [-1..1]  paired DeLong
--   auc_difference_high          FLOAT64 [-1..1]  paired DeLong
--   within_week_lift             FLOAT64 [0..]  ranked within the ISO week of contact instead of within the cohort
--   top_change                   FLOAT64 [0..1]  of the top decile, the share that is not in it when ranked within the week
--   top_change_by_chance         FLOAT64 [0..1]  what it would be, were the scores of every week alike
--   as_served_lift               FLOAT64 [0..]  by the decile served on the morning of the first score, among all leads open then
--   called_lift                  FLOAT64 [0..]  among the leads the version live at their first score did not deprioritise
--   top_decile_churn             FLOAT64 [0..1]  of the day's top decile, the share that was scored the day before and was not in it then
--   retrospective                BOOL  computed on another day than prediction_date
--   silent_days                  INT64 [0..]  days of contact left out, as calls that should have been recorded after them were not; NULL before schema 2

SELECT
  prediction_date, question, version, model_sha256, bundle_sha256, cohort_from, cohort_to, leads, conversions,
  uncovered, converted_before_scored, called_before_contact, live_share, longest_silence_days, base_rate, top_leads,
  top_conversions, lift, lift_low, lift_high, top_decile_conversion, top_decile_conversion_low,
  top_decile_conversion_high, auc, auc_low, auc_high, auc_se, only_own_top, only_baseline_top, lift_difference,
  lift_difference_low, lift_difference_high, auc_difference, auc_difference_low, auc_difference_high,
  within_week_lift, top_change, top_change_by_chance, as_served_lift, called_lift, top_decile_churn, retrospective,
  silent_days
FROM {{lift_comparison}}
WHERE prediction_date BETWEEN @first_day AND @last_day
ORDER BY prediction_date, question, version
