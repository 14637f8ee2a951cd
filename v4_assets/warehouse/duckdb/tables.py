"""Tables and views of the embedded file: reading their shape and creating the declared ones."""

from collections.abc import Sequence

import duckdb

from v4_assets.tables import Table, View
from v4_assets.warehouse import shapes
from v4_assets.warehouse.duckdb.sql import (
    GOOGLE_TYPES,
    add_columns,
    create_schema,
    create_table,
    create_view,
    schema_name,
)
from v4_assets.warehouse.shapes import Shape


def create(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], views: Sequence[View]) -> None:
    """Create missing tables, add missing columns and renew the views, in the caller's transaction.

    Raises SchemaDriftError, changing nothing, on any other difference.
    """
    found = [(table, shape_of(connection, table)) for table in tables]
    shapes.verify(found, [(view, shape_of(connection, shapes.place(view))) for view in views])
    for dataset in sorted({table.dataset for table in tables} | {view.dataset for view in views}):
        connection.execute(create_schema(dataset))
    for table, shape in found:
        lacking = shapes.missing_columns(table, shape) if shape else ()
        for statement in add_columns(table, lacking) if shape else [create_table(table)]:
            connection.execute(statement)
    for view in views:
        connection.execute(create_view(view))


def shape_of(connection: duckdb.DuckDBPyConnection, table: Table) -> Shape | None:
    """The table or view of that name; None when it does not exist."""
    name = {"schema": schema_name(table.dataset), "name": table.name}
    found = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE lower(table_schema) = lower($schema) AND lower(table_name) = lower($name) ORDER BY ordinal_position",
        name,
    ).fetchall()
    is_view = connection.execute(
        "SELECT 1 FROM duckdb_views() WHERE lower(schema_name) = lower($schema) AND lower(view_name) = lower($name)",
        name,
    ).fetchall()
    if not found:
        return None
    return Shape(
        columns={column: GOOGLE_TYPES.get(data_type, data_type) for column, data_type, _ in found},
        required=frozenset(column for column, _, is_nullable in found if is_nullable == "NO"),
        answers_as_spelt=True,
        is_table=not is_view,
    )
