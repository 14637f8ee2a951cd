"""Days on which calls should have been recorded and none were. Pure.

A run of days without a call is abnormal when the calls expected on them reach a limit. What is expected on a day is the
mean of the same weekday over the eight weeks before the run, holidays left out; on a holiday nothing is expected. A gap
that is filled later is none: calls count as they are known today.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from v4_assets.days import contiguous, days_between

WEEKS_BEFORE = 8
DAYS_AFTER_CONTACT = 7
"""A lead contacted so many days before an abnormal silence, or fewer, is left out: most calls come within them."""


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
