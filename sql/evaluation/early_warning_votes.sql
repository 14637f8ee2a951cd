-- early_warning_votes: booked calls and their votes, counted once, at the first week-close that knows them. Rows are only added.
-- grain:   one row per switch_id and lead_id
-- inputs:  {{early_warning_votes}}
-- params:  @first_day DATE, @last_day DATE
-- output:
--   prediction_date  DATE    the day that counted the call
--   switch_id        STRING  event_id of the switch since which the candidate is watched
--   lead_id          STRING  Salesforce Lead Id
--   advisor_crd      INT64   the advisor, who votes once; NULL without a usable CRD
--   contacted_on     DATE    New York date of contact
--   scored_on        DATE    day of the first score by both versions; NULL without one
--   called_on        DATE    New York date of the call
--   excluded         STRING  why the call does not vote; NULL where it does
--   leads            INT64 [0..]  covered leads first scored in the 28 days up to scored_on; NULL where it does not vote
--   own_rank         FLOAT64 [0..1]  share of them that the candidate ranks lower, ties by half
--   baseline_rank    FLOAT64 [0..1]  the same of the baseline
--   vote             FLOAT64  positive: more like a fallen candidate
--   bundle_sha256    STRING  the candidate's live bundle, or its model file where that is not known

SELECT
  prediction_date, switch_id, lead_id, advisor_crd, contacted_on, scored_on, called_on, excluded, leads, own_rank,
  baseline_rank, vote, bundle_sha256
FROM {{early_warning_votes}}
WHERE prediction_date BETWEEN @first_day AND @last_day
ORDER BY prediction_date, switch_id, lead_id
