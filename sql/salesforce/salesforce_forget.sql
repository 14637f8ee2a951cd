-- salesforce_forget: drop what was known of the leads of which a job's log knows better, or knows that nobody knows.
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
      AND (outcome IN ('confirmed', 'quarantined') OR in_doubt)
  )
