-- salesforce_confirm: apply a job's log to the known state: confirmed values, refused leads, leads in doubt.
-- grain:   one row per lead
-- inputs:  {{salesforce_state}}, {{salesforce_sync_log}}
-- params:  @job_key STRING, @prediction_date DATE, @known_at TIMESTAMP, @restores BOOL (the job sent known values again)
-- output:
--   lead_id  STRING  the other columns are those of salesforce_state

-- A lead whose fields were emptied has a row without values and version, but with the day. A lead in doubt, or whose
-- emptying was refused, has a row without all three. A lead whose known values were sent again keeps them, also when the
-- org refused them.
INSERT INTO {{salesforce_state}} (
  org_id, lead_id, score, percentile, deprioritize, model_version, as_of, refused_code, refused_message, refused_on,
  known_at
)
SELECT
  org_id,
  lead_id,
  IF(outcome = 'confirmed' OR @restores, score, NULL),
  IF(outcome = 'confirmed' OR @restores, percentile, NULL),
  IF(outcome = 'confirmed' OR @restores, deprioritize, NULL),
  IF(in_doubt AND NOT @restores, NULL, model_version),
  IF(outcome = 'confirmed' OR @restores, prediction_date, NULL),
  IF(outcome = 'quarantined', code, NULL),
  IF(outcome = 'quarantined', message, NULL),
  IF(outcome = 'quarantined', prediction_date, NULL),
  @known_at
FROM {{salesforce_sync_log}}
WHERE prediction_date = @prediction_date
  AND job_key = @job_key
  AND (outcome IN ('confirmed', 'quarantined') OR (in_doubt AND model_version IS NOT NULL))
