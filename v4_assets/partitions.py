"""The days: one partition per New York date, today's from midnight on."""

from datetime import date

import dagster as dg

from v4_assets.clock import NEW_YORK


def daily_partitions(first_day: date) -> dg.DailyPartitionsDefinition:
    """Daily partitions from `first_day` to today, today included, so that the daily run finds its own day."""
    return dg.DailyPartitionsDefinition(start_date=first_day.isoformat(), timezone=NEW_YORK.key, end_offset=1)


def days_of(context: dg.AssetExecutionContext) -> tuple[date, ...]:
    """The days a run is for: one, or every day of a backfilled range, oldest first."""
    return tuple(date.fromisoformat(key) for key in sorted(context.partition_keys))
