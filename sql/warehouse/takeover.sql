-- takeover: the objects that stood where this project's belong, where they are kept, and what was done. Rows are only added.
-- grain:   one row per takeover_id, event and object_name
-- inputs:  {{takeover}}
-- params:  none
-- output:
--   takeover_id  STRING  one takeover, from its plan to its undoing
--   sequence     INT64 [1..]  order in which the rows were recorded
--   event        STRING  planned, finished, undo_started, undone
--   object_name  STRING  name of the object in the dataset of this project's tables; NULL for what concerns the takeover as a whole
--   kind         STRING  planned: its kind (table, view, materialized view); undo_started: that of this project's object
--   kept_as      STRING  planned: the dated name of the firm's object; undo_started: that of this project's table
--   method       STRING  planned: rename, copy, or text (a view that is made again under the dated name)
--   view_text    STRING  planned: what follows a view's name in its CREATE VIEW
--   row_count    INT64   planned: rows of a table; NULL for a view
--   expires_at   TIMESTAMP  planned: when it would have expired; NULL means never
--   partition_days  FLOAT64  planned: how many days its partitions would have stayed; NULL means for ever
--   recorded_at  TIMESTAMP  when
--   recorded_by  STRING  the person who gave the command

SELECT
  takeover_id, sequence, event, object_name, kind, kept_as, method, view_text, row_count, expires_at, partition_days,
  recorded_at, recorded_by
FROM {{takeover}}
ORDER BY sequence
