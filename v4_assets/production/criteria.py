"""One criterion on one cohort: the figure, its one-sided bound, the verdict, and the sentence that says so. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.config.rollout_policy import Evaluation, RollbackPolicy
from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.intervals import (
    ROUNDING,
    Interval,
    bonett_price_lift_difference,
    lift_interval,
    logit_auc_interval,
    wilson,
)
from v4_assets.evaluation.lead_flow import LEAST_CONVERSIONS
from v4_assets.production.decision import Gate, Verdict

Measure = Callable[[Evidence, float], Interval | None]
"""A figure of a cohort with its interval at a two-sided level; None where it cannot be computed."""
Covered = tuple[int, int]
"""Covered conversions and all conversions of the leads that the conversion line is scaled by."""


def judge(estimate: Any, upper: Any, line: float) -> NDArray[Any]:
    """Verdicts (int, any one shape) of estimates and their upper bounds against a line they must not lie below.

    FAIL where the upper bound is below the line, INCONCLUSIVE where only the estimate is or either is NaN, else PASS.
    Exactly at the line is not below it. With the estimate as its own bound, the estimate alone decides.
    """
    estimate, upper = np.asarray(estimate, dtype=float), np.asarray(upper, dtype=float)
    at_least = estimate >= line - ROUNDING
    verdicts = np.where(at_least, Verdict.PASS, np.where(upper < line - ROUNDING, Verdict.FAIL, Verdict.INCONCLUSIVE))
    return np.where(np.isnan(estimate) | np.isnan(upper), Verdict.INCONCLUSIVE, verdicts)


@dataclass(frozen=True)
class Scale:
    """How figures of one kind are written."""

    decimals: int
    percent: bool = False

    def write(self, value: float, line: float) -> str:
        """Adds decimals where rounding would show the figure on a line it does not reach."""
        factor = 100.0 if self.percent else 1.0
        for decimals in range(self.decimals, 7):
            text = f"{factor * value:.{decimals}f}"
            if abs(value - line) <= ROUNDING or float(text) != round(factor * line, 9):
                break
        return f"{text} %" if self.percent else text


LIFT = Scale(2)
AREA = Scale(3)
RATE = Scale(1, percent=True)


def shortage(row: Evidence, needed: int, limits: Evaluation) -> list[str]:
    """Why the cohort cannot carry a verdict; empty when it can."""
    found = []
    if row.conversions < needed:
        reach = (row.cohort_to - row.cohort_from).days + 1
        cap = f", and {limits.max_days} days is the longest window" if reach >= limits.max_days else ""
        found.append(f"it holds {row.conversions} of the {needed} conversions a verdict needs{cap}")
    share = uncovered_share(row)
    if share > limits.max_uncovered_share + ROUNDING:
        allowed = RATE.write(limits.max_uncovered_share, -1)
        found.append(
            f"{RATE.write(share, limits.max_uncovered_share)} of its leads have no score in time (limit {allowed})"
        )
    if row.leads and row.model_sha256 is None:
        found.append("several model files of the version scored it")
    return found


def describe(row: Evidence) -> str:
    """The cohort in words."""
    silent = f" without {row.silent_days} days around which no calls were recorded" if row.silent_days else ""
    contacted = f"contacted {row.cohort_from} to {row.cohort_to}{silent}"
    return f"{row.leads:,} leads {contacted}, {row.conversions:,} of which converted"


def uncovered_share(row: Evidence) -> float:
    """Of the leads a first score was due for, the share that got none in time, 0..1; 0 for a cohort without leads."""
    due = row.leads + row.uncovered
    return row.uncovered / due if due else 0.0


def lift(row: Evidence, level: float) -> Interval | None:
    """Lift of the top decile."""
    return lift_interval(row.top_conversions, row.conversions, row.leads, row.top_leads, level)


def area(row: Evidence, level: float) -> Interval | None:
    """AUC, logit-DeLong."""
    return logit_auc_interval(row.auc, row.auc_se, level)


def conversion(row: Evidence, level: float) -> Interval | None:
    """Conversion of the top decile; None for a cohort without conversions."""
    return wilson(row.top_conversions, row.top_leads, level) if row.conversions else None


def difference(row: Evidence, level: float) -> Interval | None:
    """Lift minus the baseline's on the same leads."""
    own, theirs = row.only_own_top or 0.0, row.only_baseline_top or 0.0
    return bonett_price_lift_difference(own, theirs, row.conversions, row.leads, row.top_leads, level)


@dataclass(frozen=True)
class Line:
    """What a rollback criterion measures, and the line it is held against."""

    what: str
    measure: Measure
    line: float
    scale: Scale
    short: tuple[str, ...] = ()
    """Why the line itself is not known well enough."""
    about: str = ""
    """How the line follows from the one of rollout.yaml."""

    @classmethod
    def lift(cls, version: str, asked: RollbackPolicy) -> "Line":
        """Lift of the top decile against the guide's 1.5."""
        return cls(f"{version}'s top-decile lift", lift, asked.lift_below, LIFT)

    @classmethod
    def auc(cls, version: str, asked: RollbackPolicy) -> "Line":
        """AUC on matured leads against the guide's 0.59."""
        return cls(f"{version}'s AUC", area, asked.auc_below, AREA)

    @classmethod
    def conversion(cls, version: str, asked: RollbackPolicy, row: Evidence | None, covered: Covered | None) -> "Line":
        """Conversion of the top decile against the guide's 5 %, times the share of conversions covered leads hold."""
        what, written = f"{version}'s top-decile conversion", asked.top_decile_conversion_below
        if asked.conversion_line == "literal" or row is None:
            return cls(what, conversion, written, RATE)
        held, every = covered or (row.conversions, row.conversions + row.converted_before_scored)
        share = held / every if every else 1.0
        short = f"only {every} conversions measure the share for covered leads, {LEAST_CONVERSIONS} are needed"
        scaled = (
            f"The line is {RATE.write(written, -1)} of all leads times {share:.2f}, the share of conversions that "
            "covered leads hold."
        )
        return cls(
            what,
            conversion,
            written * share,
            RATE,
            (short,) if every < LEAST_CONVERSIONS else (),
            scaled if share < 1 else "",
        )


def criterion(
    name: str,
    what: str,
    row: Evidence | None,
    measure: Measure,
    level: float | None,
    line: float,
    scale: Scale,
    short: Sequence[str],
) -> Gate:
    """One criterion on one cohort. `level` None: the estimate alone decides."""
    if row is None:
        return Gate(name, Verdict.INCONCLUSIVE, f"{what} was not measured.", threshold=line)
    cohort = describe(row)
    found = measure(row, 0.0 if level is None else level)
    if found is None:
        why = "; ".join(short) or "the cohort has no leads, or only one kind of outcome"
        return Gate(name, Verdict.INCONCLUSIVE, f"{what} cannot be computed: {why} ({cohort}).", threshold=line)
    bound = None if level is None else found.high
    verdict = Verdict(int(judge(found.estimate, found.estimate if bound is None else bound, line)))
    figure, limit = f"{what} is {scale.write(found.estimate, line)}", scale.write(line, line)
    if short:
        verdict, text = Verdict.INCONCLUSIVE, f"{figure}, but the cohort carries no verdict: {'; '.join(short)}"
    elif verdict == Verdict.PASS:
        text = f"{figure}, not below {limit}"
    elif bound is None or level is None:
        text = f"{figure}, below {limit}"
    else:
        with_bound = f"{50 * (1 + level):.0f} % upper bound {scale.write(bound, line)}"
        chance = "by more than chance explains" if verdict == Verdict.FAIL else "within chance"
        text = f"{figure}, below {limit} {chance}: {with_bound}"
    return Gate(name, verdict, f"{text} ({cohort}).", found.estimate, line, bound)
