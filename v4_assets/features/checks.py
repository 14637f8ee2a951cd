"""Checks of the features: the model's set, one row per lead, allowed values, similar to the previous days."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from v4_assets.checks import Check, Finding, steady
from v4_assets.config.rollout import CheckLimits
from v4_assets.features.feature_statistics import FeatureStatistics
from v4_assets.models.contract import Feature

REMOVED_FEATURES = (
    "industry_tenure_months",
    "tenure_bucket_x_mobility",
    "independent_ria_x_ia_rep",
    "recent_mover_x_bleeding",
)
"""Features that V4.1.0 removed as redundant; they must not be used again."""

EXACT_SET = Check(
    "feature_set_exact",
    "The table has exactly the model's features in the model's types, and no removed feature.",
    blocking=True,
    remedy="The SQL file and the bundle disagree. Deploy the bundle that belongs to the SQL file.",
)
ONE_PER_LEAD = Check(
    "one_row_per_scored_lead",
    "Exactly one feature row per scored lead, and no other rows.",
    blocking=True,
    remedy="Rows were duplicated or lost by a bug or a manual edit of the table. Do not serve the day.",
)
VALUES_ALLOWED = Check(
    "values_allowed",
    "Few leads have a NULL, an unknown category or a number out of range; no version scores these.",
    blocking=True,
    remedy="The details name the feature; check its source column, and its range in the model's features.json.",
)
MISSING_STEADY = Check(
    "missing_rates_steady",
    'The share of "not known" of each feature is close to the median of the previous days.',
    blocking=True,
    remedy="The details name the feature; check its source column.",
)
DRIFT = Check(
    "feature_drift",
    "The distribution of each feature is close to training (population stability index).",
    blocking=False,
    remedy="No immediate action: expected after a change of the market. Consider retraining; scoring continues.",
)
CHECKS = (EXACT_SET, ONE_PER_LEAD, VALUES_ALLOWED, MISSING_STEADY, DRIFT)

KEY_COLUMNS = ("prediction_date", "lead_id", "advisor_crd", "tie_break")
MARK_COLUMNS = ("retrospective",)


def judge(
    found: Mapping[str, str],
    features: Sequence[Feature],
    coverage: Mapping[str, int],
    statistics: Sequence[FeatureStatistics],
    profiles_before: Sequence[Mapping[str, Any]],
    limits: CheckLimits,
    unscorable: int,
) -> list[Finding]:
    """Findings for a day. `found` are the table's columns and types, `features` the bundle's, `coverage` compares with
    scored_leads, `profiles_before` are rows of feature_profile of the days before; `unscorable` counts the leads whose
    values the model does not take."""
    return [
        exact_set(found, features),
        covers(ONE_PER_LEAD, coverage),
        _values_allowed(statistics, unscorable, limits.unscored_share),
        _missing_steady(statistics, profiles_before, limits.missing_rate_change),
        _drift(statistics, limits.psi),
    ]


def exact_set(found: Mapping[str, str], features: Sequence[Feature]) -> Finding:
    """The table's columns are the keys, exactly the model's features in any order, and the marks (MARK_COLUMNS)."""
    whole = {one.name for one in features if one.type == "FLOAT64" and found.get(one.name) == "INT64"}
    found = {name: "FLOAT64" if name in whole else kind for name, kind in found.items()}  # a float takes whole numbers
    columns = [f"{name} {kind}" for name, kind in found.items() if name not in KEY_COLUMNS + MARK_COLUMNS]
    wanted = [f"{feature.name} {feature.type}" for feature in features]
    problems = [f"not the model's: {column}" for column in columns if column not in wanted]
    problems += [f"not in the table: {column}" for column in wanted if column not in columns]
    problems += [f"removed in V4.1.0 but present: {name}" for name in REMOVED_FEATURES if name in found]
    return Finding(EXACT_SET, not problems, f"{len(columns)} features", f"{len(wanted)} features", tuple(problems))


def covers(check: Check, coverage: Mapping[str, int], left_out: int = 0) -> Finding:
    """A table holds every expected lead once and no other. `coverage` is the row of lead_coverage.

    `left_out` is the number of leads that are not scored that day; they may be missing.
    """
    twice = coverage["actual_count"] - coverage["distinct_count"]
    missing, extra = coverage["missing_count"], coverage["extra_count"]
    return Finding(
        check,
        twice == extra == 0 and missing <= left_out,
        f"{coverage['actual_count']} rows: {missing} leads missing, {extra} not expected, {twice} surplus",
        f"{coverage['expected_count']} rows, one per lead"
        + (f", but for {left_out} left unscored" if left_out else ""),
    )


def _values_allowed(statistics: Sequence[FeatureStatistics], unscorable: int, limit: float) -> Finding:
    problems = []
    for one in statistics:
        if one.nulls and one.feature.nulls == "error":
            problems.append(f"{one.feature.name}: NULL in {one.nulls} rows")
        if one.unknown:
            problems.append(
                f"{one.feature.name}: unknown {sorted(one.unknown)[:5]}, known {list(one.feature.categories)}"
            )
        if one.out_of_range:
            bounds = f"[{one.feature.low}, {one.feature.high}]"
            problems.append(f"{one.feature.name}: {one.out_of_range} rows outside {bounds}")
    leads = max((one.rows for one in statistics), default=0)
    return Finding(
        VALUES_ALLOWED,
        unscorable <= limit * leads,
        f"{unscorable} of {leads} leads are not scored",
        f"at most {limit:.1%}",
        tuple(problems),
    )


def _missing_steady(
    statistics: Sequence[FeatureStatistics], before: Sequence[Mapping[str, Any]], limit: float
) -> Finding:
    usual: dict[str, list[float]] = {}
    for row in before:
        if row["row_count"]:
            usual.setdefault(row["feature"], []).append(row["missing_count"] / row["row_count"])
    changes = {
        one.feature.name: one.missing_share - median(usual[one.feature.name])
        for one in statistics
        if one.feature.name in usual
    }
    return steady(MISSING_STEADY, changes, limit)


def _drift(statistics: Sequence[FeatureStatistics], limit: float) -> Finding:
    if not any(one.shares for one in statistics):
        return Finding(DRIFT, False, "no model is registered, so there is no training profile", f"at most {limit}")
    indices = {one.feature.name: one.psi for one in statistics if one.psi is not None}
    over = [f"{name}: {index:.3f}" for name, index in indices.items() if index > limit]
    largest = max(indices.values(), default=0.0)
    return Finding(DRIFT, not over, round(largest, 4), f"at most {limit}", tuple(over))
