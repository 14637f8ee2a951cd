"""Scoring a day in bounded memory: feature batches in, ranked rows out. Pure but for a nameless temporary file.

Ranks need every score, so scored rows wait on disk while a score and a tie-break per lead are kept in memory. Equal
scores are ordered by a salted hash of the lead id, never by the id itself, which tracks the age of the lead.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import encode

DEPRIORITIZED_UP_TO = 20
"""Percentiles that are not called."""


def percentiles(scores: NDArray[Any], tie_break: NDArray[Any]) -> NDArray[Any]:
    """Percentile of every lead, int8 in 1..100: ceil(100 * rank / n), rank 1 = lowest score, n = highest.

    Among equal scores the smaller `tie_break` ranks lower. Both arrays have shape (n,); NaN scores raise ValueError.
    """
    count = len(scores)
    if count == 0:
        return np.zeros(0, dtype=np.int8)
    if np.isnan(scores).any():
        raise ValueError("A score is NaN; only numbers can be ranked.")
    order = np.argsort(scores)
    ordered = scores[order]
    # highest[p - 1] leads have a percentile up to p, so the sorted position of a lead determines its percentile.
    highest = count * np.arange(1, 101) // 100
    for border in np.unique(highest[(highest > 0) & (highest < count)]):
        if ordered[border - 1] == ordered[border]:
            tied = slice(*(np.searchsorted(ordered, ordered[border], side=side) for side in ("left", "right")))
            order[tied] = order[tied][np.argsort(tie_break[order[tied]], kind="stable")]
    result: NDArray[Any] = np.empty(count, dtype=np.int8)
    result[order] = np.repeat(np.arange(1, 101, dtype=np.int8), np.diff(highest, prepend=0))
    return result


def deciles(percentile: NDArray[Any]) -> NDArray[Any]:
    """ceil(percentile / 10): 10 = top, 1 = bottom."""
    return -(-percentile // 10)


def deprioritized(percentile: NDArray[Any]) -> NDArray[Any]:
    """Whether a lead is not to be called, bool."""
    return percentile <= DEPRIORITIZED_UP_TO


ROWS_AT_ONCE = 131_072
"""Every call of XGBoost costs milliseconds before its first row; larger batches only cost memory."""
REASONS = ("reason_1", "reason_2", "reason_3")


def score_rows(
    bundle: Bundle,
    batches: Iterable[pa.RecordBatch],
    *,
    schema: pa.Schema,
    constants: Mapping[str, object],
    with_reasons: bool,
    without: pa.Array | None = None,
) -> Iterator[pa.RecordBatch]:
    """Score all `batches` now, and return an iterator of the rows of daily_scores in `schema`.

    Batches hold lead_id, advisor_crd, tie_break and the bundle's features; `constants` fill the columns that are the
    same on every row, and leads `without` are left out. Raises FeatureError when a batch does not fit the model.
    """
    scores, tie_breaks, spool, matrix = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)], _Spool(), None
    for read in read_ahead(batches):
        batch = read.filter(pc.invert(pc.is_in(read.column("lead_id"), value_set=without))) if without else read
        matrix = encode(bundle.features, batch, into=matrix)
        scores.append(bundle.predict(matrix))
        # A copy, since the column would keep the whole batch in memory.
        tie_breaks.append(batch.column("tie_break").to_numpy().copy())
        reasons = bundle.reasons(matrix, len(REASONS)) if with_reasons else []
        columns = {"lead_id": batch.column("lead_id"), "advisor_crd": batch.column("advisor_crd")}
        spool.add(pa.record_batch({**columns, **dict(zip(REASONS, reasons, strict=False))}))
    joined = _joined(scores)
    return _rows(spool, joined, percentiles(joined, _joined(tie_breaks)), schema, constants)


def read_ahead(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, the next one being read while the last one is scored and written."""
    source = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, source, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, source, None)
            yield batch


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """The parts in one array; they are let go."""
    whole: NDArray[Any] = np.concatenate(parts)
    parts.clear()
    return whole


class _Spool:
    """Batches that wait on disk, in order. The file has no name: the system frees it, however the process ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 # closed when the last batch was taken
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
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
    spool: _Spool, scores: NDArray[Any], percentile: NDArray[Any], schema: pa.Schema, constants: Mapping[str, object]
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
