"""The pre-deployment checklist of the guide for a registered bundle, and the intervals of its figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Self

import numpy as np

from v4_assets.checks import Check, Finding
from v4_assets.config.rollout_policy import PreDeployment
from v4_assets.evaluation.intervals import Interval, hanley_mcneil_error, lift_interval, logit_auc_interval
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Matrix
from v4_assets.models.profile import Profile

TOP = 0.1
"""Share of leads in the top decile."""


@dataclass(frozen=True)
class TestSet:
    """What metrics.json says of the leads of the test."""

    __test__ = False  # no test of pytest's

    period: tuple[str, str] | None
    """First and last day of contact."""
    leads: int | None
    conversions: int | None

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Self:
        """The test set that these figures state."""
        first, last = metrics.get("test_from"), metrics.get("test_until")
        leads, rate = metrics.get("test_rows"), metrics.get("test_base_rate")
        return cls(
            (str(first), str(last)) if first and last else None,
            int(leads) if leads else None,
            round(leads * rate) if leads and rate else None,
        )

    def __str__(self) -> str:
        period = f"contacted {self.period[0]} to {self.period[1]}" if self.period else "period not stated"
        if self.leads is None:
            return f"{period}, number of leads not stated"
        converted = "" if self.conversions is None else f", {self.conversions:,} of which converted"
        return f"{period}, {self.leads:,} leads{converted}"

    def is_of(self, other: "TestSet") -> bool | None:
        """Whether both are the same leads; None where a number is not stated."""
        if self.period != other.period and self.period and other.period:
            return False
        counts = ((self.leads, other.leads), (self.conversions, other.conversions))
        if any(one != two for one, two in counts if one is not None and two is not None):
            return False
        return None if self.period != other.period or any(None in pair for pair in counts) else True

    def auc(self, value: float, level: float) -> Interval | None:
        """The AUC with its interval; None where the counts are not known."""
        if isnan(value) or self.leads is None or self.conversions is None:
            return None
        error = hanley_mcneil_error(value, self.conversions, self.leads - self.conversions)
        return logit_auc_interval(value, error, level)

    def lift(self, value: float, level: float) -> Interval | None:
        """The top decile's lift with its interval; None where the counts are not known."""
        if isnan(value) or self.leads is None or not self.conversions:
            return None
        # The decile's conversions, which the lift was made of.
        caught = min(value * TOP * self.conversions, self.conversions)
        return lift_interval(caught, self.conversions, self.leads, TOP * self.leads, level)


def shown(value: float, interval: Interval | None, level: float) -> str:
    """A figure and its interval, as the checklist shows them."""
    if isnan(value):
        return "not stated"
    if interval is None:
        return f"{value:.3f} (no interval: the number of test leads and conversions is not stated)"
    return f"{value:.3f} ({level:.0%} interval {interval.low:.3f} to {interval.high:.3f})"


FEATURE_COUNT = Check(
    "feature_count",
    "The model's number of features equals that of its SQL file.",
    blocking=True,
    remedy="Register the bundle that belongs to the SQL file of the version.",
)
AUC_ABOVE = Check(
    "test_auc_above_baseline",
    "Test AUC is above the baseline's on the same test leads; for the baseline itself, above chance (0.5).",
    blocking=True,
    remedy=(
        "Do not deploy this model; train or register another. If it was tested on other leads, measure both versions "
        "on the same ones, state their number and period, and correct the figures with `v4 register VERSION "
        "--figures-only --metrics FILE --reason TEXT`."
    ),
)
LIFT_ABOVE = Check(
    "test_lift",
    "Top-decile lift on the test period is above the guide's threshold.",
    blocking=True,
    remedy="Do not deploy this model; train or register another.",
)
AUC_GAP = Check(
    "auc_gap",
    "Train AUC exceeds test AUC by no more than the guide allows: no overfitting.",
    blocking=True,
    remedy="The model overfits its training period. Train a simpler one.",
)
ADDITIVE = Check(
    "treeshap_additive",
    "TreeSHAP values and bias add up to the model's margin.",
    blocking=True,
    remedy="The reasons of the scores are unreliable. Check whether another XGBoost release made the bundle.",
)
EVERY_MODEL = (FEATURE_COUNT, AUC_ABOVE, AUC_GAP, ADDITIVE)
CHALLENGER = (*EVERY_MODEL, LIFT_ABOVE)
TEST_FIGURES = (AUC_ABOVE, LIFT_ABOVE, AUC_GAP)
"""Checks of the bundle's own figures, which score no row."""

EXPLAINED_ROWS = 512


def judge(
    bundle: Bundle,
    baseline: Bundle,
    feature_count: int,
    limits: PreDeployment,
    asked: Sequence[Check],
    level: float = 0.90,
) -> list[Finding]:
    """Findings of the `asked` checks. `feature_count` is the number of features of the version's SQL file, `level` the
    two-sided level of the intervals beside the figures."""
    judges: dict[Check, Callable[[], Finding]] = {
        FEATURE_COUNT: lambda: _feature_count(bundle, feature_count),
        AUC_ABOVE: lambda: _auc_above(bundle, baseline, level),
        AUC_GAP: lambda: _auc_gap(bundle, limits.auc_gap_at_most),
        ADDITIVE: lambda: _additive(bundle, limits.additivity_tolerance),
        LIFT_ABOVE: lambda: _lift_above(bundle, limits.test_lift_above, level),
    }
    return [judges[check]() for check in asked]


def rows_like(profile: Profile, names: Sequence[str], count: int) -> Matrix:
    """`count` encoded rows drawn feature by feature from a profile, the same every time. Shape (count, len(names))."""
    rng = np.random.default_rng(0)
    matrix: Matrix = np.empty((count, len(names)), dtype=np.float32)
    for position, name in enumerate(names):
        histogram = profile.features[name]
        if not sum(histogram.shares):
            matrix[:, position] = np.nan
            continue
        edges = np.asarray([*histogram.edges, (histogram.edges[-1] if histogram.edges else 0.0) + 1.0])
        matrix[:, position] = rng.choice(edges, size=count, p=np.asarray(histogram.shares) / sum(histogram.shares))
    return matrix


def _feature_count(bundle: Bundle, wanted: int) -> Finding:
    return Finding(FEATURE_COUNT, len(bundle.features) == wanted, len(bundle.features), wanted)


def _auc_above(bundle: Bundle, baseline: Bundle, level: float) -> Finding:
    found, tested = _figure(bundle, "test_auc"), TestSet.of(bundle.metrics)
    actual = shown(found, tested.auc(found, level), level)
    if bundle.version == baseline.version:
        return Finding(AUC_ABOVE, found > 0.5, actual, "above 0.5", (f"tested on: {tested}",))
    line, other = _figure(baseline, "test_auc"), TestSet.of(baseline.metrics)
    wanted = f"above {baseline.version}'s {shown(line, other.auc(line, level), level)}"
    details = (f"{bundle.version} was tested on: {tested}", f"{baseline.version} was tested on: {other}")
    same = tested.is_of(other)
    if same or not found > 0.5 or isnan(line):
        return Finding(AUC_ABOVE, found > line, actual, wanted, details)
    why = "they are not stated to be the same leads" if same is None else "they are other leads"
    return Finding(AUC_ABOVE, False, f"{actual}, not compared: {why}", wanted, details, inconclusive=True)


def _lift_above(bundle: Bundle, line: float, level: float) -> Finding:
    found, tested = _figure(bundle, "test_top_decile_lift"), TestSet.of(bundle.metrics)
    actual = shown(found, tested.lift(found, level), level)
    return Finding(LIFT_ABOVE, found > line, actual, f"above {line}", (f"tested on: {tested}",))


def _auc_gap(bundle: Bundle, limit: float) -> Finding:
    gap = round(_figure(bundle, "train_auc") - _figure(bundle, "test_auc"), 4)
    return Finding(AUC_GAP, gap <= limit, gap, f"at most {limit}")


def _additive(bundle: Bundle, tolerance: float) -> Finding:
    rows = rows_like(bundle.profile, bundle.feature_names, EXPLAINED_ROWS)
    error = np.abs(bundle.contributions(rows).sum(axis=1) - bundle.margins(rows)).max()
    return Finding(ADDITIVE, bool(error <= tolerance), f"off by {error:.2e}", f"at most {tolerance:g} log-odds")


def _figure(bundle: Bundle, name: str) -> float:
    """A figure of metrics.json; NaN, which fails every comparison, when an imported model does not state it."""
    value = bundle.metrics.get(name)
    return float("nan") if value is None else float(value)
