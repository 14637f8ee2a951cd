"""The warehouse in BigQuery: GoogleSQL as it is written, every change one script with one transaction.

What the service does when two write at once shapes this module. Inserts never conflict, nor does a delete that finds
nothing: two first writes of a partition would both stand. So the writers of a partition queue for its job ids, each of
which the service gives away once. Changes of one table conflict whatever their days: the loser is tried again, and the
check inside its transaction says whether somebody was there first.
"""

import json
import random
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import IO
from uuid import uuid4

import dagster as dg
import grpc  # type: ignore[import-untyped] # grpc ships no types
import pyarrow as pa
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPIError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery.table import RowIterator
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from v4_assets.errors import TableMissingError
from v4_assets.resources.bigquery_batches import resliced, spool
from v4_assets.resources.bigquery_errors import explained, is_aborted
from v4_assets.resources.bigquery_scripts import parameters, partition_script, statements_script, table_script
from v4_assets.resources.bigquery_tables import declared, reference, schema, types
from v4_assets.resources.warehouse import ROWS_PER_BATCH, Statement, arrow_schema, verify_columns
from v4_assets.sql import Query
from v4_assets.tables import Table, View
from v4_assets.writes import PartitionWrite

TRIES = 6
"""How often a transaction aborted for another one is tried, over about a minute."""
CALL = "v4_call"
"""Label by which a job is known to be the one just asked for."""
READ_STREAMS = 2
"""Streams and waiting pages of a large answer: what bounds its memory."""


class BigQueryWarehouse(dg.ConfigurableResource["BigQueryWarehouse"]):
    """The Warehouse protocol on BigQuery. Credentials are the client's own defaults."""

    project: str
    location: str = "US"
    maximum_bytes_billed: int = 50 * 2**30
    endpoint: str | None = None
    """REST address of an emulator; None is Google's."""
    storage_endpoint: str | None = None
    """host:port of the emulator's Storage Read API; without it an emulator is read page by page."""

    @contextmanager
    def session(self) -> Iterator[None]:
        """Nothing to keep open: one client serves the process."""
        yield

    def read(self, query: Query) -> pa.Table:
        """A small answer, whole."""
        with explained(query.name):
            return self._rows(query).to_arrow(bqstorage_client=self._storage(), create_bqstorage_client=False)

    @contextmanager
    def stream(self, query: Query, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[Iterable[pa.RecordBatch]]:
        """A large answer in batches, fetched a few pages ahead."""
        with explained(query.name), closing(resliced(self._pages(query), rows_per_batch)) as batches:
            yield batches

    def create(self, tables: Iterable[Table], views: Iterable[View] = ()) -> None:
        """Create missing tables and renew the views, in datasets that exist."""
        tables, views = tuple(tables), tuple(views)
        for dataset in sorted({table.dataset for table in tables} | {view.dataset for view in views}):
            self._verify_dataset(dataset)
        for table in tables:
            with explained(table.name):
                found = self._client.create_table(declared(table, self.project), exists_ok=True)
            verify_columns(table, types(found.schema))
        for view in views:
            name = Table(view.name, view.dataset, view.name, ()).full_name
            options = f"OPTIONS (description = {json.dumps(view.description, ensure_ascii=False)})"
            self._run(Query(view.name, f"CREATE OR REPLACE VIEW {name} {options} AS\n{view.query.text}"))

    def replace_partition(
        self, table: Table, write: PartitionWrite, rows: Query | Iterable[pa.RecordBatch], log: Table
    ) -> PartitionWrite:
        """Replace one partition and record the write, in one transaction."""
        turn = re.sub(r"[^\w-]", "_", f"v4-{table.dataset}-{table.name}-{write.prediction_date}-{write.sequence}")
        with self._staged(table, rows) as source:
            return replace(write, row_count=self._commit(partition_script(table, write, source, log), turn))

    def replace_table(self, table: Table, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace a table as a whole, in one transaction."""
        with self._staged(table, rows) as source:
            return self._commit(table_script(table, source), f"v4-{uuid4().hex}")

    def replace_slice(self, table: Table, column: str, value: str, rows: Iterable[pa.RecordBatch]) -> int:
        """Replace the rows in which `column` is `value`, in one transaction."""
        with self._staged(table, rows) as source:
            return self._commit(table_script(table, source, {column: value}), f"v4-{uuid4().hex}")

    def transact(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction that stands only if each changed what it should."""
        self._commit(statements_script(statements), f"v4-{uuid4().hex}")

    def columns(self, table: Table) -> dict[str, str]:
        """Columns and GoogleSQL types as they really are."""
        with explained(table.name):
            try:
                return types(self._client.get_table(reference(table, self.project)).schema)
            except NotFound:
                return {}

    def view_texts(self, dataset: str) -> dict[str, str]:
        """Every view of a dataset and its text."""
        place = Table("VIEWS", f"{dataset}.INFORMATION_SCHEMA", "VIEWS", ()).full_name
        try:
            found = self.read(Query("view_texts", f"SELECT table_name, view_definition FROM {place}"))
        except TableMissingError:
            return {}
        return dict(zip(found["table_name"].to_pylist(), found["view_definition"].to_pylist(), strict=True))

    @property
    def _client(self) -> bigquery.Client:
        return _client(self.project, self.location, self.endpoint)

    def _storage(self) -> BigQueryReadClient | None:
        """The client of the Storage Read API; None for an emulator without one."""
        return _storage_client(self.storage_endpoint) if self.storage_endpoint or not self.endpoint else None

    def _config(self, query: Query) -> bigquery.QueryJobConfig:
        return bigquery.QueryJobConfig(
            query_parameters=parameters(query.params),
            maximum_bytes_billed=self.maximum_bytes_billed,
            labels={"v4": re.sub(r"[^a-z0-9_-]", "_", query.name.lower())[:63]},
        )

    def _rows(self, query: Query) -> RowIterator:
        return self._client.query_and_wait(query.text, job_config=self._config(query))

    def _pages(self, query: Query) -> Iterator[pa.RecordBatch]:
        return self._rows(query).to_arrow_iterable(
            self._storage(), max_queue_size=READ_STREAMS, max_stream_count=READ_STREAMS
        )

    def _run(self, query: Query) -> None:
        with explained(query.name):
            self._rows(query)

    def _commit(self, script: Query, turn: str) -> int:
        """Run a transaction and return the number its script ends with.

        Transactions of the same `turn` never overlap: the next job id is only asked for when the job that took the one
        before it is done and its effect visible. A job id that is taken may be our own job's, whose answer was lost.
        """
        attempt = aborted = 0
        config, call = self._config(script), uuid4().hex
        config.labels = {**config.labels, CALL: call}
        with explained(script.name):
            while True:
                attempt += 1
                job_id = f"{turn}-{attempt}"
                try:
                    job = self._client.query(script.text, config, job_id=job_id, job_retry=None)
                except Conflict:
                    taken = self._client.get_job(job_id)
                    if not isinstance(taken, bigquery.QueryJob) or taken.labels.get(CALL) != call:
                        taken.exception()  # type: ignore[no-untyped-call] # waits
                        continue
                    job = taken
                try:
                    return int(next(iter(job.result(job_retry=None)))[0])
                except BadRequest as error:
                    aborted += 1
                    if not is_aborted(error) or aborted == TRIES:
                        raise
                time.sleep(random.uniform(0.5, 1.5) * 2**aborted)

    @contextmanager
    def _staged(self, table: Table, rows: Query | Iterable[pa.RecordBatch]) -> Iterator[Query]:
        """The rows as something a transaction can select: batches go by way of a file into a table that is dropped."""
        if isinstance(rows, Query):
            yield rows
            return
        staging = replace(table, name=f"v4_staging_{uuid4().hex}")
        columns = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
        # The service's clock, because ours may be fixed; DROP in a `finally` does not survive a killed process.
        options = "OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))"
        with tempfile.TemporaryFile(suffix=".parquet") as file:
            spool(rows, arrow_schema(table), file)
            self._run(Query(f"stage_{table.name}", f"CREATE TABLE {staging.full_name} ({columns}) {options}"))
            try:
                self._load(staging, file)
                yield Query(table.name, f"SELECT * FROM {staging.full_name}")
            finally:
                with suppress(GoogleAPIError):  # it expires anyhow, and the rows are written or the error is another
                    self._client.delete_table(reference(staging, self.project), not_found_ok=True)

    def _load(self, table: Table, file: IO[bytes]) -> None:
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            schema=schema(table),
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            labels={"v4": "stage"},
        )
        with explained(table.name):
            target = reference(table, self.project)
            self._client.load_table_from_file(file, target, rewind=True, job_config=config).result()

    def _verify_dataset(self, dataset: str) -> None:
        place = bigquery.DatasetReference.from_string(dataset, default_project=self.project)
        with explained(dataset):
            try:
                self._client.get_dataset(place)
            except NotFound as error:
                name = f"{place.project}:{place.dataset_id}"
                raise TableMissingError(
                    f"There is no dataset {name}, and creating one is the project owner's decision. Create it with "
                    f"`bq mk --dataset --location={self.location} {name}`, or correct `datasets` in rollout.yaml."
                ) from error


@cache
def _client(project: str, location: str, endpoint: str | None) -> bigquery.Client:
    """One client per process and place; it may be shared by threads."""
    if endpoint is None:
        return bigquery.Client(project=project, location=location)
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call] # google leaves it untyped
    return bigquery.Client(project, anonymous, location=location, client_options={"api_endpoint": endpoint})


@cache
def _storage_client(endpoint: str | None) -> BigQueryReadClient:
    if endpoint is None:
        return BigQueryReadClient()  # type: ignore[no-untyped-call] # google leaves it untyped
    channel = grpc.insecure_channel(endpoint, options=[("grpc.max_receive_message_length", -1)])
    transport = BigQueryReadGrpcTransport(channel=channel)
    return BigQueryReadClient(transport=transport)  # type: ignore[no-untyped-call] # google leaves it untyped
