-- salesforce_plan_job: enter a job in the ledger, if no other job of the org is unsettled.
-- grain:   one row
-- inputs:  {{salesforce_jobs}}
-- params:  @job_key STRING, @org_id STRING, @sync_id STRING, @prediction_date DATE, @model_version STRING, @attempt INT64, @row_count INT64, @planned_at TIMESTAMP, @run_id STRING
-- output:
--   job_key  STRING  unique; the other columns are those of salesforce_jobs

INSERT INTO {{salesforce_jobs}} (
  job_key, org_id, sync_id, prediction_date, model_version, attempt, row_count, planned_at, run_id, org_state
)
SELECT planned.*
FROM (
  SELECT
    @job_key AS job_key,
    @org_id AS org_id,
    @sync_id AS sync_id,
    @prediction_date AS prediction_date,
    @model_version AS model_version,
    @attempt AS attempt,
    @row_count AS row_count,
    @planned_at AS planned_at,
    @run_id AS run_id,
    'planned' AS org_state
) AS planned
WHERE NOT EXISTS (SELECT 1 FROM {{salesforce_jobs}} WHERE org_id = @org_id AND settled_at IS NULL)
