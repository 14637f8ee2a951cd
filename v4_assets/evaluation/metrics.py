"""How well scores rank conversions: AUC and its error, average precision, lift and conversion by rank. Pure.

Ties across a border are credited fractionally, so that no metric depends on the order in which equal scores arrive.
Confidence intervals are in intervals.py.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.evaluation.intervals import Interval, bonett_price_lift_difference, wald, wilson


def auc(scores: NDArray[Any], converted: NDArray[Any]) -> float | None:
    """Area under the ROC curve, ties counted half; None when all or none converted. Shapes (n,), `converted` bool."""
    from sklearn.metrics import roc_auc_score

    if converted.all() or not converted.any():
        return None
    return float(roc_auc_score(converted, scores))


def average_precision(scores: NDArray[Any], converted: NDArray[Any]) -> float | None:
    """Area under the precision-recall curve as average precision; None when none converted."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(converted, scores)) if converted.any() else None


def auc_standard_error(scores: NDArray[Any], converted: NDArray[Any]) -> float | None:
    """DeLong's standard error of the AUC; None with fewer than two leads that converted, or that did not.

    DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988), Comparing the areas under two or more correlated
    receiver operating characteristic curves: a nonparametric approach, Biometrics 44, 837-845. It is 0 when all scores
    are equal, and when they part the classes without a fault.
    """
    return _standard_error(*_placements(scores, converted))


def auc_difference(
    scores: NDArray[Any], baseline_scores: NDArray[Any], converted: NDArray[Any], level: float
) -> Interval | None:
    """AUC of `scores` minus that of `baseline_scores` on the same leads, with DeLong's paired interval at `level`.

    None when the error is undefined: fewer than two leads of a class, or two different AUCs that are both without
    error. The ends lie in [-1, 1].
    """
    own, other = _placements(scores, converted), _placements(baseline_scores, converted)
    error = _standard_error(own[0] - other[0], own[1] - other[1])
    if error is None:
        return None
    difference = float(own[0].mean() - other[0].mean())
    return wald(difference, error, level, low=-1.0, high=1.0) if error > 0 or difference == 0 else None


def membership(scores: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """How much of each lead, 0..1, lies between shares `low` and `high` of the ranking from the bottom; shape (n,).

    The weights sum to (high - low) * n: leads of equal score that lie across a border have the same share of it. So the
    conversions of a slice are sum(weights * converted).
    """
    shares: NDArray[Any] = _slices(scores, np.array([low, high]))[0]
    return shares


def decile_membership(scores: NDArray[Any], strata: NDArray[Any] | None = None) -> NDArray[Any]:
    """How much of each lead lies in each decile, shape (10, n), bottom first: a column sums to 1, a row to n / 10.

    With `strata` (n,) leads are ranked among those of their own stratum only.
    """
    shares: NDArray[Any] = np.zeros((10, len(scores)))
    strata = np.zeros(len(scores)) if strata is None else strata
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        shares[:, inside] = _slices(scores[inside], np.arange(11) / 10)
    return shares


def conversion_of_share(scores: NDArray[Any], converted: NDArray[Any], low: float, high: float) -> float | None:
    """Conversion rate, 0..1, of the leads ranked between shares `low` and `high` from the bottom; 0.9, 1.0 is the top.

    The slice holds exactly (high - low) * n leads: a group of equal scores that lies across a border enters with its
    mean conversion in proportion. None when the slice holds no lead.
    """
    width = (high - low) * len(scores)
    return float(np.sum(membership(scores, low, high) * converted) / width) if width > 0 else None


def top_decile_lift(scores: NDArray[Any], converted: NDArray[Any]) -> float | None:
    """Conversion of the top decile over that of all; None when none converted."""
    if not converted.any():
        return None
    top = conversion_of_share(scores, converted, 0.9, 1.0)
    return None if top is None else top / float(converted.mean())


def _slices(scores: NDArray[Any], borders: NDArray[Any]) -> NDArray[Any]:
    """How much of each lead lies between each border and the next, shape (k - 1, n); borders (k,) are shares."""
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    # The leads of a group fill the positions from `before` on; a slice takes a part of them.
    before, edges = np.cumsum(sizes) - sizes, borders[:, None] * len(scores)
    inside = np.clip(np.minimum(before + sizes, edges[1:]) - np.maximum(before, edges[:-1]), 0.0, sizes)
    shares: NDArray[Any] = (inside / sizes)[:, group]
    return shares


def _placements(scores: NDArray[Any], converted: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """For each converted lead the share of the others it ranks above, for each other lead the share of the converted
    ones above it; ties count half. Both means are the AUC.

    By midranks: Sun, X. and Xu, W. (2014), Fast implementation of DeLong's algorithm for comparing the areas under
    correlated receiver operating characteristic curves, IEEE Signal Process. Lett. 21, 1389-1393.
    """
    won, lost = scores[converted], scores[~converted]
    together = midranks(scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            (together[converted] - midranks(won)) / len(lost),
            1 - (together[~converted] - midranks(lost)) / len(won),
        )


def midranks(values: NDArray[Any]) -> NDArray[Any]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[Any] = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return ranks


def _standard_error(of_converted: NDArray[Any], of_others: NDArray[Any]) -> float | None:
    if min(len(of_converted), len(of_others)) < 2:
        return None
    return float(np.sqrt(sum(np.var(part, ddof=1) / len(part) for part in (of_converted, of_others))))


TOP = 10


@dataclass(frozen=True)
class Ranked:
    """One way of ranking the cohort: how much of each lead lies in each decile, shape (10, n)."""

    deciles: NDArray[Any]
    converted: NDArray[Any]

    @property
    def conversions(self) -> float:
        """Those of the top decile."""
        return float(self.deciles[TOP - 1] @ self.converted)

    @property
    def lift(self) -> float | None:
        """Of the top decile; None without conversions."""
        conversions = self.converted.sum()
        return float(10 * self.conversions / conversions) if conversions else None

    def only_here(self, other: "Ranked") -> float:
        """Conversions in this top decile and not in the other's."""
        return float(np.maximum(self.deciles[TOP - 1] - other.deciles[TOP - 1], 0.0) @ self.converted)


def difference(own: Ranked, other: Ranked, level: float) -> Interval | None:
    """Lift of the top decile minus that of another ranking of the same leads."""
    leads, conversions = len(own.converted), int(own.converted.sum())
    return bonett_price_lift_difference(
        own.only_here(other), other.only_here(own), conversions, leads, leads / 10, level
    )


def decile_rows(deciles: NDArray[Any], converted: NDArray[Any], level: float) -> list[dict[str, Any]]:
    """Leads, conversions, rate with Wilson's interval and lift of each decile; `deciles` (10, n) says who is in it."""
    base = float(converted.mean()) if len(converted) else 0.0
    rows = []
    for number, share in enumerate(deciles, start=1):
        leads, conversions = float(share.sum()), float(share @ converted)
        rate = wilson(min(conversions, leads), leads, level)
        rows.append(
            {
                "decile": number,
                "leads": leads,
                "conversions": conversions,
                "conversion_rate": rate.estimate if rate else None,
                **ends("conversion_rate", rate),
                "lift": rate.estimate / base if rate and base > 0 else None,
            }
        )
    return rows


def top_change(deciles: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Share of one ranking's top decile that is not in the other's, 0..1; both (10, n). None without leads."""
    top, others = deciles[TOP - 1], other[TOP - 1]
    return float(np.maximum(top - others, 0.0).sum() / top.sum()) if len(top) else None


def top_change_by_chance(strata: NDArray[Any]) -> float | None:
    """About the share of a pooled top decile that ranking within `strata` (n,) would change by chance alone.

    A stratum of m among n leads has m / 10 of the top by its own ranking, and by the pooled one a hypergeometric number
    of that mean; half of what they differ by in absolute value, by the normal approximation sd * sqrt(2 / pi) each, is
    exchanged.
    """
    leads = len(strata)
    _, sizes = np.unique(strata, return_counts=True)
    spread = np.sqrt(sizes * 0.1 * 0.9 * (leads - sizes) / max(leads - 1, 1))
    return float(min(1.0, np.sqrt(2 / np.pi) * spread.sum() / 2 / (leads / 10))) if leads else None


def ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    """The interval's ends as columns NAME_low and NAME_high; NULL without one."""
    return {f"{name}_low": interval.low if interval else None, f"{name}_high": interval.high if interval else None}
