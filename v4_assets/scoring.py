"""Scoring a day in bounded memory: feature batches in, ranked rows out. Pure but for a nameless temporary file.

Ranks need every score, so scored rows wait on disk while a score and a tie-break per lead are kept in memory.
"""

import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.model import Bundle, encode
from v4_assets.profile import Numbers
from v4_assets.ranking import deciles, deprioritized, percentiles

ROWS_AT_ONCE = 131_072
"""Every call of XGBoost costs milliseconds before its first row; larger batches only cost memory."""
REASONS = ("reason_1", "reason_2", "reason_3")


@dataclass(frozen=True)
class _Scored:
    """A batch after scoring: what is kept in memory, and the columns that wait on disk."""

    scores: Numbers
    tie_breaks: Numbers
    columns: pa.RecordBatch


def score_rows(
    bundle: Bundle,
    batches: Iterable[pa.RecordBatch],
    *,
    schema: pa.Schema,
    constants: Mapping[str, object],
    with_reasons: bool,
) -> Iterator[pa.RecordBatch]:
    """Score all `batches` now, and return an iterator of the rows of daily_scores in `schema`.

    Batches hold lead_id, advisor_crd, tie_break and the bundle's features; `constants` fill the columns that are the
    same on every row. Raises FeatureError when a batch does not fit the model.
    """
    scores, tie_breaks, spool = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)], _Spool()
    for done in _scored(bundle, batches, with_reasons=with_reasons):
        scores.append(done.scores)
        tie_breaks.append(done.tie_breaks)
        spool.add(done.columns)
    joined = np.concatenate(scores)
    ranks = percentiles(joined, np.concatenate(tie_breaks))
    return _rows(spool, joined, ranks, schema, constants)


def _scored(bundle: Bundle, batches: Iterable[pa.RecordBatch], *, with_reasons: bool) -> Iterator[_Scored]:
    """Batches scored in order: without reasons one thread per core, each with a batch of its own."""
    # XGBoost's contributions are not safe to call from several threads; there it uses the cores itself.
    threads = 1 if with_reasons else os.cpu_count() or 1
    bundle.booster.set_param({"nthread": 0 if with_reasons else 1})
    own = threading.local()

    def work(batch: pa.RecordBatch) -> _Scored:
        matrix = encode(bundle.features, batch, into=getattr(own, "matrix", None))
        own.matrix = matrix.base if matrix.base is not None else matrix
        columns = {"lead_id": batch.column("lead_id"), "advisor_crd": batch.column("advisor_crd")}
        reasons = bundle.reasons(matrix, len(REASONS)) if with_reasons else []
        return _Scored(
            scores=bundle.predict(matrix),
            tie_breaks=batch.column("tie_break").to_numpy().copy(),
            columns=pa.record_batch({**columns, **dict(zip(REASONS, reasons, strict=False))}),
        )

    return _in_order(work, batches, threads)


def _in_order(
    work: Callable[[pa.RecordBatch], _Scored], batches: Iterable[pa.RecordBatch], threads: int
) -> Iterator[_Scored]:
    """`work` on every batch, results in the batches' order, no more than one batch ahead of the threads."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[_Scored]] = deque()
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Spool:
    """Batches that wait on disk, in order. The file has no name: the system frees it, however the process ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 # closed when the last batch was taken
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Put a batch behind the others."""
        self._writer = self._writer or pa.ipc.new_stream(self._file, batch.schema)
        self._writer.write_batch(batch)

    def take(self) -> Iterator[pa.RecordBatch]:
        """All batches, once."""
        with self._file:
            if self._writer is not None:
                self._writer.close()
                self._file.seek(0)
                yield from pa.ipc.open_stream(self._file)


def _rows(
    spool: _Spool, scores: Numbers, percentile: Numbers, schema: pa.Schema, constants: Mapping[str, object]
) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in spool.take():
        part = slice(start, start + len(batch))
        start += len(batch)
        ranks = percentile[part]
        columns = {
            **{name: batch.column(name) for name in batch.schema.names},
            "score": pa.array(scores[part]),
            "percentile": pa.array(ranks),
            "decile": pa.array(deciles(ranks)),
            "deprioritize": pa.array(deprioritized(ranks)),
        }
        yield pa.record_batch([_column(field, columns, constants, len(batch)) for field in schema], schema=schema)


def _column(field: pa.Field, columns: Mapping[str, pa.Array], constants: Mapping[str, object], count: int) -> pa.Array:
    if field.name in columns:
        return pc.cast(columns[field.name], field.type)
    return pa.repeat(pa.scalar(constants.get(field.name), field.type), count)
