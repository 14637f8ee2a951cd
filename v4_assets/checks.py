"""Asset checks: each module of checks returns findings; this module turns findings into Dagster's results. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from v4_assets.evaluation.before_contact import Row, in_words, of_question
from v4_assets.evaluation.evidence import Evidence
from v4_assets.production.decision import GATE_NAMES, PROMOTION_GATES, Gate, Verdict
from v4_assets.recorded_checks import ERROR, WARN, CheckResult

SHOWN_DETAILS = 3
"""Number of details shown in a result's description; the metadata holds all of them."""


GATES_ASK = {
    "top_decile_lift": "Rollback: is the live version's top-decile lift below the line by more than chance?",
    "auc": "Rollback: is the live version's AUC on matured leads below the guide's line by more than chance?",
    "top_decile_conversion": "Rollback: does the live version's top decile convert below the line of covered leads?",
    "promotion_lift": "Promotion: does the candidate's top-decile lift reach the guide's line?",
    "not_behind_baseline": "Promotion: is the candidate's lift at least the baseline's on the same leads?",
    "promotion_auc": "Promotion: is the candidate's AUC on matured leads at least the guide's line?",
    "promotion_conversion": "Promotion: does the candidate's top decile convert at the line of covered leads or above?",
    "model_test_metrics": "Promotion: does the candidate's bundle pass the guide's checklist on its own test figures?",
    "live_parallel_days": "Promotion: were both versions scored live, side by side, for long enough?",
}
"""Description of each gate in Dagster."""

CONVICTS = (
    "No immediate action: the sensor rolls back after the number of consecutive failing weeks set in rollout.yaml. "
    "`v4 status` shows what it waits for; `v4 rollback` rolls back at once."
)
WAITS = (
    "No action: the candidate is not promoted; the sensor decides again tomorrow. `v4 status` lists what is missing."
)
GATES_REMEDY = {
    "top_decile_lift": CONVICTS,
    "auc": CONVICTS,
    "top_decile_conversion": f"{CONVICTS} If the baseline's converts even less, the market fell: ask sales.",
    "promotion_lift": WAITS,
    "not_behind_baseline": WAITS,
    "promotion_auc": WAITS,
    "promotion_conversion": WAITS,
    "model_test_metrics": "The checks of the model's asset name the figure. Train or register another bundle.",
    "live_parallel_days": f"{WAITS} A day counts when both versions scored it on the day and passed every check.",
}
"""What the operator does when a gate does not pass."""


@dataclass(frozen=True)
class Check:
    """A daily check of an asset. A failing blocking check stops every asset downstream; the others only warn."""

    name: str
    description: str
    blocking: bool
    remedy: str
    """What the operator does when it fails."""


@dataclass(frozen=True)
class Finding:
    """Result of a check on one day: the value found, the value expected, and the columns or rows concerned."""

    check: Check
    passed: bool
    actual: str | float | int
    expected: str | float | int
    details: tuple[str, ...] = ()
    inconclusive: bool = False
    """It did not pass because it cannot be judged, which blocks nothing and permits nothing."""


def steady(check: Check, changes: Mapping[str, float], limit: float) -> Finding:
    """The largest of `changes` (name to a share's change since before) is at most `limit`, up or down."""
    # A change of exactly the limit is within it, whatever is left of the division.
    over = [f"{name}: {change:+.1%}" for name, change in changes.items() if round(abs(change), 9) > limit]
    largest = max(changes.values(), key=abs, default=0.0)
    return Finding(check, not over, f"largest change {largest:+.1%}", f"within ±{limit:.0%}", tuple(over))


def specs(checks: Iterable[Check], asset: str) -> list[dg.AssetCheckSpec]:
    """Dagster's declarations of the checks of an asset."""
    return [
        dg.AssetCheckSpec(
            check.name,
            asset=asset,
            description=with_remedy(check.description, check.remedy),
            blocking=check.blocking,
        )
        for check in checks
    ]


def with_remedy(asked: str, remedy: str) -> str:
    """Description of a check, in Markdown."""
    return f"{asked}\n\n**When it fails:** {remedy}"


def results(
    checks: Sequence[Check], findings: Mapping[date, Sequence[Finding]], asset: str
) -> Iterator[dg.AssetCheckResult]:
    """One result per check. Over a range of days it shows the first failing day and lists all failing days."""
    for check in checks:
        by_day = {day: finding for day, found in findings.items() for finding in found if finding.check == check}
        if len(by_day) < len(findings):
            raise AssertionError(
                f"{check.name} of {asset} has no finding for {sorted(findings.keys() - by_day.keys())}"
            )
        failing = sorted(day for day, finding in by_day.items() if not finding.passed)
        shown = by_day[failing[0] if failing else max(by_day)]
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=asset,
            passed=not failing,
            severity=dg.AssetCheckSeverity[of_finding(shown).severity],
            description=of_finding(shown).reason,
            metadata={
                "actual": shown.actual,
                "expected": shown.expected,
                "day": str(failing[0] if failing else max(by_day)),
                **({"details": "\n".join(shown.details)} if shown.details else {}),
                **({"failing_days": ", ".join(map(str, failing))} if len(findings) > 1 else {}),
            },
        )


def of_finding(finding: Finding, policy_sha256: str | None = None) -> CheckResult:
    """What is kept of a finding, and shown of it in Dagster."""
    inconclusive = Verdict.INCONCLUSIVE if finding.inconclusive else Verdict.FAIL
    number = isinstance(finding.actual, int | float)
    return CheckResult(
        finding.check.name,
        Verdict.PASS if finding.passed else inconclusive,
        ERROR if finding.check.blocking and not finding.inconclusive else WARN,
        _sentence(finding),
        blocking=finding.check.blocking,
        actual=float(finding.actual) if number else None,
        policy_sha256=policy_sha256,
    )


def unasked(checks: Iterable[Check], asset: str, reason: str, *, passed: bool = False) -> Iterator[dg.AssetCheckResult]:
    """One result per check of a step that waits: a warning that nothing was checked, which stops no other step.

    With `passed` there is nothing to be checked, and no warning.
    """
    for check in checks:
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=asset,
            passed=passed,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"not checked: {reason}",
        )


def gate_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """Dagster's declarations of the gates. None blocks: a failing gate must not stop production's own scores."""
    return [
        dg.AssetCheckSpec(
            name, asset=asset, description=with_remedy(GATES_ASK[name], GATES_REMEDY[name]), blocking=False
        )
        for name in GATE_NAMES
    ]


def gate_results(
    gates: Iterable[Gate],
    evidence: Sequence[Evidence],
    evidence_sha256: str,
    asset: str,
    before_contact: Sequence[Row] = (),
) -> Iterator[dg.AssetCheckResult]:
    """One result per gate, with the verdict that is kept for the sensor. FAIL is an error, INCONCLUSIVE a warning.

    `before_contact`, rows of lift_before_contact, are shown beside the evidence and change no verdict.
    """
    for gate in gates:
        question = "promotion" if gate.name in PROMOTION_GATES else "rollback"
        second = in_words(of_question(before_contact, question))
        numbers = {
            "actual": gate.actual,
            "threshold": gate.threshold,
            "bound": gate.bound,
            "distance": gate.distance,
        }
        yield dg.AssetCheckResult(
            check_name=gate.name,
            asset_key=asset,
            passed=gate.verdict is Verdict.PASS,
            severity=dg.AssetCheckSeverity.ERROR if gate.verdict is Verdict.FAIL else dg.AssetCheckSeverity.WARN,
            description=gate.reason,
            metadata={
                **{name: float(value) for name, value in numbers.items() if value is not None},
                "verdict": gate.verdict.name,
                "alert": gate.alert,
                "cohort": _cohort(evidence, question),
                "evidence_sha256": evidence_sha256,
                **({"by the score before contact": second} if second else {}),
            },
        )


def _cohort(evidence: Sequence[Evidence], question: str) -> str:
    row = next((row for row in evidence if row.question == question), None)
    if row is None:
        return "none"
    return f"contacted {row.cohort_from} to {row.cohort_to}: {row.leads} leads, {row.conversions} conversions"


def _sentence(finding: Finding) -> str:
    verdict = "ok" if finding.passed else "not ok"
    about = f" ({'; '.join(finding.details[:SHOWN_DETAILS])})" if finding.details and not finding.passed else ""
    return f"{verdict}: found {finding.actual}, expected {finding.expected}{about}"
