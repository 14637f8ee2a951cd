"""Ranges of dates. Pure."""

from collections.abc import Iterable
from datetime import date, timedelta

FIRST_YEAR, LAST_YEAR = 2000, 2099
"""Days and instants outside these years are typing errors, and no day of a partition."""


def days_between(first: date, last: date) -> tuple[date, ...]:
    """Every date from `first` to `last`, both included."""
    return tuple(first + timedelta(days=offset) for offset in range((last - first).days + 1))


def contiguous(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as ranges (first, last) without holes, oldest first."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges
