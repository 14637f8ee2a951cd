"""The watch of a live candidate: booked calls are counted at each week-close, and the early warning is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from v4_assets import tables
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation import call_votes
from v4_assets.evaluation.cohorts import FIRST_SCORE_DAYS, Entries, Reach
from v4_assets.evaluation.early_warning import REFERENCE_DAYS
from v4_assets.evaluation.evaluator import Evaluator
from v4_assets.evaluation.watch_calibration import MEASURED_DAYS, Basis, bases, calls_among, first_scores, watched_since
from v4_assets.partitions import write_partition
from v4_assets.production import events as deployments
from v4_assets.production.events import Event
from v4_assets.production.weeks import can_close, last_day
from v4_assets.store import Store
from v4_assets.warehouse.protocol import arrow_schema

COUNTED_AGAIN = "booked calls, counted once"
"""Definition of a partition of votes: it never changes, so that a rerun keeps what was counted."""


def count_calls(evaluator: Evaluator, basis: Basis) -> None:
    """Fill the day's partition of votes with the calls that no earlier close knew; kept when it is there."""
    day, weeks = evaluator.day, evaluator.rollout.policy.weeks
    if day.retrospective or not can_close(day.date, weeks):
        return
    store = evaluator.store
    table = store.catalogue[tables.EARLY_WARNING_VOTES]

    def rows() -> list[pa.RecordBatch]:
        return [pa.RecordBatch.from_pylist(_new_calls(evaluator, basis), schema=arrow_schema(table))]

    write_partition(store, table, replace(day, replace_reason=None, only_gaps=True), rows, (COUNTED_AGAIN,))


def _new_calls(evaluator: Evaluator, basis: Basis) -> list[dict[str, Any]]:
    day, store = evaluator.day, evaluator.store
    switch = watched_since(evaluator.events, basis.version, day.date)
    assert switch is not None  # a basis is that of a running watch
    counted = [row for row in _counted(store, day.date) if row["switch_id"] == basis.switch_id]
    # A lead contacted a whole outcome window before the switch may be called on its day; it is counted and has no vote.
    back = max(REFERENCE_DAYS + FIRST_SCORE_DAYS, evaluator.rollout.outcome_window_days)
    earliest = max(switch.day - timedelta(days=back), day.date - timedelta(days=MEASURED_DAYS))
    reach = Reach(earliest, day.date - timedelta(days=1))
    leads = evaluator.store.read("cohort_leads", day.params | reach.params)
    found, scores = evaluator.leads_of(reach, leads)
    ids = np.array(leads["lead_id"].to_pylist(), dtype=object)
    seen = {row["lead_id"] for row in counted}
    known = ~np.isnat(found.called_on) & (found.called_on >= np.datetime64(basis.votes_from))
    new = np.array([lead not in seen for lead in ids.tolist()], dtype=bool) & known
    return _Calls(evaluator, basis, switch, found, scores, ids, counted).rows(np.flatnonzero(new))


@dataclass(frozen=True)
class _Calls:
    """Calls to be counted, and everything that decides whether they vote."""

    evaluator: Evaluator
    basis: Basis
    switch: Event
    found: Entries
    scores: Mapping[str, pa.Table]
    ids: NDArray[Any]
    counted: Sequence[Mapping[str, Any]]

    def rows(self, new: NDArray[Any]) -> list[dict[str, Any]]:
        """One row per call, in the order of the calls."""
        found = self.found
        new = new[np.lexsort((self.ids[new].astype(str), found.called_on[new]))]
        crds = self._advisors()
        live = self.evaluator.store.production()
        bundle = live.bundle_sha256 or live.model_sha256 if live else None
        reasons = self._reasons(new, crds)
        voting = np.array([place for place, reason in zip(new, reasons, strict=True) if reason is None], dtype=int)
        mask = np.zeros(len(found.contacted_on), dtype=bool)
        mask[voting] = True
        calls = calls_among(found, first_scores(found, self.scores, self.evaluator), mask)
        # `calls_among` keeps the order of the leads, not that of the calls.
        position = {int(place): number for number, place in enumerate(np.flatnonzero(mask))}
        vote = calls.votes(self.basis.weights)
        made = []
        for place, reason in zip(new, reasons, strict=True):
            one = position.get(int(place)) if reason is None else None
            made.append(
                {
                    "prediction_date": self.evaluator.day.date,
                    "switch_id": self.basis.switch_id,
                    "lead_id": self.ids[place],
                    "advisor_crd": crds.get(self.ids[place]),
                    "contacted_on": _day(found.contacted_on[place]),
                    "scored_on": _day(found.scored_on[place]),
                    "called_on": _day(found.called_on[place]),
                    "excluded": reason,
                    "leads": None if one is None else int(calls.leads[one]),
                    "own_rank": None if one is None else float(calls.own_rank[one]),
                    "baseline_rank": None if one is None else float(calls.baseline_rank[one]),
                    "vote": None if one is None else float(vote[one]),
                    "bundle_sha256": None if one is None else bundle,
                }
            )
        return made

    def _advisors(self) -> dict[str, int | None]:
        day = self.evaluator.day.date
        days = {"first_scored": day - timedelta(days=MEASURED_DAYS), "last_scored": day}
        rows = self.evaluator.store.rows("lead_advisors", days)
        return {row["lead_id"]: row["advisor_crd"] for row in rows}

    def _reasons(self, new: NDArray[Any], crds: Mapping[str, int | None]) -> list[str | None]:
        """Why each call does not vote; None where it does."""
        found, window = self.found, self.evaluator.rollout.outcome_window_days
        voted = {row["advisor_crd"] for row in self.counted if row["excluded"] is None}
        late = self._computed_afterwards()
        reasons: list[str | None] = []
        for place in new:
            called, contacted, scored = (one[place] for one in (found.called_on, found.contacted_on, found.scored_on))
            crd = crds.get(self.ids[place])
            if called <= contacted:
                reason: str | None = call_votes.SAME_DAY
            elif np.isnat(scored):
                reason = call_votes.UNSCORED
            elif called < scored:
                reason = call_votes.BEFORE_SCORE
            elif (called - contacted).astype(int) > window:
                reason = call_votes.LATE
            elif scored <= np.datetime64(self.switch.day):
                reason = call_votes.EARLIER
            elif late[place]:
                reason = call_votes.AFTERWARDS
            elif crd is not None and crd in voted:
                reason = call_votes.SAME_ADVISOR
            else:
                reason = None
                voted.add(crd)
            reasons.append(reason)
        return reasons

    def _computed_afterwards(self) -> NDArray[Any]:
        """Whether a lead's first score of either version was written on another day, bool (n,)."""
        late = np.zeros(len(self.found.contacted_on), dtype=bool)
        for version, table in self.scores.items():
            flags = np.append(table["retrospective"].to_numpy().astype(bool), True)
            late |= flags[self.found.rows[version]]
        return late


def read_warning(store: Store, rollout: Rollout, events: Sequence[Event], day: date) -> call_votes.Warning | None:
    """The early warning as known on `day`; None without a watch, or before its basis is recorded."""
    switch = watched_since(events, rollout.candidate, day)
    basis = bases(store).get(switch.event_id) if switch else None
    if basis is None:
        return None
    acknowledged = [event.day for event in events if event.event == "acknowledged" and event.day <= day]
    since = max([basis.votes_from - timedelta(days=1), *acknowledged])
    rows = [row for row in _counted(store, day) if row["switch_id"] == basis.switch_id]
    weeks = rollout.policy.weeks
    ends = {row["prediction_date"]: last_day(row["prediction_date"], weeks) for row in rows}
    return call_votes.course(rows, threshold=basis.threshold, since=since, ends=ends, today=day)


def standing_warning(store: Store, rollout: Rollout, events: Sequence[Event], day: date) -> call_votes.Warning | None:
    """The early warning of the running watch; None once a switch of the day itself has ended it."""
    live = deployments.state_after(events).live
    if live is None or live != watched_since(events, rollout.candidate, day):
        return None
    return read_warning(store, rollout, events, day)


def alarms(store: Store, rollout: Rollout, events: Sequence[Event], day: date) -> list[tuple[date, call_votes.Warning]]:
    """Every alarm raised up to `day`, oldest first: the close that raised it, and the warning as it stood when it was
    acknowledged or its watch ended.
    """
    known = [event for event in events if event.day <= day]
    ends = [
        (known[:place], event.day)
        for place, event in enumerate(known)
        if event.event == "acknowledged" or event.event in deployments.SWITCHES
    ]
    stood = [read_warning(store, rollout, before, until) for before, until in [*ends, (known, day)]]
    raised = {(one.alarm.day, one.since): one for one in stood if one and one.alarm}
    return [(raised_on, one) for (raised_on, _), one in sorted(raised.items(), key=lambda one: one[0])]


def _counted(store: Store, day: date) -> list[dict[str, Any]]:
    return store.rows(
        tables.EARLY_WARNING_VOTES, {"first_day": day - timedelta(days=2 * MEASURED_DAYS), "last_day": day}
    )


def _day(value: Any) -> date | None:
    return None if np.isnat(value) else value.item()
