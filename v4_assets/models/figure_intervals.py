"""The leads a version's figures were measured on, and the intervals that follow from their number. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any, Self

from v4_assets.evaluation.intervals import Interval, hanley_mcneil_error, lift_interval, logit_auc_interval

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
        """Whether both are the same leads; None where a number is not stated, so that nobody can tell."""
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
