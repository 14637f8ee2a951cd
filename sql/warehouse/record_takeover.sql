-- record_takeover: add one row to the record of takeovers, once.
-- grain:   one row
-- inputs:  {{takeover}}
-- params:  @takeover_id STRING, @number INT64, @event STRING, @object_name STRING, @kind STRING, @kept_as STRING, @method STRING, @view_text STRING, @counted_rows STRING, @expires_at STRING, @partition_days STRING, @recorded_at TIMESTAMP, @recorded_by STRING
-- output:
--   takeover_id  STRING  the takeover; the other columns are those of takeover

INSERT INTO {{takeover}} (
  takeover_id, sequence, event, object_name, kind, kept_as, method, view_text, row_count, expires_at, partition_days,
  recorded_at, recorded_by
)
SELECT added.*
FROM (
  SELECT
    @takeover_id AS takeover_id,
    @number AS sequence,
    @event AS event,
    @object_name AS object_name,
    @kind AS kind,
    @kept_as AS kept_as,
    @method AS method,
    @view_text AS view_text,
    CAST(@counted_rows AS INT64) AS row_count, -- engines agree: a whole number
    CAST(@expires_at AS TIMESTAMP) AS expires_at,
    CAST(@partition_days AS FLOAT64) AS partition_days,
    @recorded_at AS recorded_at,
    @recorded_by AS recorded_by
) AS added
WHERE NOT EXISTS (SELECT 1 FROM {{takeover}} WHERE sequence = @number)
