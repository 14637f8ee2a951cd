"""Types that a query makes, against those that its table declares: DuckDB casts in silence what BigQuery refuses."""

from collections.abc import Mapping

import duckdb

from v4_assets.errors import WarehouseError
from v4_assets.tables import Table

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
