"""Scripts of the embedded warehouse, to read: GoogleSQL translated by sqlglot to DuckDB. Pure."""

from v4_assets.tables import Table
from v4_assets.warehouse.duckdb.sql import (
    create_schema,
    create_table,
    create_view,
    delete_partition,
    insert_from,
    to_duckdb,
)
from v4_assets.warehouse.render import Fill, Script, heading

_FILLING = (
    "To be read: `v4 run` binds $day, $prediction_date, $cutoff and $retrospective, decides whether a partition may be",
    "replaced, and records each write in the transaction that makes it.",
)


def render(script: Script) -> str:
    """The script as text."""
    datasets = sorted({one.dataset for one in script.tables} | {one.dataset for one in script.views})
    parts = [heading(script, _FILLING if script.fills else ())]
    parts += [f"{create_schema(dataset)};" for dataset in datasets]
    parts += [f"{_commented(table)}{create_table(table)};" for table in script.tables]
    parts += [f"-- {view.name}: {view.description}\n{create_view(view, pretty=True)};" for view in script.views]
    parts += [_filled(fill) for fill in script.fills]
    return "\n\n".join(parts) + "\n"


def _commented(table: Table) -> str:
    return f"-- {table.name}: {table.description}\n"


def _filled(fill: Fill) -> str:
    rows = f"(\n{to_duckdb(fill.query.text, pretty=True)}\n)"
    statements = ("BEGIN", delete_partition(fill.table), insert_from(fill.table, rows), "COMMIT")
    return _commented(fill.table) + ";\n".join(statements) + ";"
