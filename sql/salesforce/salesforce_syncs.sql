-- salesforce_syncs: every sync that ended, delivered or not, oldest first. A dry run is one, too.
-- grain:   one row per sequence
-- inputs:  {{salesforce_syncs}}
-- params:  none
-- output:
--   sequence         INT64 [1..]  order of the syncs
--   sync_id          STRING     as in salesforce_jobs; of a dry run, its own
--   target           STRING [dry-run | local | salesforce]  where the rows went
--   org_id           STRING     the org, 18 characters; NULL for a dry run, or when the org did not answer
--   prediction_date  DATE       the day whose scores were sent
--   model_version    STRING     the version that was live; NULL when the scores could not be read
--   run_id           STRING     the Dagster run, NULL without one
--   ended_at         TIMESTAMP  when
--   is_full          BOOL       every difference was sent and every lead read back
--   leads            INT64 [0..]  scored leads of the day
--   sent             INT64 [0..]  leads sent, each counted once
--   confirmed        INT64 [0..]  leads sent that the org confirmed
--   pending          INT64 [0..]  leads whose values are still to be sent
--   failed           INT64 [0..]  leads sent that were refused for a reason about the org; they are pending, too
--   quarantined      INT64 [0..]  leads sent that were refused for a reason about the lead
--   held_back        INT64 [0..]  leads not sent because the org refused them within the quarantine
--   absent           INT64 [0..]  leads that the org does not have, or has converted
--   repaired         INT64 [0..]  leads that showed other values than confirmed and were sent again
--   owed             STRING     why Salesforce lacks the day's scores; NULL when they are delivered

SELECT
  sequence, sync_id, target, org_id, prediction_date, model_version, run_id, ended_at, is_full, leads, sent, confirmed,
  pending, failed, quarantined, held_back, absent, repaired, owed
FROM {{salesforce_syncs}}
ORDER BY sequence
