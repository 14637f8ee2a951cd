"""The days: one partition per New York date, today's from midnight on."""

from collections.abc import Iterable
from datetime import date, timedelta

import dagster as dg

from v4_assets.clock import NEW_YORK


def daily_partitions(first_day: date) -> dg.DailyPartitionsDefinition:
    """Daily partitions from `first_day` to today, today included, so that 06:00 finds its own day."""
    return dg.DailyPartitionsDefinition(start_date=first_day.isoformat(), timezone=NEW_YORK.key, end_offset=1)


def days_of(context: dg.AssetExecutionContext) -> tuple[date, ...]:
    """The days a run is for: one, or every day of a backfilled range, oldest first."""
    return tuple(date.fromisoformat(key) for key in sorted(context.partition_keys))


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
