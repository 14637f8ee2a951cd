"""The plan of a sync: what it sends, what it leaves, what it holds back. Pure.

A lead is sent when the org is not known to carry values of this version, when its call flag or its decile differs, or
when its score differs by min_score_change. Smaller differences wait for the next full sync: every write fires flows in
the org. The version counts, so a switch sends every lead, also where two models agree to the second decimal.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.config.rollout_systems import SalesforceSync
from v4_assets.errors import SyncHeldError
from v4_assets.salesforce.row_outcomes import NOT_FOUND, NOT_OPEN
from v4_assets.salesforce.rows import ROW, VALUES, DayScores, deciles

DECILES_MOVED = 2
"""A lead counts towards the limit on changes when its decile moves by this many or more."""


@dataclass(frozen=True)
class Terms:
    """What a plan depends on beside the scores and the known state."""

    full: bool = False
    """Every difference is sent, however small."""
    first: bool = False
    """Nothing of ours is in the org yet: whatever values it holds count towards the limit on changes."""


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
    small: int
    """Not sent: the values differ, but by too little to be written before the next full sync."""
    quarantined: pa.Table
    """Held back: refused within the quarantine (lead_id, refused_code, refused_message, refused_on)."""
    left: int
    """Leads that carry values, or may, and are no longer scored, cleared or not."""
    left_with_other_version: int
    """Of those, the ones that carry another version."""
    carrying: int
    """Leads that carry values, or may, scored or not: the base of the limit on emptied leads."""
    comparable: int
    """Scored leads whose values count as this version's: the base of the limit on changes."""
    moved: int
    """Of those, the ones whose deprioritize flips or whose decile moves by DECILES_MOVED or more."""

    @property
    def changed_share(self) -> float:
        """`moved` of `comparable`, 0 when there are none."""
        return self.moved / self.comparable if self.comparable else 0.0

    @property
    def cleared_share(self) -> float:
        """`cleared` of `carrying`, 0 when there are none."""
        return self.cleared / self.carrying if self.carrying else 0.0

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
            "small_changes": self.small,
            "quarantined": len(self.quarantined),
            "left": self.left,
            "left_with_other_version": self.left_with_other_version,
            "moved": self.moved,
        }

    def too_many(self, limit: float) -> str | None:
        """Which changes are above the limit, in a sentence; None when none are."""
        found = []
        if self.changed_share > limit:
            found.append(
                f"{self.moved:,} of {self.comparable:,} leads ({self.changed_share:.1%}) flip deprioritize or move "
                f"{DECILES_MOVED}+ deciles"
            )
        if self.cleared_share > limit:
            found.append(
                f"{self.cleared:,} of the {self.carrying:,} leads with values ({self.cleared_share:.1%}) would be "
                "emptied"
            )
        return f"{' and '.join(found)}, limit {limit:.0%}" if found else None


def plan_sync(scores: DayScores, state: pa.Table, rules: SalesforceSync, terms: Terms = Terms()) -> SyncPlan:
    """Compare the scores with `state` (columns of salesforce_state, one org)."""
    target, version = scores.rows, scores.version
    known = aligned(target, state)
    same_version = _true(pc.equal(known["model_version"], version))
    valued = _true(pc.is_valid(known["score"]))
    carries = same_version & valued
    since = scores.day - timedelta(days=rules.quarantine_days)
    refused = same_version & _true(pc.is_valid(known["refused_code"])) & _true(pc.greater(known["refused_on"], since))
    # A lead whose known values were refused when they were sent again is held back, whatever it is known to carry.
    carries &= ~refused
    same = carries & np.logical_and.reduce([_true(pc.equal(known[name], target[name])) for name in VALUES])
    small = carries & ~same & ~_matters(target, known, rules.min_score_change) & (not terms.full)
    send = ~same & ~small & ~refused
    unknown = _true(pc.is_null(known["model_version"]))
    carrying = _may_carry(state, since)
    left = state.filter(pc.and_(carrying, pc.invert(pc.is_in(state["lead_id"], _ids(target)))))
    emptied = _emptied(_without(left, scores.called)) if rules.leads_that_left == "clear" else ROW.empty_table()
    # A switch is not measured against the version it replaces. Values whose version is not known are.
    comparable = valued & (same_version | unknown | terms.first)
    return SyncPlan(
        scores=scores,
        rows=pa.concat_tables([target.filter(send), emptied]).sort_by("lead_id"),
        unknown=int(np.sum(send & unknown)),
        other_version=int(np.sum(send & ~unknown & ~same_version)),
        other_values=int(np.sum(send & same_version)),
        cleared=len(emptied),
        unchanged=int(np.sum(same)),
        small=int(np.sum(small)),
        quarantined=known.select(["lead_id", "refused_code", "refused_message", "refused_on"]).filter(refused),
        left=len(left),
        left_with_other_version=int(np.sum(~_true(pc.equal(left["model_version"], version)))),
        carrying=int(pc.sum(carrying).as_py() or 0),
        comparable=int(np.sum(comparable)),
        moved=int(np.sum(comparable & _moved(target, known))),
    )


def hold_if_too_many(plan: SyncPlan, limit: float, exempt: str | None) -> None:
    """Raise SyncHeldError when more leads change than the limit allows, unless there is a reason to be exempt."""
    above = plan.too_many(limit)
    if above and not exempt:
        raise SyncHeldError(
            f"{above}. Nothing was sent. Check the scores (`v4 sync preview`); to allow it once: "
            "`v4 sync allow-changes --reason …`."
        )


def aligned(target: pa.Table, state: pa.Table) -> pa.Table:
    """The state of each lead of `target`, in its order; NULL where nothing is known."""
    position = pc.index_in(target["lead_id"], value_set=_ids(state))
    columns = {name: state[name].combine_chunks().take(position) for name in state.column_names if name != "lead_id"}
    return pa.table({"lead_id": target["lead_id"], **columns})


def is_emptied(state: pa.Table) -> pa.ChunkedArray:
    """Which leads of a state are to carry nothing, because they left the scored set. A lead in doubt has no day."""
    return pc.and_(pc.and_(pc.is_null(state["score"]), pc.is_null(state["model_version"])), pc.is_valid(state["as_of"]))


def _may_carry(state: pa.Table, since: date) -> pa.ChunkedArray:
    """Which leads of a state carry values, or may: those in doubt, and those whose refusal is of `since` or before.

    Not those that the org does not have open: there is nothing to empty.
    """
    held = pc.fill_null(pc.greater(state["refused_on"], since), False)
    is_open = pc.invert(pc.is_in(state["refused_code"], value_set=pa.array((*NOT_OPEN, NOT_FOUND))))
    unknown = pc.and_(pc.invert(is_emptied(state)), pc.and_(pc.invert(held), is_open))
    return pc.or_(pc.is_valid(state["score"]), unknown)


def _matters(target: pa.Table, known: pa.Table, least: float) -> NDArray[np.bool_]:
    """Whether call flag or decile differ, or the score by at least `least`. In hundredths, which are exact."""
    steps = pc.subtract(deciles(known["percentile"]), deciles(target["percentile"]))
    flipped = _true(pc.not_equal(known["deprioritize"], target["deprioritize"])) | _true(pc.not_equal(steps, 0))
    hundredths = [np.round(rows["score"].to_numpy() * 100) for rows in (known, target)]
    far: NDArray[np.bool_] = np.abs(hundredths[0] - hundredths[1]) >= max(1.0, round(least * 100, 6))
    return flipped | far


def _without(rows: pa.Table, called: pa.Array | None) -> pa.Table:
    return rows if called is None else rows.filter(pc.invert(pc.is_in(rows["lead_id"], value_set=called)))


def _moved(target: pa.Table, known: pa.Table) -> NDArray[np.bool_]:
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


def _true(mask: pa.ChunkedArray) -> NDArray[np.bool_]:
    """The mask in NumPy; NULL is False."""
    found: NDArray[np.bool_] = pc.fill_null(mask, False).to_numpy()
    return found
