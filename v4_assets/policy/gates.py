"""From evidence to gates: each criterion of the guide with its verdict and its reason in words. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from v4_assets.configuration.rollout_policy import Evaluation, Policy
from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.intervals import ROUNDING, one_sided
from v4_assets.policy import criteria, decision
from v4_assets.policy.criteria import AREA, LIFT, RATE, Measure, Scale, criterion, shortage
from v4_assets.policy.decision import Evaluated, Gate, History, Verdict

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
    bench = Bench(policy, evaluation)
    watched = rows.get(("rollback", candidate))
    asked = rows.get(("promotion", candidate))
    return (
        bench.top_decile_lift(watched),
        bench.auc(watched),
        bench.top_decile_conversion(watched, rows.get(("rollback", baseline)), baseline),
        bench.promotion_lift(asked),
        bench.not_behind_baseline(asked, baseline),
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


@dataclass(frozen=True)
class Bench:
    """Judges one criterion after another by one policy."""

    policy: Policy
    evaluation: Evaluation

    def top_decile_lift(self, row: Evidence | None) -> Gate:
        """Lift of the top decile against the guide's 1.5."""
        line = self.policy.rollback.lift_below
        return self._watched(decision.TOP_DECILE_LIFT, "Top-decile lift", row, criteria.lift, line, LIFT)

    def auc(self, row: Evidence | None) -> Gate:
        """AUC on matured leads against the guide's 0.59."""
        line = self.policy.rollback.auc_below
        return self._watched(decision.AUC, "AUC", row, criteria.area, line, AREA)

    def top_decile_conversion(self, row: Evidence | None, baseline: Evidence | None, baseline_name: str) -> Gate:
        """Conversion of the top decile against the guide's 5 %; the market's fall is not the model's."""
        line = self.policy.rollback.top_decile_conversion_below
        gate = self._watched(
            decision.TOP_DECILE_CONVERSION, "Top-decile conversion", row, criteria.conversion, line, RATE
        )
        if gate.verdict != Verdict.FAIL or self.policy.rollback.on_champion_also_failing == "rollback":
            return gate
        theirs = baseline.top_decile_conversion if baseline else None
        if theirs is None or gate.actual is None:
            return replace(gate, reason=f"{gate.reason} {baseline_name} is not scored on these leads to compare with.")
        compared = f"{baseline_name}'s top decile converts at {RATE.write(theirs, line)} on the same leads"
        if theirs >= gate.actual - ROUNDING:
            return replace(gate, reason=f"{gate.reason} {compared}.")
        said = f"{gate.reason} {compared}, which is lower still: the market fell, not the model."
        return replace(gate, verdict=Verdict.INCONCLUSIVE, reason=said, alert=True)

    def promotion_lift(self, row: Evidence | None) -> Gate:
        """Lift of the top decile against the guide's 2.0, over enough live scores."""
        asked = self.policy.promotion
        short = shortage(row, self.evaluation.min_conversions.promotion, self.evaluation) if row else []
        if row and (row.live_share or 0.0) < asked.min_live_share - ROUNDING:
            wanted = f"{100 * asked.min_live_share:.0f} % of first scores written on their own day"
            short.append(f"{wanted} are asked for")
        name, level = decision.PROMOTION_LIFT, one_sided(asked.confidence)
        gate = criterion(name, "Top-decile lift", row, criteria.lift, level, asked.lift_at_least, LIFT, short)
        if row is None or row.live_share is None:
            return gate
        return replace(gate, reason=f"{gate.reason} {100 * row.live_share:.0f} % of the first scores are live.")

    def not_behind_baseline(self, row: Evidence | None, baseline: str) -> Gate:
        """Lift minus the baseline's on the same leads, against 0."""
        name, what = decision.NOT_BEHIND_BASELINE, f"Top-decile lift minus {baseline}'s on the same leads"
        if row and row.only_own_top is None:
            said = f"{baseline} is not scored on these leads, so there is nothing to be behind of."
            return Gate(name, Verdict.INCONCLUSIVE, said, threshold=0.0)
        short = shortage(row, self.evaluation.min_conversions.promotion, self.evaluation) if row else []
        return criterion(
            name, what, row, criteria.difference, one_sided(self.policy.promotion.confidence), 0.0, LIFT, short
        )

    def _watched(self, name: str, what: str, row: Evidence | None, measure: Measure, line: float, scale: Scale) -> Gate:
        by_estimate = self.policy.rollback.judge_by == "estimate"
        level = None if by_estimate else one_sided(self.policy.rollback.confidence)
        needed = 0 if by_estimate else self.evaluation.min_conversions.rollback
        short = [] if row is None or by_estimate else shortage(row, needed, self.evaluation)
        return criterion(name, what, row, measure, level, line, scale, short)


def _model_test_metrics(findings: "Sequence[Finding]") -> Gate:
    name = decision.MODEL_TEST_METRICS
    unjudged = [metric for metric in TEST_METRICS if metric not in {finding.check.name for finding in findings}]
    if unjudged:
        return Gate(name, Verdict.INCONCLUSIVE, f"The bundle's {', '.join(unjudged)} were not judged.")
    said = "; ".join(f"{one.check.name} is {one.actual}, expected {one.expected}" for one in findings if not one.passed)
    if said:
        return Gate(name, Verdict.FAIL, f"The bundle does not pass its own checklist: {said}.")
    figures = ", ".join(f"{one.check.name} {one.actual}" for one in findings if one.check.name in TEST_METRICS)
    return Gate(name, Verdict.PASS, f"The bundle passes its own checklist: {figures}.")


def _live_parallel_days(days: int, needed: int) -> Gate:
    verdict = Verdict.PASS if days >= needed else Verdict.INCONCLUSIVE
    said = f"{days} of {needed} days in parallel: both versions scored live over the same leads, every check passed."
    return Gate(decision.LIVE_PARALLEL_DAYS, verdict, said, float(days), float(needed))
