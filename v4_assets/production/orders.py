"""Orders: a decision on its way to the job that carries it out, and the hold that stops all that are not a person's.

An order names the world it was decided in. Its id is a hash of that world, so that two sensors that see the same decide
the same order, and the second one finds it carried out. During a hold the sensor starts and resumes nothing and no
daily run sends scores to Salesforce; scoring, evaluation and alerts go on, and what a person orders is carried out.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import dagster as dg

from v4_assets.clock import NEW_YORK
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.production.decision import Action, Decision, Gate, RolloutStatus
from v4_assets.production.events import DeploymentState, Event
from v4_assets.store import Store

if TYPE_CHECKING:
    from v4_assets.production.status import Status


Kind = Literal["promotion", "rollback", "sunset"]
KIND: dict[Action, Kind] = {Action.PROMOTE: "promotion", Action.ROLLBACK: "rollback", Action.SUNSET: "sunset"}


class OrderConfig(dg.Config):
    """An order as run config; empty in every run that carries none out."""

    order: str = ""
    """Id of a recorded order."""


@dataclass(frozen=True)
class Order:
    """What shall be done, and what must still be true for it."""

    event_id: str
    """Of the event that it has begun."""
    kind: Kind
    version: str
    """Live afterwards; for a sunset the version that is archived."""
    previous: str | None
    expected_event_id: str
    """The switch that must still be the latest."""
    reason: str
    decided_by: str
    gates: str | None = None
    """JSON of the gates decided by."""
    evidence_day: str | None = None
    evidence_sha256: str | None = None
    model_sha256: str | None = None
    """The artifact that was judged, by its booster and by everything that can change its scores."""
    bundle_sha256: str | None = None

    @classmethod
    def again(cls, started: Event) -> "Order":
        """The order that began with an event, to be carried through."""
        kinds: dict[str, Kind] = {f"{kind}_started": kind for kind in KIND.values()}
        return cls(
            event_id=started.event_id,
            kind=kinds[started.event],
            version=started.version,
            previous=started.previous,
            expected_event_id="",
            reason=started.reason,
            decided_by=started.decided_by,
        )

    def started(self, now: datetime, run_id: str | None) -> Event:
        """The event that it has begun."""
        return Event(
            event_id=self.event_id,
            happened_at=now,
            event=f"{self.kind}_started",
            version=self.version,
            previous=self.previous,
            action_id=self.event_id,
            reason=self.reason,
            decided_by=self.decided_by,
            gates=self.gates,
            evidence_day=date.fromisoformat(self.evidence_day) if self.evidence_day else None,
            evidence_sha256=self.evidence_sha256,
            run_id=run_id,
        )


def order_id(kind: Kind, version: str, expected_event_id: str, why: str) -> str:
    """The same for the same order in the same world: `why` is the evidence's sha256, or a person's reason."""
    return sha256("\0".join((kind, version, expected_event_id, why)).encode()).hexdigest()[:32]


def completed(started: Event, now: datetime, run_id: str | None, reason: str) -> Event:
    """The event that an action is through."""
    return Event(
        event_id=f"{started.event_id}-completed",
        happened_at=now,
        event=started.event.replace("_started", "_completed"),
        version=started.version,
        previous=started.previous,
        action_id=started.event_id,
        reason=reason,
        decided_by=started.decided_by,
        bundle_sha256=started.bundle_sha256,
        run_id=run_id,
    )


def gates_json(gates: Iterable[Gate]) -> str:
    """Gates as they are kept beside an event."""
    return json.dumps([{**asdict(gate), "verdict": gate.verdict.name} for gate in gates])


def following(
    store: Store,
    decision: Decision,
    status: RolloutStatus,
    rollout: Rollout,
    deployed: DeploymentState,
    rows: list[Evidence],
) -> Order | None:
    """The order that follows from a decision on the day's evidence; None when nothing is to be done."""
    if decision.action not in KIND:
        return None
    kind = KIND[decision.action]
    version = rollout.candidate if kind == "promotion" else rollout.baseline
    judged = store.artifact_of(rows, version)
    evidence = digest(rows)
    expected = deployed.live.event_id if deployed.live else ""
    return Order(
        event_id=order_id(kind, version, expected, evidence),
        kind=kind,
        version=version,
        previous=status.live if kind != "sunset" else None,
        expected_event_id=expected,
        reason=decision.reason,
        decided_by="rollout_sensor",
        gates=gates_json(decision.gates),
        evidence_day=status.today.isoformat(),
        evidence_sha256=evidence,
        model_sha256=judged.model_sha256,
        bundle_sha256=judged.bundle_sha256,
    )


HELD, RELEASED = "held", "released"
"""Events: a hold began, and ended before its `hold_until`."""


def hold_at(events: Sequence[Event], instant: datetime) -> Event | None:
    """The hold in force at an instant; None without one. A later hold replaces an earlier one."""
    latest = next((one for one in reversed(events) if one.event in (HELD, RELEASED)), None)
    return latest if latest and latest.hold_until and instant < latest.hold_until else None


def hold_sentence(hold: Event) -> str:
    """A hold with its end, its author and its reason."""
    until = f"{hold.hold_until.astimezone(NEW_YORK):%Y-%m-%d %H:%M} in New York" if hold.hold_until else "–"
    return f"On hold until {until}, by {hold.decided_by}: {hold.reason.rstrip('.')}."


def status_on_hold(found: "Status", hold: Event | None) -> "Status":
    """A status without its order: what would have been done is part of the reason, and raises an alert."""
    if hold is None:
        return found
    if found.order is None:
        decision = replace(found.decision, reason=f"{hold_sentence(hold)} {found.decision.reason}")
        return replace(found, hold=hold, decision=decision)
    waits = f"The {found.order.kind} to {found.order.version} waits for its end"
    reason = f"{hold_sentence(hold)} {waits}: {found.order.reason}"
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
