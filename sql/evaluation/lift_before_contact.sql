-- lift_before_contact: the second reading of a day's evidence, by the score before contact; it decides nothing.
-- The leads are those contacted in the days of the cohort. A lead is ranked by the last score that the monthly job gave
-- its advisor before its contact, so that a conversion on the day of contact counts.
-- grain:   one row per prediction_date, question and version
-- inputs:  {{lift_before_contact}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   prediction_date             DATE  the day of evaluation
--   question                    STRING [promotion | rollback]  the cohort whose days of contact are read
--   version                     STRING  the version that scored the advisors
--   cohort_from                 DATE  first day of contact
--   cohort_to                   DATE  last day of contact
--   leads                       INT64 [0..]  covered: scored before contact by every compared version, in the same month
--   chosen                      INT64 [0..]  of these, those whose advisor stood on a list that was given out before the contact
--   uncovered                   INT64 [0..]  contacted in these days and without such a score
--   called_before_contact       INT64 [0..]  called on a day before that of contact; neither covered nor uncovered
--   conversions                 INT64 [0..]  of the covered leads
--   same_day_conversions        INT64 [0..]  of these, those on the day of contact
--   base_rate                   FLOAT64 [0..1]  conversions / leads
--   lift                        FLOAT64 [0..]  conversion of the top decile over base_rate
--   lift_low                    FLOAT64 [0..]  Wilson
--   lift_high                   FLOAT64 [0..]  Wilson
--   top_decile_conversion       FLOAT64 [0..]  conversion of the top decile
--   top_decile_conversion_low   FLOAT64 [0..1]  Wilson
--   top_decile_conversion_high  FLOAT64 [0..1]  Wilson
--   auc                         FLOAT64 [0..1]  area under the ROC curve
--   auc_low                     FLOAT64 [0..1]  logit-DeLong
--   auc_high                    FLOAT64 [0..1]  logit-DeLong
--   lift_difference             FLOAT64  this version minus the baseline on the same leads
--   lift_difference_low         FLOAT64  Bonett-Price
--   lift_difference_high        FLOAT64  Bonett-Price
--   auc_difference              FLOAT64 [-1..1]  this version minus the baseline on the same leads
--   auc_difference_low          FLOAT64 [-1..1]  paired DeLong
--   auc_difference_high         FLOAT64 [-1..1]  paired DeLong
--   retrospective               BOOL  computed on another day than prediction_date

SELECT
  prediction_date, question, version, cohort_from, cohort_to, leads, chosen, uncovered, called_before_contact,
  conversions, same_day_conversions, base_rate, lift, lift_low, lift_high, top_decile_conversion,
  top_decile_conversion_low, top_decile_conversion_high, auc, auc_low, auc_high, lift_difference, lift_difference_low,
  lift_difference_high, auc_difference, auc_difference_low, auc_difference_high, retrospective
FROM {{lift_before_contact}}
WHERE prediction_date BETWEEN @first_day AND @last_day
ORDER BY prediction_date, question, version
