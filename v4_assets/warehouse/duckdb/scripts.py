"""Scripts of the embedded warehouse, to read: GoogleSQL translated by sqlglot to DuckDB. Pure."""

from v4_assets.tables import Table, View
from v4_assets.warehouse.duckdb import validations
from v4_assets.warehouse.duckdb.sql import (
    MARK,
    create_schema,
    create_table,
    create_view,
    delete_partition,
    insert_from,
    mark,
    schema_name,
    to_duckdb,
)
from v4_assets.warehouse.render import Fill, Script, heading
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
        parts.append(validations.render(script))
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
