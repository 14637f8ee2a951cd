"""Simulated histories of a rollout: leads, conversions and their rank under both versions, day by day. Pure.

A version is two figures, its top-decile lift and its AUC. Of every conversion its rank among all leads, a share
from the bottom in (0, 1), falls into the top decile with probability lift / 10 and is even there; below it follows the
power law that gives the AUC. Only sums by day are kept, and the sum of a day's ranks is drawn from the normal
distribution with its exact mean and variance, so that ten thousand leads a week cost no more than a hundred. What
outcomes, clocks and people do except chance is not simulated: no day is missing and every lead is covered.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from v4_assets.arrays import Numbers
from v4_assets.studies.assumptions import TOP, TOP_MEAN, TOP_VARIANCE, Strength

EVEN = 1 / 12
"""Variance of an even rank."""


@dataclass(frozen=True)
class Sums:
    """Sums over leads by history and day or cohort, shapes (histories, columns); of days' `leads` (1, days)."""

    leads: Numbers
    conversions: Numbers
    top: Numbers
    """Conversions in the version's top decile."""
    baseline_top: Numbers
    both_top: Numbers
    ranks: Numbers
    squares: Numbers
    """Of the ranks of conversions."""
    others: Numbers
    """By how much the leads that did not convert happen to rank lower than they would on average."""

    def map(self, change: Callable[[Numbers], Numbers]) -> "Sums":
        """The same change on every array."""
        return Sums(*(change(getattr(self, name)) for name in self.__dataclass_fields__))

    def auc(self) -> Numbers:
        """AUC; NaN without conversions."""
        m, n = self.conversions, self.leads
        with np.errstate(invalid="ignore", divide="ignore"):
            area: Numbers = (n * self.ranks - m * m / 2) / (m * (n - m)) + self.others / (n - m)
        return area

    def auc_se(self) -> Numbers:
        """DeLong standard error: the conversions' part from their ranks, the others' part as for even ranks."""
        m, n = self.conversions, self.leads
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.maximum(self.squares / m - (self.ranks / m) ** 2, 0.0)
            return np.sqrt(variance / m + EVEN / (n - m))


def draw(
    rng: np.random.Generator,
    histories: int,
    *,
    leads_per_week: float,
    base_rates: Numbers,
    strengths: list[tuple[Strength, int]],
    baseline: Strength,
    overlap: float,
) -> Sums:
    """Days of contact, one column each. `strengths` of the version, each with its number of days, one after another.

    `base_rates` has one entry a day. `overlap`: of the conversions in the smaller of the two top deciles, the share
    that is in the other one too.
    """
    days = len(base_rates)
    leads = np.diff(np.floor(np.arange(days + 1) * leads_per_week / 7))[None, :]
    conversions = rng.binomial(leads.astype(int), base_rates, size=(histories, days))
    others = np.sqrt((leads - conversions) * EVEN) * rng.standard_normal(conversions.shape)
    borders = np.cumsum([0, *(length for _, length in strengths)])
    parts = [
        _ranked(rng, conversions[:, start:end], float(base_rates[start:end].mean()), version, baseline, overlap)
        for (version, _), start, end in zip(strengths, borders[:-1], borders[1:], strict=True)
    ]
    top, baseline_top, both, ranks, squares = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return Sums(leads, conversions, top, baseline_top, both, ranks, squares, others)


def _ranked(
    rng: np.random.Generator,
    conversions: Numbers,
    base_rate: float,
    version: Strength,
    baseline: Strength,
    overlap: float,
) -> tuple[Numbers, ...]:
    """Of a stretch of days: top, baseline_top, both_top, ranks and squares."""
    own, theirs = version.lift * TOP, baseline.lift * TOP
    shared = overlap * min(own, theirs)
    mean, variance = version.below_the_top(base_rate)
    top = rng.binomial(conversions, own)
    both = rng.binomial(top, shared / own if own else 0.0)
    baseline_top = both + rng.binomial(conversions - top, (theirs - shared) / (1 - own))
    low = conversions - top
    spread = np.sqrt(top * TOP_VARIANCE + low * variance)
    ranks = top * TOP_MEAN + low * mean + spread * rng.standard_normal(conversions.shape)
    squares = top * (TOP_MEAN**2 + TOP_VARIANCE) + low * (mean**2 + variance)
    return top, baseline_top, both, ranks, squares


def cohorts(days: Sums, ends: Numbers, min_conversions: int, min_days: int, max_days: int) -> Sums:
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

    def between(one: Numbers) -> Numbers:
        rows = np.broadcast_to(one, held.shape)
        found: Numbers = rows[:, ends + 1] - np.take_along_axis(rows, starts, axis=1)
        return found

    return totals.map(between)
