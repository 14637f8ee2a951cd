"""GoogleSQL translated to DuckDB, and the statements of the embedded warehouse. Pure."""

from collections.abc import Iterable
from functools import cache
from typing import Literal

import sqlglot
from sqlglot import exp

from v4_assets.errors import WarehouseError
from v4_assets.sql import Column
from v4_assets.tables import PARTITION_COLUMN, Table, View

DUCKDB_TYPES = {
    "STRING": "VARCHAR",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    "DATETIME": "TIMESTAMP",
}
MARK = "managed_by: v4_assets"
"""In the comment of every table and view this project makes."""
GOOGLE_TYPES = {duckdb_type: google_type for google_type, duckdb_type in DUCKDB_TYPES.items()}


@cache
def to_duckdb(text: str, *, pretty: bool = False) -> str:
    """The one statement of `text` in DuckDB's dialect. Raises WarehouseError when it cannot be parsed."""
    try:
        return sqlglot.parse_one(text, read="bigquery").transform(_countif).sql(dialect="duckdb", pretty=pretty)
    except sqlglot.errors.SqlglotError as error:
        raise WarehouseError(f"This GoogleSQL cannot be translated to DuckDB: {error}\n{text}") from error


def create_schema(dataset: str) -> str:
    """CREATE SCHEMA of a dataset."""
    return f'CREATE SCHEMA IF NOT EXISTS "{schema_name(dataset)}"'


def create_table(table: Table) -> str:
    """CREATE TABLE of a table."""
    columns = ", ".join(f'"{column.name}" {DUCKDB_TYPES[column.type]}' for column in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {quoted(table)} ({columns})"


def add_columns(table: Table, columns: Iterable[Column]) -> list[str]:
    """ALTER TABLE for each column to be added."""
    return [
        f'ALTER TABLE {quoted(table)} ADD COLUMN IF NOT EXISTS "{column.name}" {DUCKDB_TYPES[column.type]}'
        for column in columns
    ]


def create_view(view: View, *, pretty: bool = False) -> str:
    """CREATE VIEW of a view."""
    text = to_duckdb(view.query.text, pretty=pretty)
    return f'CREATE OR REPLACE VIEW "{schema_name(view.dataset)}"."{view.name}" AS {text}'


def mark(kind: Literal["TABLE", "VIEW"], table: Table, description: str) -> str:
    """COMMENT of a table or view: what it holds, and that this project made it."""
    text = f"{description} ({MARK})".replace("'", "''")
    return f"COMMENT ON {kind} {quoted(table)} IS '{text}'"


def delete_partition(table: Table) -> str:
    """DELETE of the partition $day."""
    return f'DELETE FROM {quoted(table)} WHERE "{PARTITION_COLUMN}" = $day'


def insert_from(table: Table, source: str) -> str:
    """INSERT of the table's columns from a name or a query in parentheses."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f"INSERT INTO {quoted(table)} ({names}) SELECT {names} FROM {source}"


def schema_name(dataset: str) -> str:
    """The schema of a dataset, which may be written project.dataset."""
    return dataset.rpartition(".")[2]


def quoted(table: Table) -> str:
    """The full name of a table."""
    return f'"{schema_name(table.dataset)}"."{table.name}"'


def _countif(node: exp.Expression) -> exp.Expression:
    """COUNTIF of no rows is 0 in GoogleSQL; DuckDB's count_if makes it NULL."""
    if isinstance(node, exp.CountIf):
        return exp.Count(this=exp.If(this=node.this, true=exp.Literal.number(1)))
    return node
