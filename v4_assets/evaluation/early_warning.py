"""The early warning: a CUSUM on booked calls, each of which votes on the day it is known. Pure.

Page (1954), Continuous inspection schemes; in likelihood-ratio form, Moustakides (1986). A vote weighs how much more
likely the call's rank is under a fallen candidate than under a healthy one. It raises an alert and never rolls back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.evaluation.joint_ranks import Ranks
from v4_assets.evaluation.model_strength import TOP, Strength

RANK_WEIGHT, PAIRED_WEIGHT = 0.6, 0.5
"""Of the two parts of a vote: the candidate's rank, and its lead over the baseline's."""
ASSUMED_VARIANCE = 0.06
"""Mean square of the difference of both versions' ranks, where fewer than LEAST_CALLS calls measure it."""
LEAST_CALLS = 100
REFERENCE_DAYS = 28
"""First-score days, up to the lead's own, whose leads a call is ranked among."""
NARROW = 1e-6
"""Half of the width of a rank among very many leads."""
CALIBRATED_WEEKS = 12
"""Weeks after the promotion within which the accepted share of healthy versions alarms."""
FIRST_CALL = ((0, 0.0), (1, 0.34), (2, 0.46), (3, 0.53), (5, 0.63), (7, 0.74), (10, 0.81), (14, 0.85), (21, 0.91),
              (28, 0.95), (35, 0.98), (43, 1.0))  # fmt: skip
"""Measured: days after contact, and the share of the calls after the day of contact that are booked by then."""


@dataclass(frozen=True)
class Weights:
    """What a vote is computed from; fixed while a version is watched."""

    healthy: Strength
    fallen: Strength
    baseline: Strength
    base_rate: float
    """Share of the covered leads that converts."""
    variance: float = ASSUMED_VARIANCE

    @cached_property
    def _profiles(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return profile(self.healthy, self.base_rate), profile(self.fallen, self.base_rate)

    def by_rank(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
        """D: log of the likelihood ratio, fallen over healthy, of a rank between `low` and `high`; shapes (n,)."""
        edges = np.arange(11) / 10
        healthy, fallen = (np.interp(high, edges, one) - np.interp(low, edges, one) for one in self._profiles)
        return np.asarray(np.log(fallen / healthy))

    def by_pair(self, difference: NDArray[Any]) -> NDArray[Any]:
        """P: the same of the candidate's rank minus the baseline's, as for a normal one; shape (n,)."""
        others = 1 - self.base_rate
        healthy = (self.healthy.auc - self.baseline.auc) * others
        fallen = (self.fallen.auc - self.baseline.auc) * others
        return np.asarray((healthy - fallen) / self.variance * ((healthy + fallen) / 2 - difference))

    def votes(
        self,
        below: NDArray[Any],
        equal: NDArray[Any],
        their_below: NDArray[Any],
        their_equal: NDArray[Any],
        n: NDArray[Any],
    ) -> NDArray[Any]:
        """Votes of calls, shape (k,): of `n` leads, those ranked `below` and `equal` (itself included) by either."""
        own, theirs = (below + equal / 2) / n, (their_below + their_equal / 2) / n
        votes = RANK_WEIGHT * self.by_rank(below / n, (below + equal) / n) + PAIRED_WEIGHT * self.by_pair(own - theirs)
        return np.asarray(np.where(n > 1, votes, 0.0))


def profile(strength: Strength, base_rate: float) -> NDArray[Any]:
    """Share of the conversions ranked up to 0, 0.1 … 1, shape (11,). Raises ValueError for an impossible strength."""
    below = np.arange(10) / 10
    return np.append((1 - strength.top) * (below / (1 - TOP)) ** strength.power(base_rate), 1.0)


def sums(weekly: NDArray[Any]) -> NDArray[Any]:
    """The CUSUM at each week-close: S = max(S, 0) + the week's votes; along the last axis, beginning at 0."""
    found, reached = np.empty_like(weekly, dtype=float), np.zeros(weekly.shape[:-1])
    for week in range(weekly.shape[-1]):
        reached = np.maximum(reached, 0.0) + weekly[..., week]
        found[..., week] = reached
    return found


@dataclass(frozen=True)
class Stretch:
    """Some days of contact, one after another, on which conversions rank in the same way."""

    ranks: Ranks
    days: int


def simulated(
    rng: np.random.Generator,
    weights: Weights,
    conversions: NDArray[Any],
    stretches: list[Stretch],
    booked_by: NDArray[Any],
) -> NDArray[Any]:
    """The CUSUM of simulated histories at each week-close, shape (histories, days // 7).

    `conversions` (histories, days) are counted by day of contact, day 0 being that of the promotion; `booked_by` is the
    share booked up to 0, 1 … days after contact.
    """
    histories, days = conversions.shape
    weeks, votes = days // 7, np.zeros((histories, days // 7))
    first = 0
    for stretch in stretches:
        part = conversions[:, first : first + stretch.days].astype(int)
        history, day = np.nonzero(part)
        counts = part[history, day]
        history, day = np.repeat(history, counts), np.repeat(day, counts) + first
        vote = _by_cell(weights, stretch.ranks)[stretch.ranks.draw(rng, len(day))]
        # A close on day 6, 13 … knows the calls before it.
        known = day + np.searchsorted(booked_by, rng.random(len(day))) + 1
        week = np.maximum(-(-(known - 6) // 7), 0)
        seen = week < weeks
        place = history[seen] * weeks + week[seen]
        votes += np.bincount(place, vote[seen], minlength=histories * weeks).reshape(histories, weeks)
        first += stretch.days
    return sums(votes)


def _by_cell(weights: Weights, ranks: Ranks) -> NDArray[Any]:
    """The vote of a conversion in each of the flattened cells of `ranks`, by the ranks in its middle."""
    own, theirs = ranks.middles
    by_pair = weights.by_pair(own[:, None] - theirs[None, :])
    by_rank = weights.by_rank(own - NARROW, own + NARROW)
    return np.asarray((RANK_WEIGHT * by_rank[:, None] + PAIRED_WEIGHT * by_pair).ravel())


def booked_by(points: Sequence[tuple[float, float]], window_days: int) -> NDArray[Any]:
    """Share of the calls booked up to 0, 1 … `window_days` days after contact, from some (day, share) of them."""
    days, shares = zip(*points, strict=True)
    found = np.interp(np.arange(window_days + 1), days, shares)
    return np.asarray(found / found[-1])


def threshold(healthy: NDArray[Any], accepted: float) -> float:
    """The sum that this share of simulated healthy histories exceeds within CALIBRATED_WEEKS week-closes."""
    highest = healthy[:, :CALIBRATED_WEEKS].max(axis=1)
    return float(np.quantile(highest, 1 - accepted, method="higher"))
