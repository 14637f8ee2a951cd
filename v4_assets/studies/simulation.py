"""Simulated histories of a rollout: leads, conversions and their rank under both versions, day by day. Pure.

Where conversions rank is `ranks.joint`. Only sums by day are kept, and the sum of a day's ranks is drawn from the
normal distribution with its exact mean and variance, so that ten thousand leads a week cost no more than a hundred.
No day is missing and every lead is covered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.evaluation.early_warning import Stretch
from v4_assets.evaluation.joint_ranks import Ranks

EVEN = 1 / 12
"""Variance of an even rank."""
MONTH_DAYS = 30


@dataclass(frozen=True)
class Sums:
    """Sums over leads by history and day or cohort, shapes (histories, columns); even days' `leads` (1, days)."""

    leads: NDArray[Any]
    conversions: NDArray[Any]
    top: NDArray[Any]
    """Conversions in the version's top decile."""
    baseline_top: NDArray[Any]
    both_top: NDArray[Any]
    ranks: NDArray[Any]
    squares: NDArray[Any]
    """Of the ranks of conversions."""
    others: NDArray[Any]
    """By how much the leads that did not convert happen to rank lower than they would on average."""

    def map(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> "Sums":
        """The same change on every array."""
        return Sums(*(change(getattr(self, name)) for name in self.__dataclass_fields__))

    def auc(self) -> NDArray[Any]:
        """AUC; NaN without conversions."""
        m, n = self.conversions, self.leads
        with np.errstate(invalid="ignore", divide="ignore"):
            area: NDArray[Any] = (n * self.ranks - m * m / 2) / (m * (n - m)) + self.others / (n - m)
        return area

    def auc_se(self) -> NDArray[Any]:
        """DeLong standard error: the conversions' part from their ranks, the others' part as for even ranks."""
        m, n = self.conversions, self.leads
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.maximum(self.squares / m - (self.ranks / m) ** 2, 0.0)
            error: NDArray[Any] = np.sqrt(variance / m + EVEN / (n - m))
        return error


@dataclass(frozen=True)
class Moments:
    """Of the ranks of conversions: what sums of many are drawn from."""

    ranks: Ranks

    @cached_property
    def top(self) -> float:
        """Share in the candidate's top decile."""
        return float(self.ranks.own_top @ self.ranks.cells.sum(axis=1))

    @cached_property
    def theirs(self) -> float:
        """Share in the baseline's."""
        return float(self.ranks.cells.sum(axis=0) @ self.ranks.their_top)

    @cached_property
    def both(self) -> float:
        """Share in both."""
        return float(self.ranks.own_top @ self.ranks.cells @ self.ranks.their_top)

    def of_rank(self, *, top: bool) -> tuple[float, float]:
        """Mean and variance of the candidate's ranks inside the top decile, or below it."""
        share = self.ranks.own_top if top else 1 - self.ranks.own_top
        weights = share * self.ranks.cells.sum(axis=1)
        low, high = self.ranks.own_edges[:-1], self.ranks.own_edges[1:]
        middle = (low + high) / 2
        mean = float(weights @ middle / weights.sum()) if weights.sum() else 0.0
        square = float(weights @ (middle**2 + (high - low) ** 2 / 12) / weights.sum()) if weights.sum() else 0.0
        return mean, square - mean**2


def leads_by_day(
    rng: np.random.Generator, histories: int, days: int, weekly: float, weeks: NDArray[Any] | None
) -> NDArray[Any]:
    """Leads contacted each day: (1, days), or (histories, days) drawn from `weeks`, a sample of weekly volumes."""
    if weeks is None:
        return np.diff(np.floor(np.arange(days + 1) * weekly / 7))[None, :]
    drawn = rng.choice(weeks, size=(histories, -(-days // 7)))
    return np.rint(np.repeat(drawn, 7, axis=1)[:, :days] / 7)


def converted(
    rng: np.random.Generator, histories: int, leads: NDArray[Any], base_rates: NDArray[Any], stretches: list[Stretch]
) -> NDArray[Any]:
    """Conversions by day of contact, shape (histories, days); `leads` and `base_rates` are broadcast to it."""
    factors = np.concatenate([np.full(stretch.days, stretch.ranks.conversions) for stretch in stretches])
    shape = (histories, len(factors))
    rates = np.broadcast_to(np.minimum(base_rates * factors, 1.0), shape)
    return rng.binomial(np.broadcast_to(leads, shape).astype(int), rates)


def draw(
    rng: np.random.Generator, histories: int, leads: NDArray[Any], base_rates: NDArray[Any], stretches: list[Stretch]
) -> Sums:
    """Days of contact, one column each; `leads` and `base_rates` are broadcast to (histories, days)."""
    conversions = converted(rng, histories, leads, base_rates, stretches)
    others = np.sqrt((leads - conversions) * EVEN) * rng.standard_normal(conversions.shape)
    borders = np.cumsum([0, *(stretch.days for stretch in stretches)])
    parts = [
        _ranked(rng, conversions[:, start:end], Moments(stretch.ranks))
        for stretch, start, end in zip(stretches, borders[:-1], borders[1:], strict=True)
    ]
    top, baseline_top, both, ranks, squares = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return Sums(leads, conversions, top, baseline_top, both, ranks, squares, others)


def _ranked(rng: np.random.Generator, conversions: NDArray[Any], moments: Moments) -> tuple[NDArray[Any], ...]:
    """Of a stretch of days: top, baseline_top, both_top, ranks and squares."""
    own, shared = moments.top, min(moments.both, moments.top)
    (high_mean, high_variance), (mean, variance) = moments.of_rank(top=True), moments.of_rank(top=False)
    top = rng.binomial(conversions, min(own, 1.0))
    both = rng.binomial(top, min(shared / own, 1.0) if own else 0.0)
    alone = (moments.theirs - shared) / (1 - own) if own < 1 else 0.0
    baseline_top = both + rng.binomial(conversions - top, min(max(alone, 0.0), 1.0))
    low = conversions - top
    spread = np.sqrt(top * high_variance + low * variance)
    ranks = top * high_mean + low * mean + spread * rng.standard_normal(conversions.shape)
    squares = top * (high_mean**2 + high_variance) + low * (mean**2 + variance)
    return top, baseline_top, both, ranks, squares


def cohorts(days: Sums, ends: NDArray[Any], min_conversions: int, min_days: int, max_days: int) -> Sums:
    """Shortest cohorts that end on the days `ends` and hold the needed conversions, within the limits of their length.

    `ends` are column numbers; one column a cohort comes out.
    """
    totals = days.map(lambda one: np.concatenate([np.zeros((len(one), 1)), np.cumsum(one, axis=1)], axis=1))
    held = totals.conversions.astype(np.int64)
    beyond = held.max() + 1
    offsets = np.arange(len(held))[:, None] * beyond
    wanted = held[:, ends + 1] - min_conversions
    found = np.searchsorted((held + offsets).ravel(), np.maximum(wanted, 0) + offsets, side="right") - 1
    found -= np.arange(len(held))[:, None] * held.shape[1]
    found = np.where(wanted < 0, 0, found)
    starts = np.maximum(np.minimum(found, ends + 1 - min_days), np.maximum(ends + 1 - max_days, 0))

    def between(one: NDArray[Any]) -> NDArray[Any]:
        rows = np.broadcast_to(one, held.shape)
        found: NDArray[Any] = rows[:, ends + 1] - np.take_along_axis(rows, starts, axis=1)
        return found

    return totals.map(between)
