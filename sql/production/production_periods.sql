-- production_periods: which version was live when, and why. What was live at an instant is one WHERE away.
-- grain:   one row per period
-- inputs:  {{deployments}}
-- params:  none
-- output:
--   version     STRING     the live version
--   live_from   TIMESTAMP  since
--   live_until  TIMESTAMP  until, exclusive; NULL while it lasts
--   event       STRING     what made it live: adopted, promotion_started, rollback_started
--   reason      STRING     why
--   event_id    STRING     the deployment event

SELECT
  version,
  happened_at AS live_from,
  LEAD(happened_at) OVER (ORDER BY sequence, happened_at) AS live_until,
  event,
  reason,
  event_id
FROM {{deployments}}
WHERE event IN ('adopted', 'promotion_started', 'rollback_started')
