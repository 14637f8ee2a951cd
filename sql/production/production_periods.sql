-- production_periods: the period in which each version was live, with the reason. Filter by an instant to get its version.
-- grain:   one row per period
-- inputs:  {{deployments}}
-- params:  none
-- output:
--   version        STRING     the live version
--   live_from      TIMESTAMP  since
--   live_until     TIMESTAMP  until, exclusive; NULL while it lasts
--   event          STRING     what made it live: adopted, promotion_started, rollback_started
--   reason         STRING     why
--   event_id       STRING     the deployment event
--   bundle_sha256  STRING     the bundle that was live; NULL before schema 2

SELECT
  version,
  happened_at AS live_from,
  LEAD(happened_at) OVER (ORDER BY sequence, happened_at) AS live_until,
  event,
  reason,
  event_id,
  bundle_sha256
FROM {{deployments}}
WHERE event IN ('adopted', 'promotion_started', 'rollback_started')
