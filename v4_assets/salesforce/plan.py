"""The plan of a sync: what it sends, what it leaves, what it holds back. Pure.

A lead is sent unless the org is known to carry exactly these values of exactly this version. The version counts, so a
switch sends every lead, also where two models agree to the second decimal. Scores are rounded half up to hundredths, as
ROUND(score, 2) in the warehouse: the org stores the number it receives and rounds only for display.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.arrays import Mask
from v4_assets.config.record_ids import is_record_id, to_18
from v4_assets.config.rollout_salesforce import SalesforceSync
from v4_assets.errors import SalesforceError, SyncHeldError

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
DECILES_MOVED = 2
"""A lead counts towards the limit on changes when its decile moves by this many or more."""


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


@dataclass(frozen=True)
class SyncPlan:
    """What differs between the day's scores and the org, what is sent, and what is held back."""

    scores: DayScores
    rows: pa.Table
    """Sent: ROW, ordered by lead_id."""
    unknown: int
    """Sent: the lead's state, or the version of its values, is not known."""
    other_version: int
    """Sent: the lead carries another version."""
    other_values: int
    """Sent: the lead carries this version's values of another day."""
    cleared: int
    """Sent: the lead is no longer scored, and its fields are emptied."""
    unchanged: int
    """Not sent: the org has these values."""
    quarantined: pa.Table
    """Held back: refused within the quarantine (lead_id, refused_code, refused_message, refused_on)."""
    left: int
    """Leads that carry values and are no longer scored, cleared or not."""
    left_with_other_version: int
    """Of those, the ones that carry another version."""
    comparable: int
    """Leads that carry this version's values: the base of the limit on changes."""
    moved: int
    """Of those, the ones whose deprioritize flips or whose decile moves by DECILES_MOVED or more."""

    @property
    def changed_share(self) -> float:
        """`moved` of `comparable`, 0 when there are none."""
        return self.moved / self.comparable if self.comparable else 0.0

    @property
    def counts(self) -> dict[str, int]:
        """All counts, by the names of the CLI and of the metadata."""
        return {
            "to_send": len(self.rows),
            "unknown": self.unknown,
            "other_version": self.other_version,
            "other_values": self.other_values,
            "cleared": self.cleared,
            "unchanged": self.unchanged,
            "quarantined": len(self.quarantined),
            "left": self.left,
            "left_with_other_version": self.left_with_other_version,
            "moved": self.moved,
        }


def plan_sync(scores: DayScores, state: pa.Table, rules: SalesforceSync) -> SyncPlan:
    """Compare the scores with `state` (columns of salesforce_state, one org)."""
    target, version = scores.rows, scores.version
    known = aligned(target, state)
    same_version = _true(pc.equal(known["model_version"], version))
    carries = same_version & _true(pc.is_valid(known["score"]))
    since = scores.day - timedelta(days=rules.quarantine_days)
    refused = same_version & _true(pc.is_valid(known["refused_code"])) & _true(pc.greater(known["refused_on"], since))
    same = carries & np.logical_and.reduce([_true(pc.equal(known[name], target[name])) for name in VALUES])
    send = ~same & ~refused
    unknown = _true(pc.is_null(known["model_version"]))
    left = state.filter(pc.and_(pc.is_valid(state["score"]), pc.invert(pc.is_in(state["lead_id"], _ids(target)))))
    emptied = _emptied(left) if rules.leads_that_left == "clear" else ROW.empty_table()
    return SyncPlan(
        scores=scores,
        rows=pa.concat_tables([target.filter(send), emptied]).sort_by("lead_id"),
        unknown=int(np.sum(send & unknown)),
        other_version=int(np.sum(send & ~unknown & ~same_version)),
        other_values=int(np.sum(send & same_version)),
        cleared=len(emptied),
        unchanged=int(np.sum(same)),
        quarantined=known.select(["lead_id", "refused_code", "refused_message", "refused_on"]).filter(refused),
        left=len(left),
        left_with_other_version=int(np.sum(~_true(pc.equal(left["model_version"], version)))),
        comparable=int(np.sum(carries)),
        moved=int(np.sum(carries & _moved(target, known))),
    )


def hold_if_too_many(plan: SyncPlan, limit: float, exempt: str | None) -> None:
    """Raise SyncHeldError when more leads move than the limit allows, unless there is a reason to be exempt."""
    if plan.changed_share <= limit or exempt:
        return
    raise SyncHeldError(
        f"{plan.moved:,} of {plan.comparable:,} leads ({plan.changed_share:.1%}) flip deprioritize or move "
        f"{DECILES_MOVED}+ deciles, limit {limit:.0%}. Nothing was sent. Check the scores; to allow it, run with the "
        "tag v4/allow_changes=REASON."
    )


def day_scores(table: pa.Table, *, day: date, version: str, scored_at: datetime, event_id: str = "") -> DayScores:
    """The day's scores (lead_id, score, percentile, deprioritize) of a version, as ROW.

    Ids of 15 characters are widened. Of several rows of one lead, the one with an id of 18 characters is kept, then the
    one with the lowest score. Raises SalesforceError when a value is missing or outside its range.
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


def aligned(target: pa.Table, state: pa.Table) -> pa.Table:
    """The state of each lead of `target`, in its order; NULL where nothing is known."""
    position = pc.index_in(target["lead_id"], value_set=_ids(state))
    columns = {name: state[name].combine_chunks().take(position) for name in state.column_names if name != "lead_id"}
    return pa.table({"lead_id": target["lead_id"], **columns})


def csv(rows: pa.Table, columns: Sequence[tuple[str, str]], scored_at: datetime) -> bytes:
    """The CSV of a job: Id and, for each (field name, key), a column; NULL as #N/A.

    Keys are the columns of ROW, and `scored_at`. UTF-8 without a byte order mark, LF, no quoting: no value can hold a
    comma.
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
            f"{int(wrong.sum())} leads have a score outside 0..1, a percentile outside 1..100 or no deprioritize: "
            f"{', '.join(map(str, examples))}. Nothing was sent. Run the daily job again."
        )


def _moved(target: pa.Table, known: pa.Table) -> Mask:
    flipped = _true(pc.not_equal(known["deprioritize"], target["deprioritize"]))
    steps = pc.abs(pc.subtract(deciles(known["percentile"]), deciles(target["percentile"])))
    return flipped | _true(pc.greater_equal(steps, DECILES_MOVED))


def _emptied(left: pa.Table) -> pa.Table:
    """Rows that empty the fields of leads. A checkbox cannot be NULL: it is unchecked."""
    empty = {name: pa.nulls(len(left), ROW.field(name).type) for name in ROW.names}
    unchecked = pa.repeat(pa.scalar(False), len(left))
    return pa.table({**empty, "lead_id": left["lead_id"], "deprioritize": unchecked}, schema=ROW)


def _ids(rows: pa.Table) -> pa.Array:
    return rows["lead_id"].combine_chunks()


def _true(mask: pa.ChunkedArray) -> Mask:
    """The mask in NumPy; NULL is False."""
    found: Mask = pc.fill_null(mask, False).to_numpy()
    return found


@cache
def _score_texts() -> pa.Array:
    """The text of every score in hundredths. Not a constant: Arrow imports pandas to convert a list."""
    return pa.array([f"{hundredths / 100:.2f}" for hundredths in range(101)])
