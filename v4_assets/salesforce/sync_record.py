"""The record of a sync: delivered, or owed and why. Pure."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class SyncRecord:
    """A row of salesforce_syncs, without its sequence and its time."""

    sync_id: str
    target: str
    org_id: str | None
    prediction_date: date
    model_version: str | None
    run_id: str | None
    is_full: bool = False
    leads: int = 0
    sent: int = 0
    confirmed: int = 0
    pending: int = 0
    failed: int = 0
    quarantined: int = 0
    held_back: int = 0
    absent: int = 0
    repaired: int = 0
    owed: str | None = None
