"""Scripts of the embedded warehouse, to read: GoogleSQL translated by sqlglot to DuckDB. Pure."""

import re

from v4_assets import tables
from v4_assets.sql import Query
from v4_assets.tables import Catalogue, Table, View
from v4_assets.warehouse.duckdb.sql import (
    MARK,
    create_schema,
    create_table,
    create_view,
    delete_partition,
    insert_from,
    mark,
    quoted,
    schema_name,
    to_duckdb,
)
from v4_assets.warehouse.render import (
    HEADING,
    SAMPLE_ROWS,
    Fill,
    Script,
    Target,
    happened_at,
    heading,
    quoted_names,
    switch,
    validations_of,
    values,
)
from v4_assets.warehouse.table_differences import place

_FILLING = (
    "To be read: `v4 run` binds $day, $prediction_date, $cutoff and $retrospective, decides whether a partition may be",
    "replaced, and records each write in the transaction that makes it.",
)


def render(script: Script) -> str:
    """The script as text."""
    datasets = sorted({one.dataset for one in script.tables} | {one.dataset for one in script.views})
    parts = [heading(script, _FILLING if script.fills else ())]
    parts += [f"{create_schema(dataset)};\n{_names_are_free(script, dataset)}" for dataset in datasets]
    parts += [_of_table(table) for table in script.tables]
    parts += [_of_view(view) for view in script.views]
    parts += [_filled(fill) for fill in script.fills]
    if script.fills:
        parts.append(validations(script))
    return "\n\n".join(parts) + "\n"


def _names_are_free(script: Script, dataset: str) -> str:
    """A statement that fails where an object of others stands under a name of ours."""
    places = (*script.tables, *map(place, script.views))
    names = ", ".join(f"'{one.name.lower()}'" for one in places if one.dataset == dataset)
    schema = schema_name(dataset).lower()
    here = f"WHERE database_name = current_database() AND lower(schema_name) = '{schema}'"
    return f"""\
SELECT CASE WHEN COUNT(*) > 0 THEN error('Objects of others stand where ours belong: ' || string_agg(name, ', ')) END
FROM (
  SELECT table_name AS name, comment FROM duckdb_tables() {here}
  UNION ALL
  SELECT view_name, comment FROM duckdb_views() {here}
)
WHERE lower(name) IN ({names}) AND COALESCE(comment, '') NOT LIKE '%{MARK}%';"""


def _of_table(table: Table) -> str:
    return f"{_commented(table)}{create_table(table)};\n{mark('TABLE', table, table.description)};"


def _of_view(view: View) -> str:
    text = f"-- {view.name}: {view.description}\n{create_view(view, pretty=True)};"
    return f"{text}\n{mark('VIEW', place(view), view.description)};"


def _commented(table: Table) -> str:
    return f"-- {table.name}: {table.description}\n"


def _filled(fill: Fill) -> str:
    rows = f"(\n{to_duckdb(fill.query.text, pretty=True)}\n)"
    statements = ("BEGIN", delete_partition(fill.table), insert_from(fill.table, rows), "COMMIT")
    return _commented(fill.table) + ";\n".join(statements) + ";"


def validations(script: Script) -> str:
    """The sample, a row for each validation, and an error when one fails."""
    asked = validations_of(script)
    view, scores, count = asked.view.name, asked.scores.name, len(asked.wanted)
    names, others = quoted_names(asked.wanted), quoted_names(asked.beside)
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


_PARAM = re.compile(r"\$(\w+)")


def rollback_script(catalogue: Catalogue, target: Target) -> str:
    """The script as text: a refused one ends in an error, and its transaction changes nothing."""
    production, deployments = quoted(catalogue[tables.PRODUCTION]), quoted(catalogue[tables.DEPLOYMENTS])
    lines = [f"-- {line}" for line in HEADING]
    lines += ["", "SET TimeZone = 'UTC';", "SET VARIABLE v4_reason = NULL;", ""]
    lines += [f"SET VARIABLE v4_{name} = {_literal(value)};" for name, value in values(target).items()]
    lines += [
        "SET VARIABLE v4_evidence_sequence = 0;",
        f"SET VARIABLE v4_happened_at = {happened_at(target, 'now()').replace('TIMESTAMP ', 'TIMESTAMPTZ ')};",
        "SET VARIABLE v4_event_id = replace(CAST(uuid() AS VARCHAR), '-', '');",
        "SET VARIABLE v4_action_id = getvariable('v4_event_id');",
        "SET VARIABLE v4_decided_by = 'console';",
        "BEGIN;",
        f"SET VARIABLE v4_previous = (SELECT version FROM {production});",
        f"SET VARIABLE v4_expected_event_id = (SELECT event_id FROM {production});",
        _refused(
            "COALESCE(TRIM(getvariable('v4_reason')), '') = ''",
            "Nothing was changed: say in v4_reason why, it is recorded.",
        ),
        _refused(
            "COALESCE(getvariable('v4_previous') = getvariable('v4_version'), TRUE)",
            f"Nothing was changed: {target.version} is live already, or no version is.",
        ),
        _refused(
            f"COALESCE((SELECT event FROM {deployments} WHERE version = getvariable('v4_version') AND event IN "
            "('sunset_completed', 'restored') ORDER BY sequence DESC LIMIT 1) = 'sunset_completed', FALSE)",
            f"Nothing was changed: {target.version} is archived. v4 restore brings its model back first.",
        ),
        *(f"{_bound(query)};" for query in switch(catalogue)),
        "COMMIT;",
        f"SELECT version AS live, getvariable('v4_previous') AS before, event_id FROM {production};",
        "",
    ]
    return "\n".join(lines)


def _bound(query: Query) -> str:
    return _PARAM.sub(r"getvariable('v4_\1')", to_duckdb(query.text, pretty=True))


def _refused(condition: str, text: str) -> str:
    return f"SELECT CASE WHEN {condition} THEN error({_literal(text)}) END;"


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
