"""What time it is. The only source of "now": real, or fixed by V4_NOW so that past days and demos can be replayed."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from v4_assets.errors import SettingsError

NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Clock:
    """A clock, fixed at `fixed` (aware) or running with the machine."""

    fixed: datetime | None = None

    def now(self) -> datetime:
        """The current instant, in UTC."""
        return self.fixed or datetime.now(UTC)

    def today(self) -> date:
        """The current date in New York, which is the date the sales team works on."""
        return self.now().astimezone(NEW_YORK).date()


def cutoff(day: date) -> datetime:
    """`day` 00:00 in New York, in UTC: what happened before it is known on `day`, what happened after is not."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant. One without an offset is New York wall time. Raises SettingsError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{text!r} is not an instant. Write it like 2026-01-05T06:30 (New York) or with an offset."
        ) from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=NEW_YORK)).astimezone(UTC)
