-- salesforce_name_job: note the org's id of a job, if the job is not settled meanwhile.
-- grain:   one row
-- inputs:  {{salesforce_jobs}}
-- params:  @job_key STRING, @job_id STRING
-- output:
--   job_key  STRING  unique; the other columns are those of salesforce_jobs

UPDATE {{salesforce_jobs}}
SET job_id = @job_id, org_state = 'Open'
WHERE job_key = @job_key AND settled_at IS NULL
