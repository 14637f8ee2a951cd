"""Rows on their way to and from BigQuery, a batch at a time."""

from collections.abc import Generator, Iterable
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq


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
