"""Tables and views of the embedded file: their shape, making the declared ones, and types that a query must keep."""

from collections.abc import Mapping, Sequence

import duckdb

from v4_assets.errors import WarehouseError
from v4_assets.tables import Table, View
from v4_assets.warehouse import table_differences
from v4_assets.warehouse.duckdb.sql import (
    GOOGLE_TYPES,
    MARK,
    add_columns,
    create_schema,
    create_table,
    create_view,
    mark,
    schema_name,
)
from v4_assets.warehouse.table_differences import Shape

IN_SCHEMA = "lower(schema_name) = lower($schema)"
"""The engine resolves names without case."""


def create(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], views: Sequence[View]) -> None:
    """Create missing tables, add missing columns, renew the views and mark them all, in the caller's transaction.

    Raises SchemaDriftError, changing nothing, on any other difference.
    """
    found = [(table, shape_of(connection, table)) for table in tables]
    table_differences.verify(found, [(view, shape_of(connection, table_differences.place(view))) for view in views])
    for dataset in sorted({table.dataset for table in tables} | {view.dataset for view in views}):
        connection.execute(create_schema(dataset))
    for table, shape in found:
        lacking = table_differences.missing_columns(table, shape) if shape else ()
        for statement in add_columns(table, lacking) if shape else [create_table(table)]:
            connection.execute(statement)
        if not (shape and shape.is_marked):
            connection.execute(mark("TABLE", table, table.description))
    for view in views:
        connection.execute(create_view(view))
        connection.execute(mark("VIEW", table_differences.place(view), view.description))


def shape_of(connection: duckdb.DuckDBPyConnection, table: Table) -> Shape | None:
    """The table or view of that name; None when it does not exist."""
    name = {"schema": schema_name(table.dataset), "name": table.name}
    there = connection.execute(
        f"SELECT 'table', comment FROM duckdb_tables() WHERE {IN_SCHEMA} AND lower(table_name) = lower($name) "
        f"UNION ALL SELECT 'view', comment FROM duckdb_views() WHERE {IN_SCHEMA} AND lower(view_name) = lower($name)",
        name,
    ).fetchall()
    if not there:
        return None
    found = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE lower(table_schema) = lower($schema) AND lower(table_name) = lower($name) ORDER BY ordinal_position",
        name,
    ).fetchall()
    [(kind, comment)] = there
    return Shape(
        columns={column: GOOGLE_TYPES.get(data_type, data_type) for column, data_type, _ in found},
        required=frozenset(column for column, _, is_nullable in found if is_nullable == "NO"),
        answers_as_spelt=True,
        kind=kind,
        is_marked=MARK in (comment or ""),
    )


FLOATS, TEXTS, FLAGS = ("DOUBLE", "FLOAT", "DECIMAL"), ("VARCHAR",), ("BOOLEAN",)
NEVER: Mapping[str, Mapping[tuple[str, ...], str]] = {
    "INT64": {FLOATS: "FLOAT64", TEXTS: "STRING", FLAGS: "BOOL"},
    "FLOAT64": {TEXTS: "STRING", FLAGS: "BOOL"},
    "BOOL": {FLOATS: "FLOAT64", TEXTS: "STRING"},
    "DATE": {TEXTS: "STRING"},
    "TIMESTAMP": {TEXTS: "STRING"},
}
"""Declared type to the types of results, by how DuckDB's name begins, that no engine may convert unasked."""


def verify(connection: duckdb.DuckDBPyConnection, table: Table, text: str, params: Mapping[str, object]) -> None:
    """Raise WarehouseError naming every column of a query of another type than the table declares."""
    made = {row[0]: row[1] for row in connection.execute(f"DESCRIBE ({text})", dict(params)).fetchall()}
    wrong = [
        f"{column.name} is {google}, declared {column.type}"
        for column in table.columns
        for starts, google in NEVER.get(column.type, {}).items()
        if made.get(column.name, "").startswith(starts)
    ]
    if wrong:
        raise WarehouseError(
            f"The SQL of {table.name} makes other types than its header declares: {'; '.join(wrong)}. Cast the column "
            "in the SQL file, or correct its header. Nothing was written."
        )
