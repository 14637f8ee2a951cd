"""Traceable jobs: ids and labels that name the run, step and attempt, the cost of jobs, and rows in batches."""

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import IO, Any, TypeVar
from uuid import uuid4

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import Conflict, NotFound
from google.api_core.retry import Retry, if_exception_type
from google.cloud import bigquery

ESTIMATED, PROCESSED, BILLED, JOBS = "bytes_estimated", "bytes_processed", "bytes_billed", "bigquery_jobs"
"""Keys of asset metadata: bytes estimated by dry runs, bytes processed, bytes billed, and the number of jobs."""
CALL = "v4_call"
"""Label that identifies the job of this call."""
LABEL_LENGTH, PART_LENGTH = 63, 300
"""The service's limit of a label's value; and what a part of a job id may take of its 1024 characters."""

Job = TypeVar("Job", bigquery.QueryJob, bigquery.LoadJob)
_NUMBERS = count(1)
_SPENT: ContextVar[tuple[Counter[str], ...]] = ContextVar("v4_spent", default=())
# A job whose id was just reported as taken may not be visible yet.
_until_visible = Retry(if_exception_type(NotFound), timeout=60.0)


@dataclass(frozen=True)
class Asker:
    """A step of a run, in one of its attempts."""

    run_id: str
    step: str
    attempt: int
    """0 for the first attempt, then the number of Dagster's retry."""
    asset: str
    """The asset it materializes or checks; empty for any other step."""

    @classmethod
    def current(cls) -> "Asker | None":
        """The step that runs in this process; None outside a step, as in a sensor or on the command line."""
        try:
            context = dg.OpExecutionContext.get()
        except dg.DagsterInvariantViolationError:
            return None
        keys = context.selected_asset_keys or {check.asset_key for check in context.selected_asset_check_keys}
        step = context.get_step_execution_context().step.key
        asset = "_".join(sorted(key.to_python_identifier() for key in keys))
        return cls(context.run_id, step, context.retry_number, asset)


def job_ids(name: str, asker: Asker | None) -> Iterator[str]:
    """Ids for the jobs of the query `name`, no two the same: run, step, attempt, query and a running number.

    They are new in this process. A process that takes the step up again after a crash may meet its predecessor's.
    """
    origin = (_part(asker.run_id), _part(asker.step), str(asker.attempt)) if asker else (uuid4().hex,)
    for number in _NUMBERS:
        yield "-".join(("v4", *origin, _part(name), str(number)))


def turn_ids(*parts: object) -> Iterator[str]:
    """Ids that every writer of the same partition requests in the same order, so that writers take turns."""
    turn = "-".join(("v4", *(_part(str(part)) for part in parts)))
    return (f"{turn}-{number}" for number in count(1))


def labels(name: str, asker: Asker | None) -> dict[str, str]:
    """Labels of a job, shown in the console and in INFORMATION_SCHEMA.JOBS."""
    if asker is None:
        return {"v4": label(name)}
    of_run = {"v4_run": label(asker.run_id), "v4_attempt": str(asker.attempt)}
    of_asset = {"v4_asset": label(asker.asset)} if asker.asset else {}
    return {"v4": label(name), **of_asset, **of_run}


def label(text: str) -> str:
    """A text as the value of a label: lower-case letters, digits, _ and -, at most 63 characters."""
    return re.sub(r"[^a-z0-9_-]", "_", text.lower())[:LABEL_LENGTH]


def started(
    client: bigquery.Client, start: Callable[[str, dict[str, str]], Job], ids: Iterator[str], labels: Mapping[str, str]
) -> Job:
    """The job of this call under the first free id: `start` asks for it with an id and labels.

    The service accepts an id once. A taken id belongs to this call's own job, whose answer was lost, if the job carries
    this call's label. Otherwise it belongs to another writer's job, whose end is awaited before the next id is tried.
    """
    call = uuid4().hex
    while True:
        job_id = next(ids)
        try:
            return start(job_id, {**labels, CALL: call})
        except Conflict:
            taken: Any = _until_visible(client.get_job)(job_id)
            if taken.labels.get(CALL) == call:
                return taken  # type: ignore[no-any-return] # it carries our label
            taken.exception()  # waits


@contextmanager
def metered() -> Iterator[Mapping[str, int]]:
    """Cost of the jobs started inside, as asset metadata. The estimate is included only if a dry run was made."""
    spent = Counter({PROCESSED: 0, BILLED: 0, JOBS: 0})
    token = _SPENT.set((*_SPENT.get(), spent))
    try:
        yield spent
    finally:
        _SPENT.reset(token)


def charge(**amounts: int | None) -> None:
    """Add to every active meter. None counts as 0."""
    for spent in _SPENT.get():
        spent.update({name: amount or 0 for name, amount in amounts.items()})


def charge_job(job: bigquery.QueryJob | bigquery.LoadJob) -> None:
    """Add a finished job. A script's job includes the bytes of its statements; a load job reads no table."""
    charge(**{JOBS: 1})
    if isinstance(job, bigquery.QueryJob):
        charge(**{PROCESSED: job.total_bytes_processed, BILLED: job.total_bytes_billed})


def _part(text: str) -> str:
    return re.sub(r"[^\w-]", "_", text, flags=re.ASCII)[:PART_LENGTH]


def spool(rows: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write batches to a Parquet file one by one, so that one is held at a time."""
    with pq.ParquetWriter(file, schema) as writer:
        for batch in rows:
            writer.write_batch(batch)


def resliced(pages: Iterable[pa.RecordBatch], rows_per_batch: int) -> Generator[pa.RecordBatch]:
    """The same rows in batches of `rows_per_batch`, the last one shorter."""
    held: list[pa.RecordBatch] = []
    missing = rows_per_batch
    for page in pages:
        rest = page
        while len(rest) >= missing:
            yield _joined([*held, rest.slice(0, missing)])
            held, rest, missing = [], rest.slice(missing), rows_per_batch
        if len(rest):
            held.append(rest)
            missing -= len(rest)
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
