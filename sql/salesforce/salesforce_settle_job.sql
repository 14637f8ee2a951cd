-- salesforce_settle_job: close a job in the ledger, once.
-- grain:   one row
-- inputs:  {{salesforce_jobs}}
-- params:  @job_key STRING, @settled_at TIMESTAMP, @org_state STRING, @message STRING
-- output:
--   job_key  STRING  unique; the other columns are those of salesforce_jobs

UPDATE {{salesforce_jobs}}
SET settled_at = @settled_at, org_state = @org_state, message = @message
WHERE job_key = @job_key AND settled_at IS NULL
