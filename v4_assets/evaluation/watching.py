"""The watch of a live candidate: what it is judged by is measured once, booked calls are counted at each week-close."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from v4_assets import tables
from v4_assets.arrays import Numbers
from v4_assets.config.rollout import Rollout
from v4_assets.config.rollout_policy import EarlyWarning
from v4_assets.evaluation import votes
from v4_assets.evaluation.cohorts import Entries, Reach
from v4_assets.evaluation.early_warning import (
    ASSUMED_VARIANCE,
    CALIBRATED_WEEKS,
    FIRST_CALL,
    LEAST_CALLS,
    REFERENCE_DAYS,
    Stretch,
    Weights,
    booked_by,
    simulated,
    threshold,
)
from v4_assets.evaluation.measured import LEAST_CONVERSIONS, Measured, measure
from v4_assets.evaluation.ranks import joint
from v4_assets.evaluation.read import Evaluator
from v4_assets.evaluation.strength import Strength
from v4_assets.partition import write_partition
from v4_assets.production import events as deployments
from v4_assets.production.events import Event
from v4_assets.production.weeks import can_close, last_day
from v4_assets.store import Store
from v4_assets.warehouse.protocol import Statement, arrow_schema

MEASURED_DAYS = 182
"""Days of contact before the switch that are measured."""
CORRELATION = 0.6
"""Of the versions' scores, where the threshold is simulated."""
ASSUMED_BASE = 0.0239
"""Covered base where no conversion has been measured."""
HISTORIES, SEED = 10_000, 7
COUNTED_AGAIN = "booked calls, counted once"
"""Definition of a partition of votes: it never changes, so that a rerun keeps what was counted."""


@dataclass(frozen=True)
class Basis:
    """What a watch is judged by: one row of v4_watch_basis, whose SQL header describes each column."""

    switch_id: str
    version: str
    recorded_on: date
    votes_from: date
    measured_from: date
    measured_to: date
    leads: int
    conversions: int
    before_scored: int
    leads_per_week: float
    booked_by: str
    calls: int
    variance: float
    base_rate: float
    threshold: float
    assumed: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Basis":
        """From a row of v4_watch_basis; columns that are not fields are ignored."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    @property
    def covered(self) -> tuple[int, int]:
        """Covered conversions, and all: the share that scales the conversion line."""
        return self.conversions, self.conversions + self.before_scored

    @property
    def weights(self) -> Weights:
        """What a vote is computed from."""
        strengths = {name: Strength(**figures) for name, figures in json.loads(self.assumed).items()}
        return Weights(**strengths, base_rate=self.base_rate, variance=self.variance)


def watched_since(events: Sequence[Event], candidate: str, day: date) -> Event | None:
    """The switch that made the candidate live before `day`; None while another version is live."""
    live = deployments.state_after([event for event in events if event.day < day]).live
    return live if live and live.version == candidate else None


def bases(store: Store) -> dict[str, Basis]:
    """Every watch's basis by the id of its switch, oldest first."""
    return {row["switch_id"]: Basis.from_row(row) for row in store.rows(tables.WATCH_BASIS)}


def record_basis(evaluator: Evaluator) -> Basis | None:
    """The basis of the running watch, measured and recorded when it is not there yet; None without a watch.

    An evaluation on another day than its own records nothing: it knows outcomes that the watch began without.
    """
    day, rollout = evaluator.day, evaluator.rollout
    switch = watched_since(evaluator.events, rollout.candidate, day.date)
    if switch is None or rollout.baseline not in evaluator.versions:
        return None
    known = bases(evaluator.store).get(switch.event_id)
    if known or day.retrospective:
        return known
    row = _measured(evaluator, switch)
    params = {**row, "recorded_at": day.clock.now(), "run_id": day.run_id}
    evaluator.store.warehouse.transact([Statement(evaluator.store.catalogue.query("record_watch_basis", params))])
    return bases(evaluator.store)[switch.event_id]


def _measured(evaluator: Evaluator, switch: Event) -> dict[str, Any]:
    """The columns of a basis: of leads contacted in the days before the switch whose outcome is known."""
    whole, rollout = evaluator.whole, evaluator.rollout
    last = min(whole.last, switch.day - timedelta(days=1))
    reach = Reach(max(whole.first, last - timedelta(days=MEASURED_DAYS - 1)), last)
    found, scores = evaluator.leads_of(reach)
    measured = measure(found, reach, rollout.outcome_window_days)
    calls = _calls_among(found, _scores(found, scores, evaluator), found.converted & found.covered)
    square = votes.mean_square(calls) if len(calls.leads) >= LEAST_CALLS else None
    asked, base = rollout.policy.early_warning, measured.covered_base or ASSUMED_BASE
    # A switch of the day before begins the watch; an older one without a basis is from before this table.
    fresh = evaluator.store.latest_writes(switch.day, evaluator.day.date)
    name = evaluator.store.catalogue[tables.LIFT_COMPARISON].name
    since = [day for table, day in fresh if table == name and switch.day < day < evaluator.day.date]
    assumed = strengths(asked)
    weights = Weights(**assumed, base_rate=base, variance=square or ASSUMED_VARIANCE)
    timing = measured.booked_by if measured.conversions >= LEAST_CONVERSIONS else FIRST_CALL
    return {
        "switch_id": switch.event_id,
        "version": switch.version,
        "recorded_on": evaluator.day.date,
        "votes_from": evaluator.day.date if since else switch.day,
        "measured_from": measured.first,
        "measured_to": measured.last,
        "leads": measured.leads,
        "conversions": measured.conversions,
        "before_scored": measured.before_scored,
        "leads_per_week": measured.leads_per_week,
        "booked_by": json.dumps(timing),
        "calls": len(calls.leads),
        "variance": weights.variance,
        "base_rate": base,
        "threshold": calibrated(weights, measured, asked, booked_by(timing, rollout.outcome_window_days)),
        "assumed": json.dumps({name: {"lift": one.lift, "auc": one.auc} for name, one in assumed.items()}),
    }


def strengths(asked: EarlyWarning) -> dict[str, Strength]:
    """The three rankings that the early warning reckons with."""
    return {
        "healthy": Strength(asked.healthy_lift, asked.healthy_auc),
        "fallen": Strength(asked.fallen_lift, asked.fallen_auc),
        "baseline": Strength(asked.baseline_lift, asked.baseline_auc),
    }


def calibrated(weights: Weights, measured: Measured, asked: EarlyWarning, delays: Numbers) -> float:
    """The threshold for the measured volume: raised by the accepted share of healthy candidates."""
    rng, days = np.random.default_rng(SEED), 7 * CALIBRATED_WEEKS
    daily = max(measured.leads_per_week / 7 * weights.base_rate, 0.01)
    histories = max(500, min(HISTORIES, int(2e6 / (daily * days))))
    conversions = rng.poisson(daily, size=(histories, days))
    ranks = joint(weights.healthy, weights.baseline, weights.base_rate, correlation=CORRELATION)
    return threshold(simulated(rng, weights, conversions, [Stretch(ranks, days)], delays), asked.false_alarms)


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
    earliest = day.date - timedelta(days=MEASURED_DAYS)
    reach = Reach(max(switch.day - timedelta(days=REFERENCE_DAYS + 3), earliest), day.date - timedelta(days=1))
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
    ids: Numbers
    counted: Sequence[Mapping[str, Any]]

    def rows(self, new: Numbers) -> list[dict[str, Any]]:
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
        calls = _calls_among(found, _scores(found, self.scores, self.evaluator), mask)
        # `_calls_among` keeps the order of the leads, not that of the calls.
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

    def _reasons(self, new: Numbers, crds: Mapping[str, int | None]) -> list[str | None]:
        """Why each call does not vote; None where it does."""
        found, window = self.found, self.evaluator.rollout.outcome_window_days
        voted = {row["advisor_crd"] for row in self.counted if row["excluded"] is None}
        late = self._computed_afterwards()
        reasons: list[str | None] = []
        for place in new:
            called, contacted, scored = (one[place] for one in (found.called_on, found.contacted_on, found.scored_on))
            crd = crds.get(self.ids[place])
            if called <= contacted:
                reason: str | None = votes.SAME_DAY
            elif np.isnat(scored):
                reason = votes.UNSCORED
            elif called < scored:
                reason = votes.BEFORE_SCORE
            elif (called - contacted).astype(int) > window:
                reason = votes.LATE
            elif scored <= np.datetime64(self.switch.day):
                reason = votes.EARLIER
            elif late[place]:
                reason = votes.AFTERWARDS
            elif crd is not None and crd in voted:
                reason = votes.SAME_ADVISOR
            else:
                reason = None
                voted.add(crd)
            reasons.append(reason)
        return reasons

    def _computed_afterwards(self) -> Numbers:
        """Whether a lead's first score of either version was written on another day, bool (n,)."""
        late = np.zeros(len(self.found.contacted_on), dtype=bool)
        for version, table in self.scores.items():
            flags = np.append(table["retrospective"].to_numpy().astype(bool), True)
            late |= flags[self.found.rows[version]]
        return late


def _scores(found: Entries, scores: Mapping[str, pa.Table], evaluator: Evaluator) -> tuple[Numbers, Numbers]:
    """Each lead's first score by candidate and baseline, NaN without one; shapes (n,)."""
    rollout = evaluator.rollout
    taken = [
        np.append(scores[version]["score"].to_numpy(), np.nan)[found.rows[version]]
        for version in (rollout.candidate, rollout.baseline)
    ]
    return taken[0], taken[1]


def _calls_among(found: Entries, scores: tuple[Numbers, Numbers], calls: Numbers) -> votes.Ranked:
    """The leads marked in `calls`, ranked among all covered leads, in the order of the leads."""
    covered = np.flatnonzero(found.covered)
    places = np.searchsorted(covered, np.flatnonzero(calls & found.covered))
    own, baseline = scores
    return votes.ranked(places, found.scored_on[covered], own[covered], baseline[covered])


def read_warning(store: Store, rollout: Rollout, events: Sequence[Event], day: date) -> votes.Warning | None:
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
    return votes.course(rows, threshold=basis.threshold, since=since, ends=ends, today=day)


def _counted(store: Store, day: date) -> list[dict[str, Any]]:
    return store.rows(
        tables.EARLY_WARNING_VOTES, {"first_day": day - timedelta(days=2 * MEASURED_DAYS), "last_day": day}
    )


def _day(value: Any) -> date | None:
    return None if np.isnat(value) else value.item()
