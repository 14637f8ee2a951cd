-- open_orders: orders of one kind that are not done, oldest first.
-- grain:   one row per order_id
-- inputs:  {{orders}}
-- params:  @kind STRING
-- output:
--   order_id     STRING     the order
--   event        STRING     ordered
--   kind         STRING     as asked
--   content      STRING     what may be done and to which writes, as JSON
--   recorded_at  TIMESTAMP  when
--   recorded_by  STRING     who gave it

SELECT order_id, event, kind, content, recorded_at, recorded_by
FROM {{orders}} AS given
WHERE event = 'ordered'
  AND kind = @kind
  AND NOT EXISTS (SELECT 1 FROM {{orders}} AS ended WHERE ended.order_id = given.order_id AND ended.event = 'done')
ORDER BY recorded_at
