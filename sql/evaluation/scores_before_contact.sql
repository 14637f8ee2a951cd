-- scores_before_contact: the last score of the monthly job that one version gave the advisor of a lead before the lead's contact.
-- A month that was scored, or scored again, after the contact does not count, nor does one before the month before the contact.
-- grain:   one row per lead_id
-- inputs:  {{lead_outcomes}}, {{prospect_scores}}
-- params:  @prediction_date DATE, @first_contact DATE, @last_contact DATE, @first_month DATE (earlier months are not read)
-- output:
--   lead_id        STRING  Salesforce Lead Id
--   contacted_on   DATE    New York date of contact, as the CRM has it
--   month          DATE    first day of the scored month
--   score          FLOAT64 [0..1]  full precision
--   decile         INT64 [1..10]  among all advisors of the month, 10 = top
--   deprioritize   BOOL    not to be called, had this version been live
--   retrospective  BOOL    a late month
--   is_chosen      BOOL    its advisor stood on a list that was given out before the contact

SELECT
  outcomes.lead_id,
  outcomes.contacted_on,
  scores.prediction_date AS month,
  scores.score,
  scores.decile,
  scores.deprioritize,
  scores.retrospective,
  outcomes.chosen_month IS NOT NULL AS is_chosen
FROM {{lead_outcomes}} AS outcomes
JOIN {{prospect_scores}} AS scores ON scores.advisor_crd = outcomes.advisor_crd
WHERE outcomes.prediction_date = @prediction_date
  AND outcomes.contacted_on BETWEEN @first_contact AND @last_contact
  AND scores.prediction_date BETWEEN @first_month AND @last_contact
  AND scores.prediction_date >= DATE_SUB(DATE_TRUNC(outcomes.contacted_on, MONTH), INTERVAL 1 MONTH)
  AND scores.scored_at < outcomes.contacted_at
QUALIFY ROW_NUMBER() OVER (PARTITION BY outcomes.lead_id ORDER BY scores.prediction_date DESC) = 1
