"""The embedded warehouse: one DuckDB file, GoogleSQL through sqlglot, one process at a time.

DuckDB lets one process write and shuts all others out meanwhile, so processes queue on a lock of our own beside the
file, with a deadline and a message that names the holder. The operating system drops the lock of a killed process.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import filelock
import pyarrow as pa
import sqlglot

from v4_assets.errors import (
    ConcurrentWriteError,
    SchemaDriftError,
    TableMissingError,
    WarehouseBusyError,
    WarehouseError,
)
from v4_assets.evidence import PartitionWrite
from v4_assets.resources.warehouse import ROWS_PER_BATCH, Statement, arrow_schema
from v4_assets.sql import Query
from v4_assets.tables import PARTITION_COLUMN, Table, View

DUCKDB_TYPES = {
    "STRING": "VARCHAR",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
}
GOOGLE_TYPES = {duckdb_type: google_type for google_type, duckdb_type in DUCKDB_TYPES.items()}


@dataclass
class _Shared:
    """The one connection of this process to a file. Threads take turns; calls inside a session share it."""

    turn: threading.RLock = field(default_factory=threading.RLock)
    connection: duckdb.DuckDBPyConnection | None = None


_shared: dict[str, _Shared] = {}
_shared_guard = threading.Lock()
_feeding = threading.local()
"""`.now` is set in a thread that is computing rows of a running write."""


class DuckDBWarehouse(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The Warehouse protocol on one DuckDB file. Cross-process safe; reruns and crashes leave whole partitions."""

    path: str
    lock_seconds: float = 120.0
    memory_limit: str = "2GB"

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep the file open for the calls inside; other processes wait meanwhile."""
        with self._connection():
            yield

    def read(self, query: Query) -> pa.Table:
        """A small answer, whole."""
        with self._connection() as connection, _explained(query):
            return _plain(connection.sql(to_duckdb(query.text), params=dict(query.params)).to_arrow_table())

    @contextmanager
    def stream(self, query: Query, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[Iterable[pa.RecordBatch]]:
        """A large answer in batches, computed as they are taken."""
        with self._connection() as connection, _explained(query):
            # .execute() would hold the whole result first; a relation does not.
            yield connection.sql(to_duckdb(query.text), params=dict(query.params)).to_arrow_reader(rows_per_batch)

    def create(self, tables: Iterable[Table], views: Iterable[View] = ()) -> None:
        """Create missing tables and views."""
        with self._transaction() as connection:
            for table in tables:
                name = _quoted(table)
                columns = ", ".join(f'"{column.name}" {DUCKDB_TYPES[column.type]}' for column in table.columns)
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{_schema(table.dataset)}"')
                connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
                _verify_columns(table, _columns(connection, table))
            for view in views:
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{_schema(view.dataset)}"')
                name = f'"{_schema(view.dataset)}"."{view.name}"'
                connection.execute(f"CREATE OR REPLACE VIEW {name} AS {to_duckdb(view.query.text)}")

    def replace_partition(
        self, table: Table, write: PartitionWrite, rows: Query | Iterable[pa.RecordBatch], log: Table
    ) -> PartitionWrite:
        """Replace one partition and record the write, in one transaction."""
        day = {"day": write.prediction_date}
        with self._transaction() as connection:
            _verify_turn(connection, write, log)
            connection.execute(f'DELETE FROM {_quoted(table)} WHERE "{PARTITION_COLUMN}" = $day', day)
            inserted = _insert(connection, table, rows)
            strays = connection.execute(
                f'SELECT COUNT(*) FROM {_quoted(table)} WHERE "{PARTITION_COLUMN}" = $day', day
            ).fetchall()
            if strays != [(inserted,)]:
                raise WarehouseError(
                    f"{inserted} rows were written to {table.name}, of which {strays[0][0]} belong to "
                    f"{write.prediction_date}. A write fills exactly one partition; correct the rows' "
                    f"{PARTITION_COLUMN}."
                )
            done = replace(write, row_count=inserted)
            _insert(connection, log, [pa.RecordBatch.from_pylist([asdict(done)], schema=arrow_schema(log))])
        return done

    def replace_table(self, table: Table, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace a table as a whole, in one transaction."""
        with self._transaction() as connection:
            connection.execute(f"DELETE FROM {_quoted(table)}")
            return _insert(connection, table, rows)

    def transact(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction that stands only if each changed what it should."""
        with self._transaction() as connection:
            for statement in statements:
                with _explained(statement.query):
                    text = to_duckdb(statement.query.text)
                    changed = connection.execute(text, dict(statement.query.params)).fetchall()[0][0]
                if statement.expected_rows is not None and changed != statement.expected_rows:
                    raise ConcurrentWriteError(
                        f"{statement.query.name} changed {changed} rows instead of {statement.expected_rows}: somebody "
                        "else was there first. Nothing was changed; look at `v4 status` and decide again."
                    )

    def columns(self, table: Table) -> dict[str, str]:
        """Columns and GoogleSQL types as they really are."""
        with self._connection() as connection:
            return _columns(connection, table)

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if getattr(_feeding, "now", False):
            raise WarehouseError(
                "The rows of a write asked the warehouse for more while it was writing them, which would wait "
                "for itself "
                "for ever. Read first, then pass what was read."
            )
        with _shared_guard:
            shared = _shared.setdefault(str(Path(self.path).resolve()), _Shared())
        with shared.turn:
            if shared.connection is not None:
                yield shared.connection
                return
            with self._file_lock():
                shared.connection = self._open()
                try:
                    yield shared.connection
                finally:
                    shared.connection.close()
                    shared.connection = None

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = path.with_name(path.name + ".holder")
        try:
            lock = filelock.FileLock(path.with_name(path.name + ".lock"), timeout=self.lock_seconds)
            with lock:
                holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
                yield
        except filelock.Timeout as error:
            raise WarehouseBusyError(
                f"{path} was busy for {self.lock_seconds:.0f} s; it is held by {_name_holder(holder)}. Wait for that "
                "process or stop it, then run again; V4_WAREHOUSE_LOCK_SECONDS sets how long to wait."
            ) from error

    def _open(self) -> duckdb.DuckDBPyConnection:
        """The file, opened. A program that does not know our lock (a DuckDB shell) is waited for, too."""
        deadline = time.monotonic() + self.lock_seconds
        while True:
            try:
                connection = duckdb.connect(self.path, config={"memory_limit": self.memory_limit})
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise WarehouseError(f"{self.path} cannot be opened: {error}") from error
                if time.monotonic() > deadline:
                    raise WarehouseBusyError(
                        f"{self.path} was busy for {self.lock_seconds:.0f} s: {error}. Close that program, "
                        f"then run again."
                    ) from error
                time.sleep(0.2)
            else:
                connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
                return connection


@cache
def to_duckdb(text: str) -> str:
    """GoogleSQL as DuckDB understands it."""
    try:
        return sqlglot.transpile(text, read="bigquery", write="duckdb")[0]
    except sqlglot.errors.SqlglotError as error:
        raise WarehouseError(f"This is not GoogleSQL that can be run on DuckDB: {error}\n{text}") from error


def _plain(rows: pa.Table) -> pa.Table:
    """Sums and counts as INT64, which DuckDB widens to 128 bits."""
    fields = [field.with_type(pa.int64()) if pa.types.is_decimal(field.type) else field for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: Query | Iterable[pa.RecordBatch]) -> int:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    insert = f"INSERT INTO {_quoted(table)} ({names}) SELECT {names} FROM "
    if isinstance(rows, Query):
        with _explained(rows):
            return _count(connection.execute(f"{insert} ({to_duckdb(rows.text)})", dict(rows.params)))
    reader = pa.RecordBatchReader.from_batches(arrow_schema(table), _fed(rows))
    connection.register("incoming_rows", reader)
    try:
        return _count(connection.execute(f"{insert} incoming_rows"))
    finally:
        connection.unregister("incoming_rows")


def _fed(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows, with a mark on the thread that computes them; DuckDB may take them from any thread."""
    source = iter(rows)
    while True:
        _feeding.now = True
        try:
            batch = next(source, None)
        finally:
            _feeding.now = False
        if batch is None:
            return
        yield batch


def _count(result: Any) -> int:
    return int(result.fetchall()[0][0])


def _verify_turn(connection: duckdb.DuckDBPyConnection, write: PartitionWrite, log: Table) -> None:
    """The write follows the latest recorded one. Otherwise somebody wrote between our look and now."""
    found = connection.execute(
        f"SELECT COALESCE(MAX(sequence), 0) FROM {_quoted(log)} WHERE table_name = $table AND prediction_date = $day",
        {"table": write.table_name, "day": write.prediction_date},
    ).fetchall()[0][0]
    if found != write.sequence - 1:
        raise ConcurrentWriteError(
            f"{write.table_name} of {write.prediction_date} has been written {found} times, not "
            f"{write.sequence - 1}: another "
            "run wrote it just now. Nothing was changed; run again to work on what that run left."
        )


def _columns(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    found = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = $schema AND table_name = $name ORDER BY ordinal_position",
        {"schema": _schema(table.dataset), "name": table.name},
    ).fetchall()
    return {name: GOOGLE_TYPES.get(data_type, data_type) for name, data_type in found}


def _verify_columns(table: Table, found: dict[str, str]) -> None:
    expected = {column.name: column.type for column in table.columns}
    if found != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))
        raise SchemaDriftError(
            f"{table.dataset}.{table.name} differs from its contract in {wrong}. Rename the old table, let "
            f"`v4 init` make "
            "the new one, and copy the rows that are still wanted."
        )


def _schema(dataset: str) -> str:
    return dataset.rpartition(".")[2]


def _quoted(table: Table) -> str:
    return f'"{_schema(table.dataset)}"."{table.name}"'


def _name_holder(holder: Path) -> str:
    try:
        said = json.loads(holder.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "a process that left no name"
    return f"process {said['pid']} on {said['host']}"


@contextmanager
def _explained(query: Query) -> Iterator[None]:
    """DuckDB's errors in this project's words, naming the query."""
    try:
        yield
    except duckdb.CatalogException as error:
        raise TableMissingError(
            f"{query.name} reads a table that is not there: {str(error).splitlines()[0]}. `v4 init` creates "
            f"the tables this "
            "project writes; sources come from the firm's systems, or from `v4 sample`."
        ) from error
    except duckdb.BinderException as error:
        raise SchemaDriftError(
            f"{query.name} reads a column that is not there or of another type: {str(error).splitlines()[0]}. "
            f"Compare the "
            "source with v4_assets/tables.py."
        ) from error
    except duckdb.Error as error:
        raise WarehouseError(f"{query.name} failed: {error}") from error
