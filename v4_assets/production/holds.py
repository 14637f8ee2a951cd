"""A hold on everything automatic, and the orders that begin although an action is unfinished. Pure.

During a hold the sensor starts and resumes nothing and no daily run sends scores to Salesforce; scoring, evaluation and
alerts go on, and what a person orders is carried out.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from v4_assets.clock import NEW_YORK
from v4_assets.production.decision import Action, Decision
from v4_assets.production.events import Event
from v4_assets.production.orders import Order

if TYPE_CHECKING:
    from v4_assets.production.status import Status

HELD, RELEASED = "held", "released"
"""Events: a hold began, and ended before its `hold_until`."""


def hold_at(events: Sequence[Event], instant: datetime) -> Event | None:
    """The hold in force at an instant; None without one. A later hold replaces an earlier one."""
    latest = next((one for one in reversed(events) if one.event in (HELD, RELEASED)), None)
    return latest if latest and latest.hold_until and instant < latest.hold_until else None


def sentence(hold: Event) -> str:
    """A hold with its end, its author and its reason."""
    until = f"{hold.hold_until.astimezone(NEW_YORK):%Y-%m-%d %H:%M} in New York" if hold.hold_until else "–"
    return f"On hold until {until}, by {hold.decided_by}: {hold.reason.rstrip('.')}."


def held(found: "Status", hold: Event | None) -> "Status":
    """A status without its order: what would have been done is part of the reason, and raises an alert."""
    if hold is None:
        return found
    if found.order is None:
        decision = replace(found.decision, reason=f"{sentence(hold)} {found.decision.reason}")
        return replace(found, hold=hold, decision=decision)
    waits = f"The {found.order.kind} to {found.order.version} waits for its end"
    reason = f"{sentence(hold)} {waits}: {found.order.reason}"
    decision = Decision(Action.HOLD, reason, found.decision.gates, alert=True)
    return replace(found, hold=hold, order=None, decision=decision, subject=f"hold {hold.event_id}")


def supersedes(kind: str, unfinished: Event) -> bool:
    """Whether an order may begin although an action is unfinished: a rollback is the way out of everything else."""
    return kind == "rollback" and unfinished.event != "rollback_started"


def superseding(order: Order, unfinished: Event | None) -> Order:
    """A rollback that begins while a promotion or sunset is unfinished, which never ends then: its reason says so."""
    if unfinished is None:
        return order
    what = f"It supersedes {unfinished.event} of {unfinished.day}, which was not completed."
    return replace(order, reason=f"{order.reason} {what}")
