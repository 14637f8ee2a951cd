"""Asset checks, one module per asset they guard. Judging is pure; this page turns findings into Dagster's results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

SHOWN_DETAILS = 3
"""So many details stand in a result's sentence; all stand in its metadata."""


@dataclass(frozen=True)
class Check:
    """A question asked of an asset every day. A blocking one stops what would read bad data; the others warn."""

    name: str
    description: str
    blocking: bool


@dataclass(frozen=True)
class Finding:
    """The answer for one day: what was found, what was expected, and which columns or rows it is about."""

    check: Check
    passed: bool
    actual: str | float | int
    expected: str | float | int
    details: tuple[str, ...] = ()


def specs(checks: Iterable[Check], asset: str) -> list[dg.AssetCheckSpec]:
    """Dagster's declarations of the checks of an asset."""
    return [
        dg.AssetCheckSpec(check.name, asset=asset, description=check.description, blocking=check.blocking)
        for check in checks
    ]


def results(
    checks: Sequence[Check], findings: Mapping[date, Sequence[Finding]], asset: str
) -> Iterator[dg.AssetCheckResult]:
    """One result per check. Over a range of days the first failing day speaks, and all failing days are named."""
    for check in checks:
        by_day = {day: finding for day, found in findings.items() for finding in found if finding.check == check}
        if len(by_day) < len(findings):
            raise AssertionError(f"{check.name} of {asset} was not judged on {sorted(findings.keys() - by_day.keys())}")
        failing = sorted(day for day, finding in by_day.items() if not finding.passed)
        shown = by_day[failing[0] if failing else max(by_day)]
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=asset,
            passed=not failing,
            severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
            description=_sentence(shown),
            metadata={
                "actual": shown.actual,
                "expected": shown.expected,
                "day": str(failing[0] if failing else max(by_day)),
                **({"details": "\n".join(shown.details)} if shown.details else {}),
                **({"failing_days": ", ".join(map(str, failing))} if len(findings) > 1 else {}),
            },
        )


def _sentence(finding: Finding) -> str:
    verdict = "ok" if finding.passed else "not ok"
    about = f" ({'; '.join(finding.details[:SHOWN_DETAILS])})" if finding.details and not finding.passed else ""
    return f"{verdict}: found {finding.actual}, expected {finding.expected}{about}"
