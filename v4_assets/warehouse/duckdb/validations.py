"""The guide's four validations at the end of a version's script, in DuckDB's words. Pure."""

from v4_assets.warehouse import validations
from v4_assets.warehouse.duckdb.sql import quoted, schema_name
from v4_assets.warehouse.render import Script
from v4_assets.warehouse.validations import SAMPLE_ROWS


def render(script: Script) -> str:
    """The sample, a row for each validation, and an error when one fails."""
    asked = validations.of(script)
    view, scores, count = asked.view.name, asked.scores.name, len(asked.wanted)
    names, others = validations.quoted(asked.wanted), validations.quoted(asked.beside)
    here = f"database_name = current_database() AND lower(schema_name) = '{schema_name(asked.view.dataset).lower()}'"
    columns = f"SELECT COUNT(*) FROM duckdb_columns() WHERE {here} AND table_name = '{view}' AND column_name"
    return f"""\
-- The four validations of Step 1, to be read.
SET VARIABLE v4_is_view = (SELECT COUNT(*) = 1 FROM duckdb_views() WHERE {here} AND view_name = '{view}');
SET VARIABLE v4_is_table = (SELECT COUNT(*) = 1 FROM duckdb_tables() WHERE {here} AND table_name = '{scores}');
SET VARIABLE v4_features = ({columns} IN ({names}));
SET VARIABLE v4_foreign = ({columns} NOT IN ({names}, {others}));
SET VARIABLE v4_rows = (SELECT COUNT(*) FROM {quoted(asked.place)});
SELECT * FROM {quoted(asked.place)} ORDER BY lead_id LIMIT {SAMPLE_ROWS};
SELECT 1 AS number, 'view {view}' AS validation, getvariable('v4_is_view') AS passed,
  CASE WHEN getvariable('v4_is_view') THEN 'there' ELSE 'missing' END AS found
UNION ALL
SELECT 2, 'table {scores}', getvariable('v4_is_table'),
  CASE WHEN getvariable('v4_is_table') THEN 'there' ELSE 'missing' END
UNION ALL
SELECT 3, 'exactly {count} features', getvariable('v4_features') = {count} AND getvariable('v4_foreign') = 0,
  format('{{}} features, {{}} other columns', getvariable('v4_features'), getvariable('v4_foreign'))
UNION ALL
SELECT 4, 'the view answers: the sample above', getvariable('v4_rows') > 0, format('{{}} rows', getvariable('v4_rows'))
ORDER BY number;
SELECT CASE WHEN NOT (
  getvariable('v4_is_view') AND getvariable('v4_is_table') AND getvariable('v4_features') = {count}
  AND getvariable('v4_foreign') = 0 AND getvariable('v4_rows') > 0
) THEN error(format(
  'A validation failed, see the rows above: {view} {{}}, {scores} {{}}, features {{}} of {count}, other columns {{}}, '
  || 'rows in the view {{}}.',
  CASE WHEN getvariable('v4_is_view') THEN 'there' ELSE 'missing' END,
  CASE WHEN getvariable('v4_is_table') THEN 'there' ELSE 'missing' END,
  getvariable('v4_features'), getvariable('v4_foreign'), getvariable('v4_rows')
)) END;"""
