"""Ranges of dates. Pure."""

from collections.abc import Iterable
from datetime import date, timedelta

from v4_assets.errors import V4Error

FIRST_YEAR, LAST_YEAR = 2000, 2099
"""Days and instants outside these years are typing errors, and no day of a partition."""


def verify_begun(first_day: date, today: date) -> None:
    """Raise V4Error where the first day of rollout.yaml is still to come, before which no day is scored."""
    if first_day > today:
        raise V4Error(
            f"The rollout begins on {first_day} (first_day of rollout.yaml), and in New York it is {today}, so no day "
            "is scored yet. Wait until then, or set an earlier first_day."
        )


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
