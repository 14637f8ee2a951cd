"""The transactions of the BigQuery warehouse as GoogleSQL scripts, and values as their parameters. Pure.

Every script ends with a SELECT of the row count it stands for. A script that fails anywhere before COMMIT is rolled
back by the service; an explicit ROLLBACK would only lose the reason. Names of our own begin with `v4_`, so that they
meet neither a column nor a parameter of the query inside.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from google.cloud.bigquery import ScalarQueryParameter

from v4_assets.errors import ConcurrentWriteError, WarehouseError
from v4_assets.sql import Query
from v4_assets.tables import PARTITION_COLUMN, Table
from v4_assets.warehouse.bigquery.errors import refusal
from v4_assets.warehouse.protocol import Statement
from v4_assets.warehouse.writes import PartitionWrite

PARAMETER_TYPES = (
    (bool, "BOOL"),
    (int, "INT64"),
    (float, "FLOAT64"),
    (str, "STRING"),
    (datetime, "TIMESTAMP"),
    (date, "DATE"),
)
"""A bool is an int and a datetime is a date, so the order matters."""

_PARAM = re.compile(r"(?<!@)@(\w+)")
LOGGED = {"row_count": "v4_written", "pruned_at": "NULL"}
"""Columns of a recorded write that no parameter gives, and the value that is written."""


def parameters(values: Mapping[str, object]) -> list[ScalarQueryParameter]:
    """Values as typed parameters. None is a STRING: the only nullable parameters of sql/ are texts.

    Raises WarehouseError for a value of another type, and for a datetime that does not say its zone.
    """
    return [_parameter(name, value) for name, value in values.items()]


def partition_script(table: Table, write: PartitionWrite, rows: Query, log: Table) -> Query:
    """Replace the partition of `write` by `rows` and record it, if it follows the latest recorded write."""
    own = {f"v4_{name}": value for name, value in asdict(write).items() if name not in LOGGED}
    return Query(rows.name, partition_text(table, rows.text, log), {**rows.params, **own})


def partition_text(table: Table, rows: str, log: Table) -> str:
    """The script that replaces a partition. Parameters: those of `rows`, and @v4_NAME for every NAME of a write."""
    target, day = table.full_name, f"@v4_{PARTITION_COLUMN}"
    columns = _names(table)
    logged = ", ".join(LOGGED.get(column.name, f"@v4_{column.name}") for column in log.columns)
    raced = refusal(
        "v4_found <> @v4_sequence - 1",
        ConcurrentWriteError,
        "%s of %s has been written %d times, expected %d: another run has just written it. Nothing was changed; run "
        "again to continue from that write.",
        "@v4_table_name",
        f"CAST({day} AS STRING)",
        "v4_found",
        "@v4_sequence - 1",
    )
    strayed = refusal(
        "v4_of_day <> v4_written",
        WarehouseError,
        f"%d rows were written to {table.name}, of which %d belong to %s. A write must fill exactly one partition; "
        f"correct the rows' {PARTITION_COLUMN}.",
        "v4_written",
        "v4_of_day",
        f"CAST({day} AS STRING)",
    )
    return f"""\
DECLARE v4_found, v4_written, v4_of_day INT64;
BEGIN TRANSACTION;
SET v4_found = (
  SELECT COALESCE(MAX(sequence), 0) FROM {log.full_name} WHERE table_name = @v4_table_name AND prediction_date = {day}
);
{raced}
DELETE FROM {target} WHERE {PARTITION_COLUMN} = {day};
INSERT INTO {target} ({columns}) SELECT {columns} FROM (
{rows}
);
SET v4_written = @@row_count;
SET v4_of_day = (SELECT COUNT(*) FROM {target} WHERE {PARTITION_COLUMN} = {day});
{strayed}
INSERT INTO {log.full_name} ({_names(log)}) VALUES ({logged});
COMMIT TRANSACTION;
SELECT v4_written;"""


def table_script(table: Table, rows: Query, where: Mapping[str, str] | None = None) -> Query:
    """Replace all rows of a table by `rows`, or those in which every column of `where` has the value given."""
    columns = _names(table)
    own = {f"v4_{name}": value for name, value in (where or {}).items()}
    replaced = " AND ".join(f"`{name}` = @v4_{name}" for name in where or {}) or "TRUE"
    text = f"""\
DECLARE v4_written INT64;
BEGIN TRANSACTION;
DELETE FROM {table.full_name} WHERE {replaced};
INSERT INTO {table.full_name} ({columns}) SELECT {columns} FROM (
{rows.text}
);
SET v4_written = @@row_count;
COMMIT TRANSACTION;
SELECT v4_written;"""
    return Query(rows.name, text, {**rows.params, **own})


def statements_script(statements: Sequence[Statement]) -> Query:
    """Run statements, each of which must change its `expected_rows`; returns the last one's row count."""
    lines, values = ["DECLARE v4_changed INT64;", "BEGIN TRANSACTION;"], dict[str, object]()
    for number, statement in enumerate(statements):
        query = _renamed(statement.query, f"v4_{number}_")
        values.update(query.params)
        lines += [f"{query.text}\n;", "SET v4_changed = @@row_count;"]
        if statement.expected_rows is not None:
            text = (
                f"{query.name} matched %d rows, expected {statement.expected_rows}: another process changed them "
                "first. Nothing was changed; check `v4 status` and run the command again."
            )
            lines.append(refusal(f"v4_changed <> {statement.expected_rows}", ConcurrentWriteError, text, "v4_changed"))
    lines += ["COMMIT TRANSACTION;", "SELECT v4_changed;"]
    return Query("_".join(statement.query.name for statement in statements), "\n".join(lines), values)


def _renamed(query: Query, prefix: str) -> Query:
    """The query with prefixed parameter names: two statements may bind one name to different values."""
    text = _PARAM.sub(lambda match: f"@{prefix if match[1] in query.params else ''}{match[1]}", query.text)
    return Query(query.name, text, {prefix + name: value for name, value in query.params.items()})


def _parameter(name: str, value: Any) -> ScalarQueryParameter:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise WarehouseError(f"@{name} is {value}, which names no time zone. Bind an aware datetime.")
    kinds = (kind for of, kind in PARAMETER_TYPES if isinstance(value, of))
    kind = "STRING" if value is None else next(kinds, None)
    if kind is None:
        raise WarehouseError(f"@{name} is a {type(value).__name__}; bind a date, datetime, text, number or bool.")
    return ScalarQueryParameter(name, kind, value)


def _names(table: Table) -> str:
    return ", ".join(f"`{column.name}`" for column in table.columns)
