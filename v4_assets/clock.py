"""The only source of the current time: real, or fixed by V4_NOW so that past days and demos can be replayed."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from v4_assets.days import FIRST_YEAR, LAST_YEAR
from v4_assets.errors import SettingsError

NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Clock:
    """A clock: fixed at `fixed` (aware), or the machine's time."""

    fixed: datetime | None = None

    def now(self) -> datetime:
        """The current instant, in UTC."""
        return self.fixed or datetime.now(UTC)

    def today(self) -> date:
        """The current date in New York, which is the date the sales team works on."""
        return self.now().astimezone(NEW_YORK).date()


def cutoff(day: date) -> datetime:
    """00:00 of `day` in New York, in UTC: the features of `day` use only earlier events."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant. One without an offset is New York wall time. Raises SettingsError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{text!r} is not an instant. Write it like 2026-01-05T06:30 (New York) or with an offset."
        ) from error
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise SettingsError(f"{text!r} is not in the years {FIRST_YEAR} to {LAST_YEAR}. Correct the year.")
    return (instant if instant.tzinfo else instant.replace(tzinfo=NEW_YORK)).astimezone(UTC)
