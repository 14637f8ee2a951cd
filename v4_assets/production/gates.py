"""From evidence to gates: each criterion of the guide with its verdict and its reason in words. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from v4_assets.config.rollout_policy import Evaluation, Policy, PromotionPolicy, RollbackPolicy
from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.intervals import ROUNDING, one_sided
from v4_assets.production import criteria, decision
from v4_assets.production.criteria import LIFT, RATE, Covered, Line, criterion, shortage
from v4_assets.production.decision import Evaluated, Gate, History, Verdict

if TYPE_CHECKING:
    from v4_assets.checks import Finding

TEST_METRICS = ("test_auc_above_baseline", "test_lift", "auc_gap")
"""Checks of the pre-deployment checklist without which a bundle counts as not judged."""
FROM_LIST = (
    "The leads come from the live version's own list, so lift and AUC understate what it does among all advisors."
)


def gates(
    evidence: Sequence[Evidence],
    *,
    candidate: str,
    baseline: str,
    live: str,
    policy: Policy,
    evaluation: Evaluation,
    covered: Covered | None,
    model_findings: "Sequence[Finding]",
    live_parallel_days: int,
) -> tuple[Gate, ...]:
    """Every gate of one day, in the order of GATE_NAMES.

    `evidence`: the day's rows of both questions; without rows of the baseline (after sunset) what compares with it is
    inconclusive. `live` is the version that the rollback gates judge. `covered` was fixed when the watch began; None
    measures it on the cohort itself. `model_findings`: the pre-deployment checklist of the candidate's bundle; empty
    when not judged. `live_parallel_days`: days of this phase on which both versions were scored live over the same
    leads, every check passed. Raises ValueError for rows of several days or two rows of one version for one question.
    """
    return (
        *evidence_gates(
            evidence,
            candidate=candidate,
            baseline=baseline,
            live=live,
            policy=policy,
            evaluation=evaluation,
            covered=covered,
        ),
        _model_test_metrics(model_findings),
        _live_parallel_days(live_parallel_days, policy.promotion.min_parallel_days),
    )


def evidence_gates(
    evidence: Sequence[Evidence],
    *,
    candidate: str,
    baseline: str,
    policy: Policy,
    evaluation: Evaluation,
    live: str | None = None,
    covered: Covered | None = None,
) -> tuple[Gate, ...]:
    """The gates of one day that follow from its evidence alone, in the order of EVIDENCE_GATES.

    The rollback gates judge `live`, by default the candidate; the promotion gates judge the candidate.
    """
    rows = {(row.question, row.version): row for row in evidence}
    if len(rows) < len(evidence) or len({row.prediction_date for row in evidence}) > 1:
        raise ValueError(f"The evidence of one day holds one row per question and version; got {len(evidence)} rows.")
    judged = live or candidate
    watched, champion = rows.get(("rollback", judged)), rows.get(("rollback", baseline)) if judged != baseline else None
    proposed, asked = rows.get(("promotion", candidate)), policy.rollback
    needed = evaluation.min_conversions
    found = (
        _watched(decision.TOP_DECILE_LIFT, watched, Line.lift(judged, asked), asked, needed.rollback, evaluation),
        _watched(decision.AUC, watched, Line.auc(judged, asked), asked, needed.rollback, evaluation),
        _top_decile_conversion(judged, watched, champion, baseline, policy, evaluation, covered),
        _promotion_lift(candidate, proposed, policy.promotion, evaluation),
        _not_behind_baseline(candidate, proposed, baseline, policy.promotion, evaluation),
        _watched(decision.PROMOTION_AUC, proposed, Line.auc(candidate, asked), asked, needed.promotion, evaluation),
        _watched(
            decision.PROMOTION_CONVERSION,
            proposed,
            Line.conversion(candidate, asked, proposed, covered),
            asked,
            needed.promotion,
            evaluation,
        ),
    )
    if evaluation.leads_come_from == "elsewhere":
        return found
    return tuple(replace(gate, reason=f"{gate.reason} {FROM_LIST}") for gate in found)


def history_of(
    evidence: Iterable[Evidence],
    *,
    candidate: str,
    baseline: str,
    policy: Policy,
    evaluation: Evaluation,
    covered: Covered | None = None,
    live_on: Callable[[date], str | None] = lambda day: None,
) -> History:
    """Recorded evidence, day by day, judged by the numbers given, whatever the order of its rows.

    `live_on` names the version that the rollback gates of a day judge; None: the candidate.
    """
    days = groupby(sorted(evidence, key=lambda row: row.prediction_date), lambda row: row.prediction_date)
    made = {}
    for day, group in days:
        rows = tuple(group)
        judged = evidence_gates(
            rows,
            candidate=candidate,
            baseline=baseline,
            live=live_on(day),
            policy=policy,
            evaluation=evaluation,
            covered=covered,
        )
        cohort = next(((row.cohort_from, row.cohort_to) for row in rows if row.question == "rollback"), None)
        made[day] = Evaluated(judged, retrospective=any(row.retrospective for row in rows), cohort=cohort)
    return made


def _top_decile_conversion(
    judged: str,
    row: Evidence | None,
    champion: Evidence | None,
    baseline: str,
    policy: Policy,
    evaluation: Evaluation,
    covered: Covered | None,
) -> Gate:
    """Conversion of the top decile against its line; a fall of the whole market is not the model's fault."""
    asked = policy.rollback
    against = Line.conversion(judged, asked, row, covered)
    needed = evaluation.min_conversions.rollback
    gate = _watched(decision.TOP_DECILE_CONVERSION, row, against, asked, needed, evaluation)
    if gate.verdict != Verdict.FAIL or asked.on_champion_also_failing == "rollback":
        return gate
    theirs = champion.top_decile_conversion if champion else None
    if theirs is None or gate.actual is None:
        return replace(gate, reason=f"{gate.reason} There are no scores of {baseline} to compare with.")
    compared = f"{baseline}'s top decile converts at {RATE.write(theirs, against.line)} on the same leads"
    if theirs >= gate.actual - ROUNDING:
        return replace(gate, reason=f"{gate.reason} {compared}.")
    reason = f"{gate.reason} {compared}, which is lower still: the market fell, not the model."
    return replace(gate, verdict=Verdict.INCONCLUSIVE, reason=reason, alert=True)


def _promotion_lift(candidate: str, row: Evidence | None, asked: PromotionPolicy, evaluation: Evaluation) -> Gate:
    """Lift of the top decile against the guide's 2.0, over enough live scores."""
    short = shortage(row, evaluation.min_conversions.promotion, evaluation) if row else []
    if row and (row.live_share or 0.0) < asked.min_live_share - ROUNDING:
        short.append(f"fewer than {100 * asked.min_live_share:.0f} % of first scores were written on their own day")
    name, level = decision.PROMOTION_LIFT, one_sided(asked.confidence)
    gate = criterion(
        name, f"{candidate}'s top-decile lift", row, criteria.lift, level, asked.lift_at_least, LIFT, short
    )
    if row is None or row.live_share is None:
        return gate
    return replace(gate, reason=f"{gate.reason} {100 * row.live_share:.0f} % of the first scores are live.")


def _not_behind_baseline(
    candidate: str, row: Evidence | None, baseline: str, asked: PromotionPolicy, evaluation: Evaluation
) -> Gate:
    """Lift minus the baseline's on the same leads, against 0."""
    name, what = decision.NOT_BEHIND_BASELINE, f"{candidate}'s top-decile lift minus {baseline}'s on the same leads"
    if row and row.only_own_top is None:
        reason = f"{baseline} has no scores for these leads, so lift cannot be compared."
        return Gate(name, Verdict.INCONCLUSIVE, reason, threshold=0.0)
    if row and row.only_own_top == row.only_baseline_top == 0 and not row.auc_difference:
        reason = f"{candidate} ranks these leads exactly as {baseline} does, so it is no challenger."
        return Gate(name, Verdict.INCONCLUSIVE, reason, actual=0.0, threshold=0.0)
    short = shortage(row, evaluation.min_conversions.promotion, evaluation) if row else []
    return criterion(name, what, row, criteria.difference, one_sided(asked.confidence), 0.0, LIFT, short)


def _watched(
    name: str,
    row: Evidence | None,
    against: Line,
    asked: RollbackPolicy,
    needed: int,
    evaluation: Evaluation,
) -> Gate:
    """A rollback criterion, judged by its bound or, where the policy says so, by its estimate alone.

    An estimate needs no number of conversions; every other guard holds for it, too.
    """
    by_estimate = asked.judge_by == "estimate"
    level = None if by_estimate else one_sided(asked.confidence)
    short = shortage(row, 0 if by_estimate else needed, evaluation) if row else []
    short += () if by_estimate else against.short
    gate = criterion(name, against.what, row, against.measure, level, against.line, against.scale, short)
    return replace(gate, reason=f"{gate.reason} {against.about}".strip())


def _model_test_metrics(findings: "Sequence[Finding]") -> Gate:
    name = decision.MODEL_TEST_METRICS
    unjudged = [metric for metric in TEST_METRICS if metric not in {finding.check.name for finding in findings}]
    if unjudged:
        return Gate(name, Verdict.INCONCLUSIVE, f"The bundle's {', '.join(unjudged)} were not checked.")
    reason = "; ".join(
        f"{one.check.name} is {one.actual}, expected {one.expected}" for one in findings if not one.passed
    )
    if reason and all(one.passed or one.inconclusive for one in findings):
        return Gate(name, Verdict.INCONCLUSIVE, f"The bundle's own checklist cannot be judged: {reason}.")
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
