"""How well scores rank conversions: AUC and its error, average precision, lift and conversion by rank. Pure.

Ties across a border are credited fractionally, so that no metric depends on the order in which equal scores arrive.
Confidence intervals are in intervals.py.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.evaluation.intervals import Interval, wald


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
