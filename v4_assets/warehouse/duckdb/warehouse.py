"""The embedded warehouse: one DuckDB file, GoogleSQL through sqlglot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from v4_assets.errors import ConcurrentWriteError, TableMissingError, WarehouseError
from v4_assets.sql import Query
from v4_assets.tables import PARTITION_COLUMN, Table, View
from v4_assets.warehouse import schema
from v4_assets.warehouse.duckdb import tables
from v4_assets.warehouse.duckdb.engine import cursor_of
from v4_assets.warehouse.duckdb.errors import explained, failed
from v4_assets.warehouse.duckdb.file import Feed, shared_connection
from v4_assets.warehouse.duckdb.moving import DuckDBMoving
from v4_assets.warehouse.duckdb.sql import delete_partition, insert_from, quoted, schema_name, to_duckdb
from v4_assets.warehouse.duckdb.tables import IN_SCHEMA, create, shapes_of
from v4_assets.warehouse.protocol import ROWS_PER_BATCH, Statement, arrow_schema
from v4_assets.warehouse.table_differences import Shape
from v4_assets.warehouse.writes import PartitionWrite

Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)


@dataclass(frozen=True)
class DuckDBWarehouse:
    """The Warehouse protocol on one DuckDB file. Cross-process safe; reruns and crashes leave whole partitions."""

    path: str
    lock_seconds: float = 120.0
    memory_limit: str = "1GB"
    read_only: bool = False
    """For commands that read: needs no right to write, and goes beside other readers."""
    features_dataset: str | None = None
    """The dataset whose schema version is verified whenever the file is opened; None verifies nothing."""

    own: duckdb.DuckDBPyConnection | None = field(default=None, repr=False, compare=False)
    """The connection of `beside`; None where calls share the connection of the process."""
    verified: set[tuple[str, str]] = field(default_factory=set, repr=False, compare=False)
    """Tables and the texts that fill them whose types fit: the days of a range are made by one text."""

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep the file open for the calls inside; other processes wait meanwhile."""
        with self._connection():
            yield

    @contextmanager
    def beside(self) -> Iterator["DuckDBWarehouse"]:
        """A second connection to the file, which stays open meanwhile.

        Not for a partition that the first one is replacing: DuckDB 2.0 may read old and new rows of it at once.
        """
        with self._connection() as connection, cursor_of(connection) as cursor:
            yield replace(self, own=cursor)

    def metered(self) -> AbstractContextManager[Mapping[str, int]]:
        """Empty: reading a file costs nothing."""
        return nullcontext({})

    def read(self, query: Query) -> pa.Table:
        """A small answer, whole."""
        with self._connection() as connection, explained(query.name):
            return _plain(connection.sql(to_duckdb(query.text), params=dict(query.params)).to_arrow_table())

    @contextmanager
    def stream(self, query: Query, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[Iterable[pa.RecordBatch]]:
        """A large answer in batches, computed as they are taken."""
        # A cursor of its own: a connection with an open result takes no other query.
        with self._connection() as connection, cursor_of(connection) as cursor:
            with explained(query.name):
                # A relation: .execute() would hold the whole result first.
                relation = cursor.sql(to_duckdb(query.text), params=dict(query.params))
                reader = relation.to_arrow_reader(rows_per_batch)
            try:
                yield _batches(reader, query.name)
            finally:
                # An unfinished reader keeps the file open, and the next connection would wait forever.
                reader.close()

    def create(self, tables: Iterable[Table], views: Iterable[View] = ()) -> None:
        """Create missing tables, add missing columns and renew the views, in one transaction."""
        with self._transaction("tables and views") as connection:
            create(connection, tuple(tables), tuple(views))

    def replace_partition(
        self, table: Table, write: PartitionWrite, rows: Query | Iterable[pa.RecordBatch], log: Table
    ) -> PartitionWrite:
        """Replace one partition and record the write, in one transaction."""
        day = {"day": write.prediction_date}
        with self._transaction(table.name) as connection:
            _verify_turn(connection, write, log)
            if isinstance(rows, Query):
                self._verify_types(connection, table, rows)
            connection.execute(delete_partition(table), day)
            inserted = _insert(connection, table, rows)
            strays = connection.execute(
                f'SELECT COUNT(*) FROM {quoted(table)} WHERE "{PARTITION_COLUMN}" = $day', day
            ).fetchall()
            if strays != [(inserted,)]:
                raise WarehouseError(
                    f"{inserted} rows were written to {table.name}, of which {strays[0][0]} belong to "
                    f"{write.prediction_date}. A write must fill exactly one partition; correct the rows' "
                    f"{PARTITION_COLUMN}."
                )
            done = replace(write, row_count=inserted)
            _insert(connection, log, [pa.RecordBatch.from_pylist([asdict(done)], schema=arrow_schema(log))])
        return done

    def replace_table(self, table: Table, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace a table as a whole, in one transaction."""
        with self._transaction(table.name) as connection:
            connection.execute(f"DELETE FROM {quoted(table)}")
            return _insert(connection, table, rows)

    def replace_slice(self, table: Table, column: str, value: str, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace the rows in which `column` is `value`, in one transaction."""
        with self._transaction(table.name) as connection:
            connection.execute(f'DELETE FROM {quoted(table)} WHERE "{column}" = $value', {"value": value})
            return _insert(connection, table, rows)

    def transact(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction that stands only if each changed what it should."""
        with self._transaction("the transaction") as connection:
            for statement in statements:
                with explained(statement.query.name):
                    text = to_duckdb(statement.query.text)
                    changed = connection.execute(text, dict(statement.query.params)).fetchall()[0][0]
                if statement.expected_rows is not None and changed != statement.expected_rows:
                    raise ConcurrentWriteError(
                        f"{statement.query.name} matched {changed} rows, expected {statement.expected_rows}: another "
                        "process changed them first. Nothing was changed; check `v4 status` and run the command again."
                    )

    def shape(self, table: Table) -> Shape | None:
        """The table or view of that name; None when it does not exist."""
        [found] = self.shapes([table])
        return found

    def shapes(self, tables: Iterable[Table]) -> list[Shape | None]:
        """The same of several, in their order."""
        with self._connection() as connection:
            return shapes_of(connection, list(tables))

    def moving(self) -> DuckDBMoving:
        """Moving objects aside and back."""
        return DuckDBMoving(self._connection)

    def columns(self, table: Table) -> dict[str, str]:
        """The actual columns and their GoogleSQL types."""
        shape = self.shape(table)
        return dict(shape.columns) if shape else {}

    def view_texts(self, dataset: str) -> dict[str, str]:
        """Every view of a dataset and its text."""
        with self._connection() as connection:
            query = f"SELECT view_name, sql FROM duckdb_views() WHERE {IN_SCHEMA} AND NOT internal"
            return dict(connection.execute(query, {"schema": schema_name(dataset)}).fetchall())

    def routine_texts(self, datasets: Iterable[str]) -> dict[str, dict[str, str]]:
        """Every macro of each dataset and its text, by name and parameters."""
        schemas = {dataset: schema_name(dataset).lower() for dataset in datasets}
        with self._connection() as connection:
            for dataset, name in schemas.items():
                known = f"SELECT 1 FROM duckdb_schemas() WHERE {IN_SCHEMA}"
                if not connection.execute(known, {"schema": name}).fetchall():
                    raise TableMissingError(
                        f"There is no dataset {dataset} in {self.path}. Correct its name: under `references` or "
                        "`datasets` in rollout.yaml, or in --dataset."
                    )
            # Once for all of them: DuckDB describes its own three thousand functions each time.
            macros = connection.execute(
                "SELECT lower(schema_name), function_name || '(' || array_to_string(parameters, ', ') || ')', "
                "macro_definition FROM duckdb_functions() WHERE list_contains($names, lower(schema_name)) "
                "AND NOT internal AND macro_definition IS NOT NULL",
                {"names": list(schemas.values())},
            ).fetchall()
        return {
            dataset: {macro: text for schema, macro, text in macros if schema == name}
            for dataset, name in schemas.items()
        }

    def _verify_types(self, connection: duckdb.DuckDBPyConnection, table: Table, rows: Query) -> None:
        if (made := (table.full_name, rows.text)) not in self.verified:
            with explained(rows.name):
                tables.verify(connection, table, to_duckdb(rows.text), rows.params)
            self.verified.add(made)

    @contextmanager
    def _transaction(self, what: str) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                with explained(what):
                    yield connection
                    connection.execute("COMMIT")
            except BaseException:
                # A COMMIT that failed has ended the transaction already.
                with suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                raise

    def _connection(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        if self.own is not None:
            return nullcontext(self.own)
        dataset = self.features_dataset
        verify = partial(schema.verify, self, dataset) if dataset else None
        seconds, memory = self.lock_seconds, self.memory_limit
        return shared_connection(Path(self.path), seconds, memory, verify, read_only=self.read_only)


def _batches(reader: pa.RecordBatchReader, what: str) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = next(reader)
        except StopIteration:
            return
        except (OSError, pa.ArrowException, duckdb.Error) as error:
            raise failed(what, error) from error
        yield _plain(batch)


def _plain(rows: Rows) -> Rows:
    """Sums and counts as INT64, which DuckDB widens to 128 bits."""
    fields = [field.with_type(pa.int64()) if field.type == pa.decimal128(38, 0) else field for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: Query | Iterable[pa.RecordBatch]) -> int:
    if isinstance(rows, Query):
        with explained(rows.name):
            text = f"({to_duckdb(rows.text)})"
            return _count(connection.execute(insert_from(table, text), dict(rows.params)))
    feed = Feed(rows)
    reader = pa.RecordBatchReader.from_batches(arrow_schema(table), feed)
    connection.register("incoming_rows", reader)
    try:
        inserted = _count(connection.execute(insert_from(table, "incoming_rows")))
    except BaseException:
        # The name stays registered until the next write: an aborted transaction takes no further statement.
        reader.close()
        if feed.error is not None:
            raise feed.error from None
        raise
    connection.unregister("incoming_rows")
    return inserted


def _count(result: Any) -> int:
    return int(result.fetchall()[0][0])


def _verify_turn(connection: duckdb.DuckDBPyConnection, write: PartitionWrite, log: Table) -> None:
    """Raise ConcurrentWriteError unless the write follows the latest recorded one."""
    found = connection.execute(
        f"SELECT COALESCE(MAX(sequence), 0) FROM {quoted(log)} WHERE table_name = $table AND prediction_date = $day",
        {"table": write.table_name, "day": write.prediction_date},
    ).fetchall()[0][0]
    if found != write.sequence - 1:
        raise ConcurrentWriteError(
            f"{write.table_name} of {write.prediction_date} has been written {found} times, expected "
            f"{write.sequence - 1}: another run has just written it. Nothing was changed; run again to continue from "
            "that write."
        )
