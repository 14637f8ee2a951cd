"""The days: one partition per New York date, today's from midnight on."""

from datetime import date, timedelta

import dagster as dg

from v4_assets.clock import NEW_YORK


def daily_partitions(first_day: date, last_day: date | None = None) -> dg.DailyPartitionsDefinition:
    """Daily partitions from `first_day` to today, today included, so that the daily run finds its own day.

    With `last_day`, the day of a fixed clock, they end there: later days are not missing, they have not happened.
    """
    # end_date is exclusive. A clock before the first day still leaves that day.
    end = (max(first_day, last_day) + timedelta(days=1)).isoformat() if last_day else None
    return dg.DailyPartitionsDefinition(
        start_date=first_day.isoformat(), end_date=end, timezone=NEW_YORK.key, end_offset=1
    )


def days_of(context: dg.AssetExecutionContext) -> tuple[date, ...]:
    """The days a run is for: one, or every day of a backfilled range, oldest first."""
    return tuple(date.fromisoformat(key) for key in sorted(context.partition_keys))
