"""Confidence intervals for lift, conversion, AUC and differences between versions. Pure.

Every function takes a two-sided `level` in (0, 1); a one-sided bound at a confidence is an end of the interval whose
level is `one_sided(confidence)`. The `..._bounds` functions work on arrays of any one shape and give NaN where a
value is undefined; the others take numbers and give an Interval, or None there. Counts may be fractional, because
equal scores across a decile's border are credited in proportion.
"""

from dataclasses import dataclass
from math import isnan
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bounds = tuple[NDArray[Any], NDArray[Any]]
"""Low and high ends."""

ROUNDING = 1e-9
"""Rounding tolerance of sums of fractional credits."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval."""

    estimate: float
    low: float
    high: float


def one_sided(confidence: float) -> float:
    """The two-sided level whose upper end is the one-sided upper bound at `confidence`: 0.80 gives 0.60."""
    if not 0.5 <= confidence < 1:
        raise ValueError(f"A one-sided confidence lies in [0.5, 1); got {confidence}.")
    return 2 * confidence - 1


def wilson_bounds(successes: Any, trials: Any, level: float) -> Bounds:
    """Wilson's score interval of a proportion, successes / trials; NaN where trials are 0.

    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference, J. Am. Stat. Assoc. 22,
    209-212. Both ends lie in [0, 1].
    """
    x, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    z = _z(level)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = np.where(n > 0, n, np.nan)
        middle = (x + z * z / 2) / (n + z * z)
        half = z / (n + z * z) * np.sqrt(np.maximum(x * (n - x) / n, 0.0) + z * z / 4)
        return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def wilson(successes: float, trials: float, level: float) -> Interval | None:
    """Wilson's interval of successes / trials; None without trials. Raises ValueError unless 0 <= successes <= trials.

    With the conversions of the top decile over its leads it is the interval of the decile's conversion.
    """
    _within("successes", successes, "trials", trials)
    return _interval(successes / trials if trials > 0 else float("nan"), wilson_bounds(successes, trials, level))


def lift_bounds(top_conversions: Any, conversions: Any, leads: Any, top_leads: Any, level: float) -> Bounds:
    """Interval of the top decile's lift; NaN without conversions or without leads.

    The decile's size is fixed, so lift = (leads / top_leads) * (top_conversions / conversions) and only the second
    factor is random: Wilson's interval of it, scaled.
    """
    low, high = wilson_bounds(top_conversions, conversions, level)
    scale = _scale(leads, top_leads)
    return low * scale, high * scale


def lift_interval(
    top_conversions: float, conversions: float, leads: float, top_leads: float, level: float
) -> Interval | None:
    """Lift of the top decile and its interval; None without conversions. Raises ValueError for impossible counts."""
    _within("top_conversions", top_conversions, "conversions", conversions)
    estimate = top_conversions / conversions * float(_scale(leads, top_leads)) if conversions > 0 else float("nan")
    return _interval(estimate, lift_bounds(top_conversions, conversions, leads, top_leads, level))


def hanley_mcneil_error(auc: float, converted: float, others: float) -> float | None:
    """Standard error of an AUC of which only the counts behind it are known; None without both outcomes.

    Hanley, J. A. and McNeil, B. J. (1982), The meaning and use of the area under a ROC curve, Radiology 143, 29-36.
    With the scores themselves DeLong's is better.
    """
    if converted < 1 or others < 1 or not 0 <= auc <= 1:
        return None
    both, either = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (converted - 1) * (both - auc**2) + (others - 1) * (either - auc**2)
    return float(np.sqrt(max(variance, 0.0) / (converted * others)))


def logit_auc_bounds(auc: Any, se: Any, level: float) -> Bounds:
    """Interval of an AUC on the logit scale, from its DeLong standard error; NaN where auc is 0 or 1 or se is NaN.

    Pepe, M. S. (2003), The Statistical Evaluation of Medical Tests for Classification and Prediction, Oxford, p. 107:
    logit(auc) ± z * se / (auc * (1 - auc)), carried back. A standard error of 0 strictly between 0 and 1 means that all
    scores are equal; then the AUC is exactly one half, and so are both ends.
    """
    area, error = np.asarray(auc, dtype=float), np.asarray(se, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        inside = np.where((area > 0) & (area < 1), area, np.nan)
        logit = np.log(inside / (1 - inside))
        half = _z(level) * error / (inside * (1 - inside))
        return 1 / (1 + np.exp(half - logit)), 1 / (1 + np.exp(-half - logit))


def logit_auc_interval(auc: float | None, se: float | None, level: float) -> Interval | None:
    """AUC and its logit interval; None when either is unknown, or when the AUC is 0 or 1 and has no logit."""
    if auc is None or se is None:
        return None
    return _interval(auc, logit_auc_bounds(auc, se, level))


def bonett_price_bounds(first_only: Any, second_only: Any, pairs: Any, level: float) -> Bounds:
    """Interval of the difference first - second of two proportions measured on the same pairs; NaN without pairs.

    Bonett, D. G. and Price, R. M. (2012), Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data, J. Educ. Behav. Stat. 37, 479-488: one pair is added to either kind of disagreement.
    Both ends lie in [-1, 1].
    """
    n = np.asarray(pairs, dtype=float)
    n = np.where(n > 0, n, np.nan)
    first = (np.asarray(first_only, dtype=float) + 1) / (n + 2)
    second = (np.asarray(second_only, dtype=float) + 1) / (n + 2)
    middle = first - second
    half = _z(level) * np.sqrt(np.maximum(first + second - middle**2, 0.0) / (n + 2))
    return np.clip(middle - half, -1.0, 1.0), np.clip(middle + half, -1.0, 1.0)


def lift_difference_bounds(
    only_own_top: Any, only_baseline_top: Any, conversions: Any, leads: Any, top_leads: Any, level: float
) -> Bounds:
    """Interval of a version's lift minus the baseline's on the same leads; NaN without conversions or without leads."""
    low, high = bonett_price_bounds(only_own_top, only_baseline_top, conversions, level)
    scale = _scale(leads, top_leads)
    return low * scale, high * scale


def bonett_price_lift_difference(
    only_own_top: float, only_baseline_top: float, conversions: float, leads: float, top_leads: float, level: float
) -> Interval | None:
    """A version's lift minus the baseline's on the same leads, with Bonett and Price's interval; None without
    conversions. Raises ValueError for impossible counts.

    The estimate is the plain difference; the interval is centred on the adjusted one, a little nearer to 0.
    """
    _within("only_own_top + only_baseline_top", only_own_top + only_baseline_top, "conversions", conversions)
    counts = (only_own_top, only_baseline_top, conversions, leads, top_leads)
    difference = (only_own_top - only_baseline_top) / conversions if conversions > 0 else float("nan")
    return _interval(difference * float(_scale(leads, top_leads)), lift_difference_bounds(*counts, level))


def wald(estimate: float, se: float, level: float, *, low: float, high: float) -> Interval:
    """Estimate ± z * se, kept within [low, high]."""
    half = _z(level) * se
    return Interval(estimate, max(low, estimate - half), min(high, estimate + half))


def _z(level: float) -> float:
    if not 0 <= level < 1:
        raise ValueError(f"A two-sided level lies in [0, 1); got {level}.")
    return NormalDist().inv_cdf((1 + level) / 2)


def _scale(leads: Any, top_leads: Any) -> NDArray[Any]:
    top = np.asarray(top_leads, dtype=float)
    return np.asarray(leads, dtype=float) / np.where(top > 0, top, np.nan)


def _within(part: str, value: float, whole: str, total: float) -> None:
    if not -ROUNDING <= value <= total + ROUNDING * max(1.0, total):
        raise ValueError(f"{part} must lie between 0 and {whole}; got {value} of {total}.")


def _interval(estimate: float, bounds: Bounds) -> Interval | None:
    low, high = (float(end) for end in bounds)
    return None if isnan(estimate) or isnan(low) or isnan(high) else Interval(estimate, low, high)
