-- salesforce_jobs: every job that carried rows to an org, oldest first. A job is here before the org knows of it.
-- grain:   one row per job_key
-- inputs:  {{salesforce_jobs}}
-- params:  none
-- output:
--   job_key          STRING     ours, unique
--   job_id           STRING     the org's; NULL until the org has told it
--   org_id           STRING     the org, 18 characters
--   sync_id          STRING     the sync it is part of
--   prediction_date  DATE       the day whose scores it carries
--   model_version    STRING     the version that was live
--   attempt          INT64 [1..]  1 = first, more = a retry
--   row_count        INT64 [1..]  rows it carries; salesforce_sync_log has them
--   planned_at       TIMESTAMP  when it was planned
--   run_id           STRING     the Dagster run, NULL from the command line
--   settled_at       TIMESTAMP  when its results were taken over; NULL while that is owed
--   org_state        STRING     the org's last word on it
--   message          STRING     the org's error; NULL without one

SELECT
  job_key, job_id, org_id, sync_id, prediction_date, model_version, attempt, row_count, planned_at, run_id, settled_at,
  org_state, message
FROM {{salesforce_jobs}}
ORDER BY planned_at, job_key
