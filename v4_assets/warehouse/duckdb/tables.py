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
_ASKED = "list_contains($schemas, lower(schema_name)) AND list_contains($names, lower({}_name))"
OBJECTS = " UNION ALL ".join(
    f"SELECT lower(schema_name), lower({kind}_name), '{kind}', comment FROM duckdb_{kind}s() "
    f"WHERE {_ASKED.format(kind)}"
    for kind in ("table", "view")
)
COLUMNS = (
    "SELECT lower(schema_name), lower(table_name), column_name, data_type, is_nullable FROM duckdb_columns() "
    f"WHERE {_ASKED.format('table')} ORDER BY column_index"
)


def create(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], views: Sequence[View]) -> None:
    """Create missing tables, add missing columns, renew the views and mark them all, in the caller's transaction.

    Raises SchemaDriftError, changing nothing, on any other difference.
    """
    found = list(zip(tables, shapes_of(connection, tables), strict=True))
    shapes_of_views = shapes_of(connection, [table_differences.place(view) for view in views])
    table_differences.verify(found, list(zip(views, shapes_of_views, strict=True)))
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


def shapes_of(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> list[Shape | None]:
    """The table or view of each name; None where it does not exist."""
    places = [(schema_name(table.dataset).lower(), table.name.lower()) for table in tables]
    asked = {"schemas": [schema for schema, _ in places], "names": [name for _, name in places]}
    objects = connection.execute(OBJECTS, asked).fetchall()
    if not objects:
        return [None] * len(places)
    columns: dict[tuple[str, str], list[tuple[str, str, bool]]] = {}
    for schema, name, *column in connection.execute(COLUMNS, asked).fetchall():
        columns.setdefault((schema, name), []).append((column[0], column[1], column[2]))
    found = {
        (schema, name): Shape(
            columns={column: GOOGLE_TYPES.get(type_, type_) for column, type_, _ in columns.get((schema, name), ())},
            required=frozenset(column for column, _, can_be_null in columns.get((schema, name), ()) if not can_be_null),
            answers_as_spelt=True,
            kind=kind,
            is_marked=MARK in (comment or ""),
        )
        for schema, name, kind, comment in objects
    }
    return [found.get(place) for place in places]


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
