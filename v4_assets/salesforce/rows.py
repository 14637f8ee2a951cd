"""Scores as Salesforce is sent them: two decimals, 18-character ids, each lead once; and as the CSV of a job. Pure.

A score is rounded half up to hundredths, as ROUND(score, 2) of the warehouse does: the org stores what it is sent and
rounds for display only, so what is compared must be what was sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.config.record_ids import is_record_id, to_18
from v4_assets.errors import SalesforceError

ROW = pa.schema(
    {
        "lead_id": pa.string(),
        "score": pa.float64(),
        "percentile": pa.int64(),
        "deprioritize": pa.bool_(),
        "model_version": pa.string(),
    }
)
"""A lead's values as sent; a NULL model_version empties its fields."""
VALUES = ("score", "percentile", "deprioritize")
EMPTY = "#N/A"
"""How Bulk API 2.0 is told null; an empty cell would leave the field as it is."""


@dataclass(frozen=True)
class AsSent:
    """What the day's scores come to."""

    rows: pa.Table
    """ROW, ordered by lead_id, each lead once."""
    malformed: tuple[str, ...]
    """What is no record id and cannot be sent."""
    twice: int
    """Further rows of a lead that is among `rows`."""


def rounded(scores: Any) -> Any:
    """Scores (float64 array, NaN for none) rounded half up to two decimals."""
    return np.floor(scores * 100 + 0.5) / 100


def as_sent(scores: pa.Table, version: str) -> AsSent:
    """The day's `scores` (lead_id, score, percentile, deprioritize) as rows of ROW.

    Ids of 15 characters are widened; of several rows of one lead the one that had 18 is sent, then the one with the
    lowest score. Raises SalesforceError when a value is missing or outside its range.
    """
    scores = scores.combine_chunks()
    _verify_values(scores)
    given = scores["lead_id"].combine_chunks()
    odd = np.flatnonzero(~pc.match_substring_regex(given, "^[A-Za-z0-9]{18}$").to_numpy(zero_copy_only=False))
    ids = given.to_numpy(zero_copy_only=False).astype(object)
    for position in odd:
        ids[position] = to_18(ids[position])
    malformed = [position for position in odd if not is_record_id(ids[position])]
    table = pa.table(
        {
            "lead_id": pa.array(ids, pa.string()),
            "score": rounded(scores["score"].to_numpy()),
            "percentile": scores["percentile"].cast(pa.int64()),
            "deprioritize": scores["deprioritize"],
            "widened": np.isin(np.arange(len(ids)), odd),
        }
    )
    kept = table.filter(~np.isin(np.arange(len(ids)), malformed))
    kept = kept.sort_by([(name, "ascending") for name in ("lead_id", "widened", "score", "percentile")])
    found = kept["lead_id"].to_numpy()
    first = np.ones(len(found), dtype=bool)
    first[1:] = found[1:] != found[:-1]
    rows = kept.filter(first).drop_columns("widened")
    rows = rows.append_column("model_version", pa.repeat(pa.scalar(version), len(rows)))
    return AsSent(rows.cast(ROW), tuple(sorted(ids[malformed])), int(np.sum(~first)))


def deciles(percentile: pa.Array | pa.ChunkedArray) -> Any:
    """ceil(percentile / 10), NULL for NULL."""
    return pc.divide(pc.add(percentile, 9), 10)


def csv(rows: pa.Table, columns: Sequence[tuple[str, str]], scored_at: datetime) -> bytes:
    """The CSV of a job: Id and, for each (field name, key), a column; NULL as #N/A.

    Keys are the columns of ROW, and `scored_at`. UTF-8 without a byte order mark, LF, no quoting: nothing we send holds
    a comma.
    """
    emptied = pc.is_null(rows["model_version"])
    instant = f"{scored_at:%Y-%m-%dT%H:%M:%S}.{scored_at.microsecond // 1000:03d}Z"
    texts = {
        "score": _score_texts().take(pc.cast(pc.round(pc.multiply(rows["score"], 100)), pa.int64())),
        "percentile": rows["percentile"].cast(pa.string()),
        "deprioritize": rows["deprioritize"].cast(pa.string()),
        "model_version": rows["model_version"],
        "scored_at": pc.if_else(emptied, pa.scalar(None, pa.string()), pa.scalar(instant)),
    }
    cells = [pc.fill_null(texts[key], EMPTY) for _, key in columns]
    lines = pc.binary_join_element_wise(rows["lead_id"], *cells, ",")
    return "\n".join([",".join(["Id", *(name for name, _ in columns)]), *lines.to_pylist(), ""]).encode()


def _verify_values(scores: pa.Table) -> None:
    value = scores["score"].to_numpy()
    percentile = pc.fill_null(scores["percentile"], 0).to_numpy()
    wrong = ~((value >= 0) & (value <= 1)) | (percentile < 1) | (percentile > 100)
    wrong |= pc.is_null(scores["deprioritize"]).to_numpy()
    if wrong.any():
        examples = pc.cast(scores["lead_id"].filter(pa.array(wrong)).slice(0, 3), pa.string()).to_pylist()
        raise SalesforceError(
            f"{int(wrong.sum())} scores are no numbers in [0, 1] with a percentile in 1..100 and a deprioritize, of "
            f"leads {examples} first. Nothing was sent; the checks of the daily scores should have stopped them: run "
            "the day again."
        )


@cache
def _score_texts() -> pa.Array:
    """The text of every score in hundredths. Not a constant: Arrow imports pandas to convert a list."""
    return pa.array([f"{hundredths / 100:.2f}" for hundredths in range(101)])
