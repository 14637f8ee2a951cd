"""`daily_run` of rollout.yaml: when the daily job starts, validated and frozen."""

import re
from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from v4_assets.config.rollout_policy import Frozen

CLOCK_CHANGES = (1, 2)
"""Hours of a New York night that a clock change repeats or skips."""


def _time_of_day(value: object) -> time:
    """A text HH:MM as a time. YAML reads an unquoted 10:30 as the number 630."""
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError(f'{value!r} is not a time; write hours and minutes in quotes, as in "06:00"')
    found = time.fromisoformat(value)
    if found.hour in CLOCK_CHANGES:
        raise ValueError(f"{value} is skipped or repeated when the clock changes; choose a time outside 01:00 to 02:59")
    return found


class DailyRun(Frozen):
    """When the daily job starts."""

    at: Annotated[time, BeforeValidator(_time_of_day)] = time(6)
    """Start of the daily run in New York, as "HH:MM" in quotes; 01:00 to 02:59 is refused, as clock changes repeat or
    skip it."""

    def on(self, day: date, zone: ZoneInfo) -> datetime:
        """The instant at which the run of a day starts."""
        return datetime.combine(day, self.at, zone)

    def __str__(self) -> str:
        return f"{self.at:%H:%M}"
