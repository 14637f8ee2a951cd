-- salesforce_confirm: apply a job's log to the known state: confirmed values, refused leads, leads in doubt.
-- grain:   one row per lead
-- inputs:  {{salesforce_state}}, {{salesforce_sync_log}}
-- params:  @job_key STRING, @prediction_date DATE, @known_at TIMESTAMP
-- output:
--   lead_id  STRING  the other columns are those of salesforce_state

-- A lead whose fields were emptied carries nothing: it has no row. A lead in doubt has a row without values.
INSERT INTO {{salesforce_state}} (
  org_id, lead_id, score, percentile, deprioritize, model_version, as_of, refused_code, refused_message, refused_on,
  known_at
)
SELECT
  org_id,
  lead_id,
  IF(outcome = 'confirmed', score, NULL),
  IF(outcome = 'confirmed', percentile, NULL),
  IF(outcome = 'confirmed', deprioritize, NULL),
  IF(in_doubt, NULL, model_version),
  IF(outcome = 'confirmed', prediction_date, NULL),
  IF(outcome = 'quarantined', code, NULL),
  IF(outcome = 'quarantined', message, NULL),
  IF(outcome = 'quarantined', prediction_date, NULL),
  @known_at
FROM {{salesforce_sync_log}}
WHERE prediction_date = @prediction_date
  AND job_key = @job_key
  AND (outcome = 'quarantined' OR ((outcome = 'confirmed' OR in_doubt) AND model_version IS NOT NULL))
