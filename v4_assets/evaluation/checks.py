"""Checks of the day's cohorts: large and complete enough for a verdict, and rankings that agree. Gates: gates.py."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from v4_assets.checks import Check, Finding
from v4_assets.config.rollout_policy import Evaluation
from v4_assets.evaluation.call_votes import Warning
from v4_assets.evaluation.evidence import Evidence
from v4_assets.production.criteria import shortage

COHORT_SOUND = Check(
    "cohort_sound",
    "The cohorts have enough conversions, one artifact scored their leads in time, and calls are still recorded.",
    blocking=False,
    remedy=(
        "The details name what is missing. Check that calls are recorded and every lead is scored within three days "
        "of its contact."
    ),
)
RANKINGS_AGREE = Check(
    "rankings_agree",
    "Ranking within the week of contact gives about the same top decile as ranking the whole cohort: the level of the "
    "scores is stable from week to week.",
    blocking=False,
    remedy=(
        "The level of the scores changes from week to week, which lowers lift. Check `score_drift` and `feature_drift`."
    ),
)
EARLY_WARNING = Check(
    "early_warning",
    "The booked calls look like the model that was measured, and not more like a fallen one (a CUSUM; docs/odds.md).",
    blocking=False,
    remedy=(
        "An alert, no verdict: nothing is rolled back by it. Look at the feature and score drift and at the next "
        "week-closes; roll back with `v4 rollback`, or end the alarm with `v4 acknowledge --reason …`."
    ),
)
CLOSES_HOLD = Check(
    "closes_hold",
    "The verdicts of the last closed week are the same by the calls known today; no late call changes one.",
    blocking=False,
    remedy="The recorded verdict stands. Find out why calls arrive late; `evaluation.label_lag_days` waits for them.",
)
CHECKS = (COHORT_SOUND, RANKINGS_AGREE, EARLY_WARNING, CLOSES_HOLD)

TOP_CHANGE = 0.10
"""Largest accepted share of the top decile that changes beyond chance. Scores whose level moves by 0.6 standard
deviations from week to week change about 30 % beyond chance and lose a tenth of their lift, which lift alone would
reveal in only one cohort of three."""


def judge(
    rows: Sequence[Mapping[str, Any]], limits: Evaluation, silences: Sequence[tuple[date, date]] = ()
) -> list[Finding]:
    """Findings for a day. `rows` are the day's rows of lift_comparison, `silences` recent days without calls."""
    return [_cohort_sound([Evidence.from_row(dict(row)) for row in rows], limits, silences), _rankings_agree(rows)]


def early_warning(warning: Warning | None, candidate: str) -> Finding:
    """Whether the sum of the votes is above its threshold."""
    if warning is None:
        return Finding(EARLY_WARNING, True, f"{candidate} is not live, so no calls are counted", "no alarm")
    left = tuple(f"{count} calls do not vote: {reason}" for reason, count in warning.reasons.items())
    return Finding(
        EARLY_WARNING, warning.alarm is None, warning.sentence(candidate).removesuffix("."), "no alarm", left
    )


def closes_hold(changed: Sequence[str]) -> Finding:
    """Whether late calls would change a verdict of the last closed week."""
    return Finding(CLOSES_HOLD, not changed, f"{len(changed)} verdicts that late calls change", "none", tuple(changed))


def _cohort_sound(evidence: Sequence[Evidence], limits: Evaluation, silences: Sequence[tuple[date, date]]) -> Finding:
    problems = [
        f"no call is recorded {f'on {last}' if first == last else f'from {first} to {last}'}: check the outcome feed"
        for first, last in silences
    ]
    for row in evidence:
        needed = getattr(limits.min_conversions, row.question)
        problems += [f"{row.question}, {row.version}: {problem}" for problem in shortage(row, needed, limits)]
    found = "; ".join(f"{question}: {size}" for question, size in _sizes(evidence)) or "no cohort"
    wanted = f"{limits.min_conversions.promotion} and {limits.min_conversions.rollback} conversions"
    return Finding(COHORT_SOUND, bool(evidence) and not problems, found, wanted, tuple(problems))


def _sizes(evidence: Sequence[Evidence]) -> Iterator[tuple[str, str]]:
    sizes = {row.question: f"{row.conversions} conversions among {row.leads} leads" for row in evidence}
    yield from sorted(sizes.items())


def _rankings_agree(rows: Sequence[Mapping[str, Any]]) -> Finding:
    beyond = {
        f"{row['question']}, {row['version']}": row["top_change"] - row["top_change_by_chance"]
        for row in rows
        if row["top_change"] is not None
    }
    over = [
        f"{name}: {row['top_change']:.0%} of the top decile changes, {row['top_change_by_chance']:.0%} by chance; "
        f"lift {_two(row['lift'])} in the cohort, {_two(row['within_week_lift'])} within the week"
        for row in rows
        if beyond.get(name := f"{row['question']}, {row['version']}", 0.0) > TOP_CHANGE
    ]
    found = f"{max(beyond.values(), default=0.0):.1%} of the top decile beyond chance"
    return Finding(RANKINGS_AGREE, not over, found, f"at most {TOP_CHANGE:.0%}", tuple(over))


def _two(lift: float | None) -> str:
    return "unknown" if lift is None else f"{lift:.2f}"
