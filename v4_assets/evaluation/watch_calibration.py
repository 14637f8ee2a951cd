"""What the watch of a live candidate is judged by: measured once, when the watch begins."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from v4_assets import tables
from v4_assets.config.rollout_policy import EarlyWarning
from v4_assets.evaluation import call_votes
from v4_assets.evaluation.cohorts import Entries, Reach
from v4_assets.evaluation.early_warning import (
    ASSUMED_VARIANCE,
    CALIBRATED_WEEKS,
    FIRST_CALL,
    LEAST_CALLS,
    Stretch,
    Weights,
    booked_by,
    simulated,
    threshold,
)
from v4_assets.evaluation.evaluator import Evaluator
from v4_assets.evaluation.joint_ranks import joint
from v4_assets.evaluation.lead_flow import LEAST_CONVERSIONS, Measured, measure
from v4_assets.evaluation.model_strength import Strength
from v4_assets.production import events as deployments
from v4_assets.production.events import Event
from v4_assets.store import Store
from v4_assets.warehouse.protocol import Statement

MEASURED_DAYS = 182
"""Days of contact before the switch that are measured."""
CORRELATION = 0.6
"""Of the versions' scores, where the threshold is simulated."""
ASSUMED_BASE = 0.0239
"""Covered base where fewer than LEAST_CONVERSIONS conversions measure it."""
HISTORIES, SEED = 10_000, 7


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
    """The columns of a basis: of leads contacted in the days before the switch whose outcome is known.

    After an upgrade late in a watch no such day is in reach; then of all leads whose outcome is known.
    """
    whole, rollout = evaluator.whole, evaluator.rollout
    last = min(whole.last, switch.day - timedelta(days=1))
    earliest = max(whole.first, last - timedelta(days=MEASURED_DAYS - 1))
    reach = Reach(earliest, last) if earliest <= last else whole
    found, scores = evaluator.leads_of(reach)
    measured = measure(found, reach, rollout.outcome_window_days)
    calls = calls_among(found, first_scores(found, scores, evaluator), found.converted & found.covered)
    square = call_votes.mean_square(calls) if len(calls.leads) >= LEAST_CALLS else None
    asked, measures_base = rollout.policy.early_warning, measured.conversions >= LEAST_CONVERSIONS
    base = measured.covered_base if measures_base and measured.covered_base else ASSUMED_BASE
    # A switch of the day before begins the watch; an older one without a basis is from before this table.
    fresh = evaluator.store.latest_writes(switch.day, evaluator.day.date)
    name = evaluator.store.catalogue[tables.LIFT_COMPARISON].name
    since = [day for table, day in fresh if table == name and switch.day < day < evaluator.day.date]
    assumed = strengths(asked)
    weights = Weights(**assumed, base_rate=base, variance=square or ASSUMED_VARIANCE)
    timing = measured.booked_by if measures_base else FIRST_CALL
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


def calibrated(weights: Weights, measured: Measured, asked: EarlyWarning, delays: NDArray[Any]) -> float:
    """The threshold for the measured volume: raised by the accepted share of healthy candidates."""
    rng, days = np.random.default_rng(SEED), 7 * CALIBRATED_WEEKS
    daily = max(measured.leads_per_week / 7 * weights.base_rate, 0.01)
    histories = max(500, min(HISTORIES, int(2e6 / (daily * days))))
    conversions = rng.poisson(daily, size=(histories, days))
    ranks = joint(weights.healthy, weights.baseline, weights.base_rate, correlation=CORRELATION)
    return threshold(simulated(rng, weights, conversions, [Stretch(ranks, days)], delays), asked.false_alarms)


def first_scores(
    found: Entries, scores: Mapping[str, pa.Table], evaluator: Evaluator
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each lead's first score by candidate and baseline, NaN without one; shapes (n,)."""
    rollout = evaluator.rollout
    taken = [
        np.append(scores[version]["score"].to_numpy(), np.nan)[found.rows[version]]
        for version in (rollout.candidate, rollout.baseline)
    ]
    return taken[0], taken[1]


def calls_among(found: Entries, scores: tuple[NDArray[Any], NDArray[Any]], calls: NDArray[Any]) -> call_votes.Ranked:
    """The leads marked in `calls`, ranked among all covered leads, in the order of the leads."""
    covered = np.flatnonzero(found.covered)
    places = np.searchsorted(covered, np.flatnonzero(calls & found.covered))
    own, baseline = scores
    return call_votes.ranked(places, found.scored_on[covered], own[covered], baseline[covered])
