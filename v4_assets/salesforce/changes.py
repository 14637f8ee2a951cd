"""What must be sent: the difference between the day's scores and what the org is known to carry. Pure.

A lead is sent when the org is not known to carry exactly these values of exactly this version. That the version counts
means that a switch touches every lead, also where two models agree to the second decimal.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.arrays import Mask
from v4_assets.errors import SyncHeldError
from v4_assets.salesforce.rows import ROW, VALUES, deciles

DECILES_MOVED = 2
"""A decile that moves by so many counts as changed for the limit."""


@dataclass(frozen=True)
class Changes:
    """What a sync sends, and why."""

    rows: pa.Table
    """ROW, ordered by lead_id."""
    unknown: int
    """Sent: nothing is known of the lead, or not whose values it carries."""
    other_version: int
    """Sent: the lead carries another version."""
    other_values: int
    """Sent: the lead carries this version's values of another day."""
    cleared: int
    """Sent: the lead is scored no more, and its fields are emptied."""
    unchanged: int
    """Not sent: the org has them."""
    quarantined: pa.Table
    """Not sent: refused lately (lead_id, refused_code, refused_message, refused_on)."""
    left: int
    """Leads that carry values and are scored no more, cleared or not."""
    left_with_other_version: int
    """Of those, the ones that carry another version."""
    comparable: int
    """Leads that carry this version's values, by which the limit is judged."""
    moved: int
    """Of those, the ones whose deprioritize flips or whose decile moves by DECILES_MOVED or more."""

    @property
    def changed_share(self) -> float:
        """`moved` of `comparable`, 0 when there are none."""
        return self.moved / self.comparable if self.comparable else 0.0

    @property
    def counts(self) -> dict[str, int]:
        """Everything countable, for people."""
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


def changes(
    target: pa.Table, state: pa.Table, version: str, day: date, *, quarantine_days: int, clear_left: bool
) -> Changes:
    """The difference of `target` (ROW, all of `version`) and `state` (columns of salesforce_state, one org)."""
    known = aligned(target, state)
    same_version = _true(pc.equal(known["model_version"], version))
    carries = same_version & _true(pc.is_valid(known["score"]))
    since = day - timedelta(days=quarantine_days)
    refused = same_version & _true(pc.is_valid(known["refused_code"])) & _true(pc.greater(known["refused_on"], since))
    same = carries & np.logical_and.reduce([_true(pc.equal(known[name], target[name])) for name in VALUES])
    send = ~same & ~refused
    nobody_knows = _true(pc.is_null(known["model_version"]))
    left = state.filter(pc.and_(pc.is_valid(state["score"]), pc.invert(pc.is_in(state["lead_id"], _set(target)))))
    emptied = _emptied(left) if clear_left else ROW.empty_table()
    return Changes(
        rows=pa.concat_tables([target.filter(send), emptied]).sort_by("lead_id"),
        unknown=int(np.sum(send & nobody_knows)),
        other_version=int(np.sum(send & ~nobody_knows & ~same_version)),
        other_values=int(np.sum(send & same_version)),
        cleared=len(emptied),
        unchanged=int(np.sum(same)),
        quarantined=known.select(["lead_id", "refused_code", "refused_message", "refused_on"]).filter(refused),
        left=len(left),
        left_with_other_version=int(np.sum(~_true(pc.equal(left["model_version"], version)))),
        comparable=int(np.sum(carries)),
        moved=int(np.sum(carries & _moved(target, known))),
    )


def hold_if_too_many(found: Changes, limit: float, exempt: str | None) -> None:
    """Raise SyncHeldError when more moves than may, unless there is a reason to be exempt."""
    if found.changed_share <= limit or exempt:
        return
    raise SyncHeldError(
        f"{found.moved:,} of {found.comparable:,} leads ({found.changed_share:.1%}) would change deprioritize or move "
        f"{DECILES_MOVED} deciles or more since the last sync; at most {limit:.0%} may. Nothing was sent. Look at the "
        "day's features and scores first. If the change is right, run the sync with the tag v4/allow_changes and the "
        "reason as its value, or raise salesforce.max_changed_share in rollout.yaml."
    )


def aligned(target: pa.Table, state: pa.Table) -> pa.Table:
    """The state of each lead of `target`, in its order; NULL where nothing is known."""
    position = pc.index_in(target["lead_id"], value_set=_set(state))
    columns = {name: state[name].combine_chunks().take(position) for name in state.column_names if name != "lead_id"}
    return pa.table({"lead_id": target["lead_id"], **columns})


def _moved(target: pa.Table, known: pa.Table) -> Mask:
    flipped = _true(pc.not_equal(known["deprioritize"], target["deprioritize"]))
    steps = pc.abs(pc.subtract(deciles(known["percentile"]), deciles(target["percentile"])))
    return flipped | _true(pc.greater_equal(steps, DECILES_MOVED))


def _emptied(left: pa.Table) -> pa.Table:
    """Rows that empty the fields of leads. A checkbox knows no empty: it is unchecked."""
    empty = {name: pa.nulls(len(left), ROW.field(name).type) for name in ROW.names}
    unchecked = pa.repeat(pa.scalar(False), len(left))
    return pa.table({**empty, "lead_id": left["lead_id"], "deprioritize": unchecked}, schema=ROW)


def _set(rows: pa.Table) -> pa.Array:
    return rows["lead_id"].combine_chunks()


def _true(mask: pa.ChunkedArray) -> Mask:
    """A mask as NumPy has it; NULL is False."""
    found: Mask = pc.fill_null(mask, False).to_numpy()
    return found
