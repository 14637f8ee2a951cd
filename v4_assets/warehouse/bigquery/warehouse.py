"""The warehouse in BigQuery: GoogleSQL as it is written, every change one script with one transaction.

Concurrent writes determine the design. Inserts never conflict, nor does a delete that matches no row: two first writes
of a partition would both be kept. So writers of a partition queue for its job ids, each of which the service accepts
once. Changes of one table conflict whatever their days: the aborted transaction is retried, and the check inside it
detects whether another run has written the partition meanwhile.
"""

import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import IO
from uuid import uuid4

import pyarrow as pa
from google.api_core.exceptions import BadRequest, GoogleAPIError, NotFound
from google.cloud import bigquery

from v4_assets.errors import TableMissingError
from v4_assets.sql import Query
from v4_assets.tables import Table, View
from v4_assets.warehouse import schema, table_differences
from v4_assets.warehouse.bigquery import jobs
from v4_assets.warehouse.bigquery.connection import Access, BigQueryConnection
from v4_assets.warehouse.bigquery.errors import explained, is_aborted, verify_location
from v4_assets.warehouse.bigquery.jobs import resliced, spool
from v4_assets.warehouse.bigquery.moving import BigQueryMoving
from v4_assets.warehouse.bigquery.scripts import partition_script, statements_script, table_script
from v4_assets.warehouse.bigquery.tables import add_columns_ddl, declared, fields, reference, shape, view_ddl
from v4_assets.warehouse.protocol import ROWS_PER_BATCH, Statement, arrow_schema
from v4_assets.warehouse.table_differences import Shape
from v4_assets.warehouse.writes import PartitionWrite

TRIES = 6
"""Attempts of a transaction that is aborted because of another one, over about a minute."""
VERIFIED_SECONDS = 300.0
"""How long a process relies on the schema version it has read."""
READ_STREAMS = 2
"""Streams and queued pages of a large answer, which bound its memory."""

_verified_until: dict[tuple[Access, str], float] = {}


class BigQueryWarehouse(BigQueryConnection):
    """The Warehouse protocol on BigQuery."""

    features_dataset: str | None = None
    """The dataset whose schema version is verified before a job is run; None verifies nothing."""

    @contextmanager
    def session(self) -> Iterator[None]:
        """Nothing to keep open: one client serves the process."""
        yield

    def beside(self) -> AbstractContextManager[None]:
        """None: what a job costs is counted in the thread that starts it."""
        return nullcontext()

    def metered(self) -> AbstractContextManager[Mapping[str, int]]:
        """Bytes estimated, processed and billed, and the number of jobs."""
        return jobs.metered()

    def read(self, query: Query) -> pa.Table:
        """A small answer, whole."""
        with explained(query.name):
            return self._rows(query).to_arrow(bqstorage_client=self._storage, create_bqstorage_client=False)

    @contextmanager
    def stream(self, query: Query, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[Iterable[pa.RecordBatch]]:
        """A large answer in batches, fetched a few pages ahead."""
        with explained(query.name), closing(resliced(self._pages(query), rows_per_batch)) as batches:
            yield batches

    def create(self, tables: Iterable[Table], views: Iterable[View] = ()) -> None:
        """Create missing tables, add missing columns and renew the views, in datasets that exist."""
        tables, views = tuple(tables), tuple(views)
        for dataset in sorted({table.dataset for table in tables} | {view.dataset for view in views}):
            self._verify_dataset(dataset)
        found = list(zip(tables, self.shapes(tables), strict=True))
        table_differences.verify(found, list(zip(views, self.shapes(map(table_differences.place, views)), strict=True)))
        for table, there in found:
            lacking = table_differences.missing_columns(table, there) if there else ()
            if lacking:
                self._run(Query(f"add_columns_{table.name}", add_columns_ddl(table, lacking)))
            if (there or self._created(table)).expires:
                self.moving().keep(table, "table")
        for view in views:
            self._run(Query(view.name, view_ddl(view)))
            self.moving().keep(table_differences.place(view), "view")

    def replace_partition(
        self, table: Table, write: PartitionWrite, rows: Query | Iterable[pa.RecordBatch], log: Table
    ) -> PartitionWrite:
        """Replace one partition and record the write, in one transaction."""
        turn = jobs.turn_ids(table.dataset, table.name, write.prediction_date, write.sequence)
        if isinstance(rows, Query):
            self._verify_affordable(rows)
        with self._staged(table, rows) as source:
            return replace(write, row_count=self._commit(partition_script(table, write, source, log), turn))

    def replace_table(self, table: Table, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace a table as a whole, in one transaction."""
        with self._staged(table, rows) as source:
            return self._commit(table_script(table, source))

    def replace_slice(self, table: Table, column: str, value: str, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace the rows in which `column` is `value`, in one transaction."""
        with self._staged(table, rows) as source:
            return self._commit(table_script(table, source, {column: value}))

    def transact(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction that stands only if each changed what it should."""
        self._commit(statements_script(statements))

    def shape(self, table: Table) -> Shape | None:
        """The table or view of that name; None when it does not exist."""
        with explained(table.name):
            try:
                return shape(self._client.get_table(reference(table, self.project)))
            except NotFound:
                return None

    def shapes(self, tables: Iterable[Table]) -> list[Shape | None]:
        """The same of several, in their order."""
        return [self.shape(table) for table in tables]

    def moving(self) -> BigQueryMoving:
        """Moving objects aside and back."""
        return BigQueryMoving(self._client, self._run, self.read)

    def columns(self, table: Table) -> dict[str, str]:
        """The actual columns and their GoogleSQL types."""
        there = self.shape(table)
        return dict(there.columns) if there else {}

    def view_texts(self, dataset: str) -> dict[str, str]:
        """Every view of a dataset and its text, materialized ones included."""
        place = Table("VIEWS", f"{dataset}.INFORMATION_SCHEMA", "VIEWS", ()).full_name
        try:
            found = self.read(Query("view_texts", f"SELECT table_name, view_definition FROM {place}"))
            with explained(dataset):
                materialized = materialized_views(self._client, self._place(dataset))
        except TableMissingError:
            return {}
        views = dict(zip(found["table_name"].to_pylist(), found["view_definition"].to_pylist(), strict=True))
        return views | materialized

    def routine_texts(self, datasets: Iterable[str]) -> dict[str, dict[str, str]]:
        """Every routine of each dataset and its text."""
        found = {}
        for dataset in datasets:
            self._verify_dataset(dataset)
            with explained(dataset):
                found[dataset] = routines(self._client, self._place(dataset))
        return found

    def _job(self, query: Query, ids: Iterator[str]) -> bigquery.QueryJob:
        self._verify_schema()
        return super()._job(query, ids)

    def _verify_schema(self) -> None:
        """Raise SchemaVersionError on a warehouse of another version; a long process repeats this from time to time."""
        if self.features_dataset is None:
            return
        key = self._access, self.features_dataset
        if time.monotonic() < _verified_until.get(key, 0.0):
            return
        # Set before the check, which is itself a job.
        _verified_until[key] = time.monotonic() + VERIFIED_SECONDS
        try:
            schema.verify(self, self.features_dataset)
        except BaseException:
            _verified_until.pop(key, None)
            raise

    def _pages(self, query: Query) -> Iterator[pa.RecordBatch]:
        return self._rows(query).to_arrow_iterable(
            self._storage, max_queue_size=READ_STREAMS, max_stream_count=READ_STREAMS
        )

    def _run(self, query: Query) -> None:
        with explained(query.name):
            self._rows(query)

    def _commit(self, script: Query, turn: Iterator[str] | None = None) -> int:
        """Run a transaction and return the number its script ends with.

        Transactions of the same `turn` never overlap: the next job id is only asked for when the job that took the one
        before it is done and its effect visible.
        """
        aborted = 0
        ids = turn or jobs.job_ids(script.name, jobs.Asker.current())
        with explained(script.name):
            while True:
                try:
                    return int(next(iter(self._result(self._job(script, ids))))[0])
                except BadRequest as error:
                    aborted += 1
                    if not is_aborted(error) or aborted == TRIES:
                        raise
                time.sleep(random.uniform(0.5, 1.5) * 2**aborted)

    @contextmanager
    def _staged(self, table: Table, rows: Query | Iterable[pa.RecordBatch]) -> Iterator[Query]:
        """The rows as a query for the transaction: batches are loaded from a file into a temporary table."""
        if isinstance(rows, Query):
            yield rows
            return
        staging = replace(table, name=f"v4_staging_{uuid4().hex}")
        columns = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
        # The service's clock, because V4_NOW may fix ours; a DROP in a `finally` is lost if the process is killed.
        options = "OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))"
        with tempfile.TemporaryFile(suffix=".parquet") as file:
            spool(rows, arrow_schema(table), file)
            self._run(
                Query(f"stage_{table.name}", f"CREATE TABLE IF NOT EXISTS {staging.full_name} ({columns}) {options}")
            )
            try:
                self._load(staging, table.name, file)
                yield Query(table.name, f"SELECT * FROM {staging.full_name}")
            finally:
                with suppress(GoogleAPIError):  # it expires anyway, and must not hide an error of the write
                    self._client.delete_table(reference(staging, self.project), not_found_ok=True)

    def _load(self, table: Table, name: str, file: IO[bytes]) -> None:
        """Append the Parquet file, by a job named after the target table `name`."""

        def start(job_id: str, labels: dict[str, str]) -> bigquery.LoadJob:
            config = bigquery.LoadJobConfig(
                source_format=bigquery.SourceFormat.PARQUET,
                schema=fields(table),
                write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
                labels=labels,
            )
            target = reference(table, self.project)
            return self._client.load_table_from_file(file, target, rewind=True, job_id=job_id, job_config=config)

        asker, name = jobs.Asker.current(), f"load_{name}"
        with explained(name):
            job = jobs.started(self._client, start, jobs.job_ids(name, asker), jobs.labels(name, asker))
            job.result()
            jobs.charge_job(job)

    def _created(self, table: Table) -> Shape:
        with explained(table.name):
            return shape(self._client.create_table(declared(table, self.project), exists_ok=True))

    def _place(self, dataset: str) -> bigquery.DatasetReference:
        return bigquery.DatasetReference.from_string(dataset, default_project=self.project)

    def _verify_dataset(self, dataset: str) -> None:
        place = self._place(dataset)
        with explained(dataset):
            try:
                found = self._client.get_dataset(place)
            except NotFound as error:
                name = f"{place.project}:{place.dataset_id}"
                raise TableMissingError(
                    f"There is no dataset {name}. Create it with "
                    f"`bq mk --dataset --location={self.location} {name}`, or correct `datasets` in rollout.yaml."
                ) from error
        verify_location(f"{place.project}:{place.dataset_id}", found.location, self.location)


def materialized_views(client: bigquery.Client, place: bigquery.DatasetReference) -> dict[str, str]:
    """Every materialized view and its query."""
    return {
        item.table_id: str(client.get_table(item.reference).mview_query)
        for item in client.list_tables(place)
        if item.table_type == "MATERIALIZED_VIEW"
    }


def routines(client: bigquery.Client, place: bigquery.DatasetReference) -> dict[str, str]:
    """Every routine and its body; one that runs elsewhere has none, and its whole description stands for it."""
    found = (client.get_routine(item.reference) for item in client.list_routines(place))
    return {one.routine_id: one.body or str(one.to_api_repr()) for one in found}
