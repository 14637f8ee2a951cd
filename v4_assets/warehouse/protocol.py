"""The warehouse protocol: the operations of every engine, and their common Arrow types."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from v4_assets.sql import Query
from v4_assets.tables import Table, View
from v4_assets.warehouse.table_differences import Kind, Shape
from v4_assets.warehouse.writes import PartitionWrite

MOVABLE: frozenset[Kind] = frozenset({"table", "view", "materialized view"})


@dataclass(frozen=True)
class Expiration:
    """When an object deletes itself, and how long its partitions stay; None means never."""

    at: datetime | None = None
    partition_days: float | None = None


@dataclass(frozen=True)
class Content:
    """Row count and a checksum of all rows in any order: equal for a table and its copy."""

    rows: int
    checksum: str


class Moving(Protocol):
    """Objects are named by dataset and name, as tables without columns."""

    def hindrance(self, place: Table, kind: Kind) -> str | None:
        """Why the object cannot be moved now, with what to do; None when it can."""

    def rename(self, table: Table, name: str) -> None:
        """Give a table another name in its dataset."""

    def copy(self, table: Table, name: str) -> None:
        """Copy a table, with its layout, to a name that is free."""

    def drop(self, place: Table, kind: Kind) -> None:
        """Drop an object if it exists."""

    def content(self, table: Table) -> Content:
        """What a table holds."""

    def view_text(self, place: Table) -> str:
        """What follows a view's name in its CREATE VIEW."""

    def put_view(self, place: Table, text: str, kind: Kind, like: Table | None = None) -> None:
        """Make or replace a view with that text, described and labelled like another one."""

    def expiration(self, place: Table) -> Expiration:
        """When the object expires."""

    def set_expiration(self, place: Table, kind: Kind, wanted: Expiration) -> None:
        """Set or remove it."""

    def authorizations(self, datasets: Iterable[str], places: Iterable[Table]) -> list[tuple[str, str]]:
        """Dataset and view for each of the views that a dataset lets read its tables."""


ARROW_TYPES = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "DATETIME": pa.timestamp("us"),
}

ROWS_PER_BATCH = 65_536


@dataclass(frozen=True)
class Statement:
    """A data-changing query of a transaction, and the row count it must change, or the transaction is rolled back."""

    query: Query
    expected_rows: int | None = None


@runtime_checkable
class Warehouse(Protocol):
    """Where the tables are. Queries are GoogleSQL with bound parameters; rows travel as Arrow.

    Rows passed to a write must not be computed by queries that start while it runs: read first, or open the stream
    first, then write.
    """

    def session(self) -> AbstractContextManager[None]:
        """Keep one connection open for the calls inside. Optional: saves reconnecting."""

    def beside(self) -> "AbstractContextManager[Warehouse | None]":
        """The same warehouse for one other thread, which may use it while this one does; None where it may not."""

    def metered(self) -> AbstractContextManager[Mapping[str, int]]:
        """Cost of the calls inside, as asset metadata, complete at the end; empty when reading is free."""

    def read(self, query: Query) -> pa.Table:
        """A small answer, whole. Raises TableMissingError, WarehouseError."""

    def stream(
        self, query: Query, rows_per_batch: int = ROWS_PER_BATCH
    ) -> AbstractContextManager[Iterable[pa.RecordBatch]]:
        """A large answer in batches of about `rows_per_batch`, never whole in memory; valid inside the `with`."""

    def create(self, tables: Iterable[Table], views: Iterable[View] = ()) -> None:
        """Create missing tables, add missing columns, which read NULL in older rows, and renew the views.

        Can be repeated; an interrupted call is completed by the next. Raises SchemaDriftError, changing nothing and
        naming every other difference.
        """

    def replace_partition(
        self, table: Table, write: PartitionWrite, rows: Query | Iterable[pa.RecordBatch], log: Table
    ) -> PartitionWrite:
        """Replace exactly the partition `write.prediction_date` of `table` and record the write in `log`, atomically.

        A crash leaves the old rows or the new ones. Raises ConcurrentWriteError, changing nothing, when the latest
        recorded write is not `write.sequence - 1`. Returns the write with its row count.
        """

    def replace_table(self, table: Table, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace a table as a whole, atomically. Returns its row count."""

    def replace_slice(self, table: Table, column: str, value: str, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace the rows of a table in which `column` is `value`, atomically. Returns the count of the new rows."""

    def transact(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction. Raises ConcurrentWriteError, changing nothing, on an unexpected count."""

    def shape(self, table: Table) -> Shape | None:
        """The table or view of that name; None when it does not exist."""

    def shapes(self, tables: Iterable[Table]) -> list[Shape | None]:
        """The same of several, in their order."""

    def moving(self) -> Moving:
        """Moving objects aside and back, for a takeover."""

    def columns(self, table: Table) -> dict[str, str]:
        """The table's actual column names and GoogleSQL types; empty when it does not exist."""

    def view_texts(self, dataset: str) -> dict[str, str]:
        """Name and defining text of every view of a dataset, including other teams'; empty when it does not exist."""

    def routine_texts(self, datasets: Iterable[str]) -> dict[str, dict[str, str]]:
        """Name and defining text of every function and procedure of each dataset, including other teams'.

        Raises TableMissingError when a dataset does not exist, and WarehouseError when a text may not be read.
        """


def arrow_schema(table: Table) -> pa.Schema:
    """The table's columns as an Arrow schema, in order."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in table.columns])


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows as plain values, TIMESTAMP as aware datetimes in UTC.

    Like `to_pylist`, which imports pandas, 0.5 s, for every column of instants.
    """
    stamps = {field.name for field in table.schema if pa.types.is_timestamp(field.type)}
    naive = pa.timestamp("us")
    schema = pa.schema([field.with_type(naive) if field.name in stamps else field for field in table.schema])
    return [
        {name: value.replace(tzinfo=UTC) if value and name in stamps else value for name, value in row.items()}
        for row in table.cast(schema).to_pylist()
    ]
