-- record_order: record an order, or that it is done, once.
-- grain:   one row
-- inputs:  {{orders}}
-- params:  @order_id STRING, @event STRING, @kind STRING, @content STRING, @recorded_at TIMESTAMP, @recorded_by STRING
-- output:
--   order_id  STRING  the order; the other columns are those of orders

INSERT INTO {{orders}} (order_id, event, kind, content, recorded_at, recorded_by)
SELECT @order_id, @event, @kind, @content, @recorded_at, @recorded_by
FROM (SELECT 1)
WHERE NOT EXISTS (SELECT 1 FROM {{orders}} WHERE order_id = @order_id AND event = @event)
