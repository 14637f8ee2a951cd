-- orders: every order and every permission that was given, and when it was done. Rows are only added.
-- grain:   one row per order_id and event
-- inputs:  {{orders}}
-- params:  @order_id STRING
-- output:
--   order_id     STRING     of a promotion, rollback or sunset: the event_id of its beginning in deployments
--   event        STRING     ordered or done; done only where the record of production does not tell it
--   kind         STRING     promotion, rollback, sunset, replace_live or allow_changes
--   content      STRING     what may be done and to which writes, as JSON; NULL for done
--   recorded_at  TIMESTAMP  when
--   recorded_by  STRING     the sensor, the person who gave the command, or the run that did it

SELECT order_id, event, kind, content, recorded_at, recorded_by
FROM {{orders}}
WHERE order_id = @order_id
ORDER BY recorded_at
