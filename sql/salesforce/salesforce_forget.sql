-- salesforce_forget: delete the known state of the leads for which a job's log has a newer one.
-- grain:   one row per lead
-- inputs:  {{salesforce_state}}, {{salesforce_sync_log}}
-- params:  @org_id STRING, @job_key STRING, @prediction_date DATE
-- output:
--   lead_id  STRING  the other columns are those of salesforce_state

DELETE FROM {{salesforce_state}}
WHERE org_id = @org_id
  AND lead_id IN (
    SELECT lead_id
    FROM {{salesforce_sync_log}}
    WHERE prediction_date = @prediction_date
      AND job_key = @job_key
      -- A lead whose emptying is in doubt keeps its state, so that it is emptied again.
      AND (outcome IN ('confirmed', 'quarantined') OR (in_doubt AND model_version IS NOT NULL))
  )
