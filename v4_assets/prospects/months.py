"""Monthly partitions: a month is named 2026-02 and stands for its first morning."""

import re
from datetime import date, timedelta

import dagster as dg

from v4_assets.clock import NEW_YORK
from v4_assets.errors import V4Error

FORMAT = "%Y-%m"


def month_of(day: date) -> date:
    """The first day of the day's month."""
    return day.replace(day=1)


def following(month: date) -> date:
    """The first day of the next month."""
    return month_of(month_of(month) + timedelta(days=31))


def before(month: date) -> date:
    """The first day of the month before."""
    return month_of(month_of(month) - timedelta(days=1))


def key_of(month: date) -> str:
    """The month as its partition is called, 2026-02."""
    return month.strftime(FORMAT)


def parse(text: str) -> date:
    """The first day of a month written 2026-02. Raises V4Error."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise V4Error(f"{text!r} is not a month. Write it like 2026-02.")
    return date.fromisoformat(f"{text}-01")


def monthly_partitions(first_day: date, last_day: date | None = None) -> dg.MonthlyPartitionsDefinition:
    """Months from that of `first_day` to the present one, which is there from its first midnight on.

    With `last_day`, the day of a fixed clock, they end with its month: later ones have not begun. The key has no day,
    so that no reader of daily partitions takes a month for its first day.
    """
    first = month_of(first_day)
    end = key_of(following(max(first, last_day))) if last_day else None
    return dg.MonthlyPartitionsDefinition(
        start_date=key_of(first), end_date=end, timezone=NEW_YORK.key, fmt=FORMAT, end_offset=1
    )
