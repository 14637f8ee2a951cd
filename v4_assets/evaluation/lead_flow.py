"""The flow of leads and calls: volume, base rate, covered share, timing, and days on which no call was recorded. Pure.

A run of days without a call is abnormal when the calls expected on them reach a limit. What is expected on a day is the
mean of the same weekday over the eight weeks before the run, holidays left out; on a holiday nothing is expected. A gap
that is filled later is none: calls count as they are known today.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from v4_assets.days import contiguous, days_between
from v4_assets.evaluation.cohorts import Entries, Reach

LEAST_CONVERSIONS = 100
"""Conversions below which a share of them is shown and decides nothing."""
WEEK_DAYS = 7


@dataclass(frozen=True)
class Measured:
    """Of leads contacted in some days whose outcome window has passed."""

    first: date
    last: date
    leads: int
    """Covered: first scored in time by every compared version, and before any call."""
    conversions: int
    before_scored: int
    """Conversions called before the lead could first be scored."""
    weekly_leads: tuple[int, ...]
    """Covered leads of each whole week, oldest first."""
    delays: tuple[int, ...]
    """Of the covered conversions, how many came 0, 1 … days after contact."""

    @property
    def covered_share(self) -> float | None:
        """Of all conversions, the covered ones, 0..1; None without conversions."""
        every = self.conversions + self.before_scored
        return self.conversions / every if every else None

    @property
    def covered_base(self) -> float | None:
        """Share of the covered leads that converted, 0..1; None without leads."""
        return self.conversions / self.leads if self.leads else None

    @property
    def leads_per_week(self) -> float:
        """Covered leads a week."""
        return self.leads / ((self.last - self.first).days + 1) * WEEK_DAYS

    @property
    def is_enough(self) -> bool:
        """Whether there are enough conversions to measure shares by."""
        return self.conversions + self.before_scored >= LEAST_CONVERSIONS

    @property
    def booked_by(self) -> tuple[tuple[float, float], ...]:
        """(days after contact, share of the covered conversions booked by then)."""
        reached = np.cumsum(self.delays) / max(sum(self.delays), 1)
        return tuple((float(day), float(share)) for day, share in enumerate(reached))


def measure(found: Entries, reach: Reach, window_days: int) -> Measured:
    """Of the entries contacted within `reach`, which begins no earlier than the first covered one.

    Leads that no version scored in time are in neither count: a lost feed changes no share.
    """
    # Leads contacted before the first scored day have no part in the volume.
    scored = found.contacted_on[found.covered]
    earliest = scored.min().item() if len(scored) else reach.first
    first = max(reach.first, earliest)
    inside = (found.contacted_on >= np.datetime64(first)) & (found.contacted_on <= np.datetime64(reach.last))
    covered, before = inside & found.covered, inside & found.before_scored
    converted = covered & found.converted
    age = (found.called_on[converted] - found.contacted_on[converted]).astype(int)
    back = (np.datetime64(reach.last) - found.contacted_on[covered]).astype(int) // WEEK_DAYS
    whole = ((reach.last - first).days + 1) // WEEK_DAYS
    return Measured(
        first,
        reach.last,
        leads=int(covered.sum()),
        conversions=int(converted.sum()),
        before_scored=int(before.sum()),
        weekly_leads=tuple(np.bincount(back[back < whole], minlength=whole)[::-1].tolist()),
        delays=tuple(np.bincount(age, minlength=window_days + 1).tolist()),
    )


WEEKS_BEFORE = 8
DAYS_AFTER_CONTACT = 7
"""A lead contacted at most this many days before an abnormal silence is left out: most calls come in these days."""


def is_holiday(day: date, holidays: Sequence[str]) -> bool:
    """Whether the day is among holidays written as MM-DD, every year, or YYYY-MM-DD."""
    return day.isoformat() in holidays or f"{day:%m-%d}" in holidays


def silences(
    calls: Mapping[date, int], first: date, last: date, limit: float, holidays: Sequence[str]
) -> list[tuple[date, date]]:
    """Abnormal runs of days without a call between `first` and `last`, both included, oldest first.

    `calls` are the calls of each day with any; before the first of them nothing is known and nothing is expected.
    """
    if not calls:
        return []
    begun = max(first, min(calls))
    quiet = contiguous(day for day in days_between(begun, last) if not calls.get(day)) if begun <= last else []
    return [run for run in quiet if expected(calls, *run, holidays) >= limit]


def expected(calls: Mapping[date, int], first: date, last: date, holidays: Sequence[str]) -> float:
    """Calls expected from `first` to `last`, by weekday over the eight weeks before `first`."""
    known = min(calls, default=first)
    total = 0.0
    for day in days_between(first, last):
        if is_holiday(day, holidays):
            continue
        back = (day - first).days // 7 + 1
        before = [day - timedelta(weeks=week) for week in range(back, back + WEEKS_BEFORE)]
        usual = [calls.get(one, 0) for one in before if one >= known and not is_holiday(one, holidays)]
        total += sum(usual) / len(usual) if usual else 0.0
    return total


def left_out(runs: Collection[tuple[date, date]]) -> set[date]:
    """Days of contact whose days 0 to 7 meet one of the runs."""
    return {day for first, last in runs for day in days_between(first - timedelta(days=DAYS_AFTER_CONTACT), last)}
