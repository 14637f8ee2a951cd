-- salesforce_sync_log: what became of every row that was sent, or kept back, in one job. Only pending rows ever change.
-- grain:   one row per job_key and lead_id
-- inputs:  {{salesforce_sync_log}}
-- params:  @job_key STRING, @prediction_date DATE (the job's, so that one partition is read)
-- output:
--   job_key          STRING     as in salesforce_jobs; rows kept back have one of their own
--   job_id           STRING     the org's id of the job; NULL until it is known
--   org_id           STRING     the org, 18 characters
--   sync_id          STRING     the sync
--   prediction_date  DATE       the day whose scores these are
--   lead_id          STRING     Salesforce Lead Id
--   score            FLOAT64 [0..1]  as sent, two decimals; NULL empties the field
--   percentile       INT64 [1..100]  as sent
--   deprioritize     BOOL       as sent
--   model_version    STRING     as sent; NULL when the lead's fields are emptied
--   outcome          STRING [confirmed | pending | quarantined | failed]  pending: sent again; quarantined: refused because of the lead; failed: refused because of something that concerns many
--   in_doubt         BOOL       pending, and the org may have taken the values nevertheless
--   code             STRING     the org's code, or ours; NULL when confirmed
--   message          STRING     the org's words
--   attempt          INT64 [0..]  0 = kept back, 1 = first, more = a retry
--   logged_at        TIMESTAMP  when

SELECT
  job_key, job_id, org_id, sync_id, prediction_date, lead_id, score, percentile, deprioritize, model_version, outcome,
  in_doubt, code, message, attempt, logged_at
FROM {{salesforce_sync_log}}
WHERE prediction_date = @prediction_date AND job_key = @job_key
