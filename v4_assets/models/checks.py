"""The guide's pre-deployment checklist for a registered bundle."""

from collections.abc import Callable, Sequence

import numpy as np

from v4_assets.checks import Check, Finding
from v4_assets.config.rollout import PreDeployment
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Matrix
from v4_assets.models.profile import Profile

FEATURE_COUNT = Check(
    "feature_count",
    "The model's number of features equals that of its SQL file.",
    blocking=True,
    remedy="Register the bundle that belongs to the SQL file of the version.",
)
AUC_ABOVE = Check(
    "test_auc_above_baseline",
    "Test AUC is above the baseline's; for the baseline itself, above chance (0.5).",
    blocking=True,
    remedy="Do not deploy this model; train or register another.",
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
    bundle: Bundle, baseline: Bundle, feature_count: int, limits: PreDeployment, asked: Sequence[Check]
) -> list[Finding]:
    """Findings of the `asked` checks. `feature_count` is the number of features of the version's SQL file."""
    judges: dict[Check, Callable[[], Finding]] = {
        FEATURE_COUNT: lambda: _feature_count(bundle, feature_count),
        AUC_ABOVE: lambda: _auc_above(bundle, baseline),
        AUC_GAP: lambda: _auc_gap(bundle, limits.auc_gap_at_most),
        ADDITIVE: lambda: _additive(bundle, limits.additivity_tolerance),
        LIFT_ABOVE: lambda: _lift_above(bundle, limits.test_lift_above),
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


def _auc_above(bundle: Bundle, baseline: Bundle) -> Finding:
    line = 0.5 if bundle.version == baseline.version else _figure(baseline, "test_auc")
    found = _figure(bundle, "test_auc")
    return Finding(AUC_ABOVE, found > line, found, f"above {line}")


def _lift_above(bundle: Bundle, line: float) -> Finding:
    found = _figure(bundle, "test_top_decile_lift")
    return Finding(LIFT_ABOVE, found > line, found, f"above {line}")


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
