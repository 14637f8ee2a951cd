"""What is on record of a sync: read by status and report. Pure."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Sync:
    """The last sync on record."""

    at: datetime | None
    """When the org was last compared with the live scores, New York; None when never."""
    target: str
    version: str = ""
    sent_at: datetime | None = None
    """When rows were last sent, New York; None when never. A sync that finds no difference sends none."""
    sent: int = 0
    confirmed: int = 0
    pending: int = 0
    failed: int = 0
    quarantined: int = 0
    """Of the rows sent last."""
    kept_back: int = 0
    """Quarantined leads: not sent by the last sync, because the org refused them recently."""
    sent_org: str = ""
    """Id of the org the rows were sent to."""
    sent_version: str = ""
    """The version whose scores were sent."""
    sent_day: date | None = None
    """The day whose scores were sent."""
