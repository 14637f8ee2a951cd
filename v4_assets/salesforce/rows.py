"""The day's scores as Salesforce receives them: ids widened, values rounded, each lead once; and their CSV. Pure.

Scores are rounded half up to hundredths, as ROUND(score, 2) in the warehouse: the org stores the number it receives and
rounds only for display.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.config.salesforce import is_record_id, to_18
from v4_assets.errors import ValuesOutOfRangeError
from v4_assets.scores.scoring import deprioritized

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
"""NULL in Bulk API 2.0. An empty cell would leave the field unchanged."""


@dataclass(frozen=True)
class DayScores:
    """One version's scores of a day, in the form Salesforce receives them."""

    day: date
    version: str
    event_id: str
    """The switch that made the version live; empty for a preview."""
    scored_at: datetime
    rows: pa.Table
    """ROW, ordered by lead_id, each lead once."""
    malformed: tuple[str, ...]
    """Lead ids that are not record ids: held back."""
    duplicates: int
    """Further rows of a lead that is among `rows`."""
    called: pa.Array | None = None
    """Ids of leads that got a call: their values stay in the org when they leave the scored set. None: not read."""
    listed: int | None = None
    """Leads listed to be scored on the day; None when the scores are not tied to a write."""

    @property
    def accounted(self) -> int:
        """Score rows accounted for: leads, duplicates and malformed ids."""
        return len(self.rows) + self.duplicates + len(self.malformed)


def day_scores(table: pa.Table, *, day: date, version: str, scored_at: datetime, event_id: str = "") -> DayScores:
    """The day's scores (lead_id, score, percentile, deprioritize) of a version, as ROW.

    Ids of 15 characters are widened. Of several rows of one lead, the one with an id of 18 characters is kept, then the
    one with the lowest score. Raises ValuesOutOfRangeError when a value is missing or outside its range.
    """
    table = table.combine_chunks()
    _verify_values(table)
    given = table["lead_id"].combine_chunks()
    odd = np.flatnonzero(~pc.match_substring_regex(given, "^[A-Za-z0-9]{18}$").to_numpy(zero_copy_only=False))
    ids = given.to_numpy(zero_copy_only=False).astype(object)
    for position in odd:
        ids[position] = to_18(ids[position])
    malformed = [position for position in odd if not is_record_id(ids[position])]
    widened = pa.table(
        {
            "lead_id": pa.array(ids, pa.string()),
            "score": rounded(table["score"].to_numpy()),
            "percentile": table["percentile"].cast(pa.int64()),
            "deprioritize": table["deprioritize"],
            "widened": np.isin(np.arange(len(ids)), odd),
        }
    )
    kept = widened.filter(~np.isin(np.arange(len(ids)), malformed))
    kept = kept.sort_by([(name, "ascending") for name in ("lead_id", "widened", "score", "percentile")])
    sorted_ids = kept["lead_id"].to_numpy()
    first = np.ones(len(sorted_ids), dtype=bool)
    first[1:] = sorted_ids[1:] != sorted_ids[:-1]
    rows = kept.filter(first).drop_columns("widened")
    rows = rows.append_column("model_version", pa.repeat(pa.scalar(version), len(rows))).cast(ROW)
    return DayScores(day, version, event_id, scored_at, rows, tuple(sorted(ids[malformed])), int(np.sum(~first)))


def rounded(scores: Any) -> Any:
    """Scores (float64 array, NaN for none) rounded half up to two decimals."""
    return np.floor(scores * 100 + 0.5) / 100


def deciles(percentile: pa.Array | pa.ChunkedArray) -> Any:
    """ceil(percentile / 10), NULL for NULL."""
    return pc.divide(pc.add(percentile, 9), 10)


def csv(rows: pa.Table, columns: Sequence[tuple[str, str]], scored_at: datetime | None) -> bytes:
    """The CSV of a job: Id and, for each (field name, key), a column; NULL as #N/A. Without `scored_at`, the leads keep
    theirs, but for those that are emptied.

    Keys are the columns of ROW, and `scored_at`. UTF-8 without a byte order mark, LF, no quoting: no value can hold a
    comma.
    """
    emptied = pc.is_null(rows["model_version"])
    instant = f"{scored_at:%Y-%m-%dT%H:%M:%S}.{scored_at.microsecond // 1000:03d}Z" if scored_at else ""
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
    low = pa.array(deprioritized(percentile))
    wrong |= pc.fill_null(pc.not_equal(scores["deprioritize"], low), True).to_numpy()
    if wrong.any():
        examples = pc.cast(scores["lead_id"].filter(pa.array(wrong)).slice(0, 3), pa.string()).to_pylist()
        raise ValuesOutOfRangeError(
            f"{int(wrong.sum())} leads have a score outside 0..1, a percentile outside 1..100 or a wrong deprioritize: "
            f"{', '.join(map(str, examples))}. Nothing was sent. Run the daily job again."
        )


@cache
def _score_texts() -> pa.Array:
    """The text of every score in hundredths. Not a constant: Arrow imports pandas to convert a list."""
    return pa.array([f"{hundredths / 100:.2f}" for hundredths in range(101)])
