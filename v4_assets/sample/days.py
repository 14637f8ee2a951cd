"""Dates as int32 days since 1970-01-01, and stamps as int64 microseconds since then, UTC."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Text = NDArray[np.str_]

NO_DAY = -(2**31)
"""A null date."""
NO_STAMP = -(2**63)
"""A null stamp."""

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = date(1970, 1, 1)
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


def day_number(day: date) -> int:
    return (day - EPOCH).days


def new_york_stamp(day: Ints, second_of_day: Ints) -> Ints:
    """Stamps of New York wall-clock seconds (from 03:00 on, when the day's offset is settled) on New York days."""
    known, where = np.unique(day, return_inverse=True)
    midnights = np.array([_midnight_as_of_noon(int(number)) for number in known], dtype=np.int64)
    return np.asarray(midnights[where] + second_of_day.astype(np.int64) * SECOND_US)


def _midnight_as_of_noon(number: int) -> int:
    noon = datetime.combine(EPOCH + timedelta(days=number), time(12), tzinfo=NEW_YORK).astimezone(UTC)
    return (int(noon.timestamp()) - 12 * 3600) * SECOND_US


def month_number(day: Ints) -> Ints:
    """Months since 1970-01; a difference of two is BigQuery's DATE_DIFF(..., MONTH)."""
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def months_before(day: Ints, months: int) -> Ints:
    """BigQuery's DATE_SUB(day, INTERVAL months MONTH): a day past the month's end becomes its last day."""
    month = day.astype("datetime64[D]").astype("datetime64[M]")
    day_of_month = day - month.astype("datetime64[D]").astype(np.int64)
    target = month - np.timedelta64(months, "M")
    last = (target + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64) - 1
    return np.asarray(np.minimum(target.astype("datetime64[D]").astype(np.int64) + day_of_month, last))


def last_day_within_a_year(event: Ints) -> Ints:
    """The last day D with `event` in [D - 12 months, D)."""
    later = months_before(event, -12)
    return np.asarray(np.where(months_before(later + 1, 12) <= event, later + 1, later))
