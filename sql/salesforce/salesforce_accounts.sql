-- salesforce_accounts: what became of the leads a sync sent, each by its last attempt.
-- grain:   one row per outcome, in_doubt and code
-- inputs:  {{salesforce_sync_log}}
-- params:  @sync_id STRING, @prediction_date DATE
-- output:
--   outcome     STRING [confirmed | pending | quarantined | failed]  as in salesforce_sync_log
--   in_doubt    BOOL    the org may have taken the values nevertheless
--   code        STRING  the org's code, or ours; NULL when confirmed
--   lead_count  INT64 [1..]  leads
--   example     STRING  the words of one of them; NULL when confirmed

SELECT outcome, in_doubt, code, COUNT(*) AS lead_count, MIN(message) AS example
FROM (
  SELECT outcome, in_doubt, code, message
  FROM {{salesforce_sync_log}}
  WHERE prediction_date = @prediction_date AND sync_id = @sync_id AND attempt > 0
  QUALIFY ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY attempt DESC, logged_at DESC, job_key) = 1
) AS latest
GROUP BY outcome, in_doubt, code
