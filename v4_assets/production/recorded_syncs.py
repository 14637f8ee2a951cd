"""The syncs on record, and whether a day's scores were delivered: what status, sensor, alerts and report show. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class Sync:
    """The last sync on record, and the rows that were sent last, by it or by an earlier one."""

    at: datetime | None
    """When it ended, New York."""
    target: str
    version: str = ""
    sent_at: datetime | None = None
    """When rows were last sent, New York; None when never. A sync that finds no difference sends none."""
    sent: int = 0
    confirmed: int = 0
    failed: int = 0
    quarantined: int = 0
    """Of the rows sent last."""
    pending: int = 0
    """Leads whose values are still to be sent."""
    kept_back: int = 0
    """Quarantined leads: not sent by the last sync, because the org refused them recently."""
    absent: int = 0
    """Leads that the org does not have, or has converted."""
    repaired: int = 0
    """Leads that showed other values than confirmed and were sent again."""
    sent_org: str = ""
    """Id of the org the rows were sent to."""
    sent_version: str = ""
    """The version whose scores were sent."""
    sent_day: date | None = None
    """The day whose scores were sent."""
    owed: str | None = None
    """Why the last sync did not deliver the day's scores; None when it did."""


@dataclass(frozen=True)
class Delivery:
    """The syncs on record."""

    rows: Sequence[dict[str, Any]]
    """Rows of salesforce_syncs, oldest first; ended_at in New York."""

    @property
    def last(self) -> Sync | None:
        """The last sync, and the rows sent last; None before the first."""
        if not self.rows:
            return None
        last = self.rows[-1]
        sent = next((row for row in reversed(self.rows) if row["sent"]), None)
        return Sync(
            at=last["ended_at"],
            target=last["target"],
            version=last["model_version"] or "",
            pending=last["pending"],
            kept_back=last["held_back"],
            absent=last["absent"],
            repaired=last["repaired"],
            owed=last["owed"],
            **(_sent(sent) if sent else {}),
        )

    def of(self, day: date, version: str | None) -> dict[str, Any] | None:
        """The last sync of a day's scores of a version."""
        found = (row for row in reversed(self.rows) if row["prediction_date"] == day)
        return next((row for row in found if row["model_version"] == version), None)

    @property
    def carried(self) -> str | None:
        """The version whose scores Salesforce carries: that of the last sync that sent rows or found none to send."""
        known = (row["model_version"] for row in reversed(self.rows) if row["sent"] or row["owed"] is None)
        return next(known, None)

    def differs_from(self, live: str | None) -> str | None:
        """The version Salesforce carries instead of the live one; None when it carries the live one, or none."""
        return self.carried if live and self.carried != live else None

    def owed(self, day: date, version: str | None, since: datetime | None = None) -> str | None:
        """Why Salesforce lacks a version's scores of the day; None when they are delivered. A dry run delivers.

        `since` is when the version went live: what was delivered before may have been overwritten.
        """
        last = self.of(day, version)
        if last is None:
            why: str | None = "no sync of the day has ended"
        elif since and last["ended_at"] < since:
            why = f"no sync has ended since {version} went live"
        else:
            why = last["owed"]
        if other := self.differs_from(version):
            return f"it carries {other}'s scores{f': {why}' if why else ''}"
        return why


def _sent(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "sent_at": row["ended_at"],
        "sent_org": row["org_id"] or "",
        "sent_version": row["model_version"] or "",
        "sent_day": row["prediction_date"],
        **{name: row[name] for name in ("sent", "confirmed", "failed", "quarantined")},
    }
