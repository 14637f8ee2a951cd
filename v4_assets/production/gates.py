"""From evidence to gates: each criterion of the guide with its verdict and its reason in words. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from v4_assets.config.rollout_policy import Evaluation, Policy, PromotionPolicy, RollbackPolicy
from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.intervals import ROUNDING, one_sided
from v4_assets.production import criteria, decision
from v4_assets.production.criteria import AREA, LIFT, RATE, Measure, Scale, criterion, shortage
from v4_assets.production.decision import Evaluated, Gate, History, Verdict

if TYPE_CHECKING:
    from v4_assets.checks import Finding

TEST_METRICS = ("test_auc_above_baseline", "test_lift", "auc_gap")
"""Checks of the pre-deployment checklist without which a bundle counts as not judged."""


def gates(
    evidence: Sequence[Evidence],
    *,
    candidate: str,
    baseline: str,
    policy: Policy,
    evaluation: Evaluation,
    model_findings: "Sequence[Finding]",
    live_parallel_days: int,
) -> tuple[Gate, ...]:
    """Every gate of one day, in the order of GATE_NAMES.

    `evidence`: the day's rows of both questions; without rows of the baseline (after sunset) what compares with it is
    inconclusive. `model_findings`: the pre-deployment checklist of the candidate's bundle; empty when not judged.
    `live_parallel_days`: days of this phase on which both versions were scored live over the same leads, every check
    passed. Raises ValueError for rows of several days or two rows of one version for one question.
    """
    return (
        *evidence_gates(evidence, candidate=candidate, baseline=baseline, policy=policy, evaluation=evaluation),
        _model_test_metrics(model_findings),
        _live_parallel_days(live_parallel_days, policy.promotion.min_parallel_days),
    )


def evidence_gates(
    evidence: Sequence[Evidence], *, candidate: str, baseline: str, policy: Policy, evaluation: Evaluation
) -> tuple[Gate, ...]:
    """The gates of one day that follow from its evidence alone, in the order of EVIDENCE_GATES."""
    rows = {(row.question, row.version): row for row in evidence}
    if len(rows) < len(evidence) or len({row.prediction_date for row in evidence}) > 1:
        raise ValueError(f"The evidence of one day holds one row per question and version; got {len(evidence)} rows.")
    watched, champion = rows.get(("rollback", candidate)), rows.get(("rollback", baseline))
    proposed = rows.get(("promotion", candidate))
    return (
        _top_decile_lift(watched, policy, evaluation),
        _auc(watched, policy, evaluation),
        _top_decile_conversion(watched, champion, baseline, policy, evaluation),
        _promotion_lift(proposed, policy.promotion, evaluation),
        _not_behind_baseline(proposed, baseline, policy.promotion, evaluation),
    )


def history_of(
    evidence: Iterable[Evidence], *, candidate: str, baseline: str, policy: Policy, evaluation: Evaluation
) -> History:
    """Recorded evidence, day by day, judged by the numbers given, whatever the order of its rows."""
    days = groupby(sorted(evidence, key=lambda row: row.prediction_date), lambda row: row.prediction_date)
    versions = {"candidate": candidate, "baseline": baseline}
    made = {}
    for day, group in days:
        rows = tuple(group)
        judged = evidence_gates(rows, **versions, policy=policy, evaluation=evaluation)
        made[day] = Evaluated(judged, retrospective=any(row.retrospective for row in rows))
    return made


def _top_decile_lift(row: Evidence | None, policy: Policy, evaluation: Evaluation) -> Gate:
    """Lift of the top decile against the guide's 1.5."""
    line = policy.rollback.lift_below
    return _watched(
        decision.TOP_DECILE_LIFT, "Top-decile lift", row, criteria.lift, line, LIFT, policy.rollback, evaluation
    )


def _auc(row: Evidence | None, policy: Policy, evaluation: Evaluation) -> Gate:
    """AUC on matured leads against the guide's 0.59."""
    line = policy.rollback.auc_below
    return _watched(decision.AUC, "AUC", row, criteria.area, line, AREA, policy.rollback, evaluation)


def _top_decile_conversion(
    row: Evidence | None, champion: Evidence | None, baseline: str, policy: Policy, evaluation: Evaluation
) -> Gate:
    """Conversion of the top decile against the guide's 5 %; a fall of the whole market is not the model's fault."""
    name, what, asked = decision.TOP_DECILE_CONVERSION, "Top-decile conversion", policy.rollback
    line = asked.top_decile_conversion_below
    gate = _watched(name, what, row, criteria.conversion, line, RATE, asked, evaluation)
    if gate.verdict != Verdict.FAIL or asked.on_champion_also_failing == "rollback":
        return gate
    theirs = champion.top_decile_conversion if champion else None
    if theirs is None or gate.actual is None:
        return replace(gate, reason=f"{gate.reason} {baseline} has no scores for these leads to compare with.")
    compared = f"{baseline}'s top decile converts at {RATE.write(theirs, line)} on the same leads"
    if theirs >= gate.actual - ROUNDING:
        return replace(gate, reason=f"{gate.reason} {compared}.")
    reason = f"{gate.reason} {compared}, which is lower still: the market fell, not the model."
    return replace(gate, verdict=Verdict.INCONCLUSIVE, reason=reason, alert=True)


def _promotion_lift(row: Evidence | None, asked: PromotionPolicy, evaluation: Evaluation) -> Gate:
    """Lift of the top decile against the guide's 2.0, over enough live scores."""
    short = shortage(row, evaluation.min_conversions.promotion, evaluation) if row else []
    if row and (row.live_share or 0.0) < asked.min_live_share - ROUNDING:
        short.append(f"fewer than {100 * asked.min_live_share:.0f} % of first scores were written on their own day")
    name, level = decision.PROMOTION_LIFT, one_sided(asked.confidence)
    gate = criterion(name, "Top-decile lift", row, criteria.lift, level, asked.lift_at_least, LIFT, short)
    if row is None or row.live_share is None:
        return gate
    return replace(gate, reason=f"{gate.reason} {100 * row.live_share:.0f} % of the first scores are live.")


def _not_behind_baseline(row: Evidence | None, baseline: str, asked: PromotionPolicy, evaluation: Evaluation) -> Gate:
    """Lift minus the baseline's on the same leads, against 0."""
    name, what = decision.NOT_BEHIND_BASELINE, f"Top-decile lift minus {baseline}'s on the same leads"
    if row and row.only_own_top is None:
        reason = f"{baseline} has no scores for these leads, so lift cannot be compared."
        return Gate(name, Verdict.INCONCLUSIVE, reason, threshold=0.0)
    short = shortage(row, evaluation.min_conversions.promotion, evaluation) if row else []
    return criterion(name, what, row, criteria.difference, one_sided(asked.confidence), 0.0, LIFT, short)


def _watched(
    name: str,
    what: str,
    row: Evidence | None,
    measure: Measure,
    line: float,
    scale: Scale,
    asked: RollbackPolicy,
    evaluation: Evaluation,
) -> Gate:
    """A rollback criterion, judged by its bound or, where the policy says so, by its estimate alone."""
    by_estimate = asked.judge_by == "estimate"
    level = None if by_estimate else one_sided(asked.confidence)
    needed = 0 if by_estimate else evaluation.min_conversions.rollback
    short = [] if row is None or by_estimate else shortage(row, needed, evaluation)
    return criterion(name, what, row, measure, level, line, scale, short)


def _model_test_metrics(findings: "Sequence[Finding]") -> Gate:
    name = decision.MODEL_TEST_METRICS
    unjudged = [metric for metric in TEST_METRICS if metric not in {finding.check.name for finding in findings}]
    if unjudged:
        return Gate(name, Verdict.INCONCLUSIVE, f"The bundle's {', '.join(unjudged)} were not checked.")
    reason = "; ".join(
        f"{one.check.name} is {one.actual}, expected {one.expected}" for one in findings if not one.passed
    )
    if reason:
        return Gate(name, Verdict.FAIL, f"The bundle fails its own checklist: {reason}.")
    figures = ", ".join(f"{one.check.name} {one.actual}" for one in findings if one.check.name in TEST_METRICS)
    return Gate(name, Verdict.PASS, f"The bundle passes its own checklist: {figures}.")


def _live_parallel_days(days: int, needed: int) -> Gate:
    verdict = Verdict.PASS if days >= needed else Verdict.INCONCLUSIVE
    reason = (
        f"{days} of {needed} days in parallel with every check passed: both versions scored live over the same leads."
    )
    return Gate(decision.LIVE_PARALLEL_DAYS, verdict, reason, float(days), float(needed))
