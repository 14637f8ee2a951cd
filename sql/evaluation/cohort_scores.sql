-- cohort_scores: the scores one model version gave leads 1 to 3 days after contact, among which is each lead's first.
-- grain:   one row per lead_id and scored_on
-- inputs:  {{scored_leads}}, {{daily_scores}}
-- params:  @first_contact DATE, @last_contact DATE, @first_scored DATE (the day after @first_contact), @last_scored DATE (three days after @last_contact)
-- output:
--   lead_id        STRING  Salesforce Lead Id
--   contacted_on   DATE    New York date of contact, as scored_leads froze it on scored_on
--   scored_on      DATE    the scored day
--   score          FLOAT64 [0..1]  full precision
--   decile         INT64 [1..10]  as served that morning among all open leads, 10 = top
--   deprioritize   BOOL    not called, had this version been live
--   model_sha256   STRING  the artifact that scored
--   retrospective  BOOL    scored on another day than scored_on

WITH fresh AS (
  -- Few of the open leads; so the join below meets a small table, not all of them.
  SELECT DISTINCT lead_id, contacted_on, prediction_date
  FROM {{scored_leads}}
  WHERE prediction_date BETWEEN @first_scored AND @last_scored
    AND contacted_on BETWEEN @first_contact AND @last_contact
    AND DATE_DIFF(prediction_date, contacted_on, DAY) BETWEEN 1 AND 3
)

SELECT
  fresh.lead_id,
  fresh.contacted_on,
  fresh.prediction_date AS scored_on,
  scores.score,
  scores.decile,
  scores.deprioritize,
  scores.model_sha256,
  scores.retrospective
FROM {{daily_scores}} AS scores
JOIN fresh ON fresh.lead_id = scores.lead_id AND fresh.prediction_date = scores.prediction_date
WHERE scores.prediction_date BETWEEN @first_scored AND @last_scored
