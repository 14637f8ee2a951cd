"""Orders: decisions on their way to the job that carries them out, and permissions given to runs. Rows of v4_orders.

The id of an order is a hash of the world it was decided in, so that two sensors that see the same decide the same
order, and the second one finds it carried out. A run carries the id of one, never its words.

A permission names the writes that it is about. It holds for exactly these until they are replaced or sent, once: what
repeats the run later finds other writes, and is permitted nothing. A run that failed halfway finds the rest.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import uuid4

import dagster as dg

from v4_assets import tables
from v4_assets.config.rollout import Rollout
from v4_assets.errors import PolicyError
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.production.decision import Action, Decision, Gate, RolloutStatus
from v4_assets.production.events import DeploymentState, Event
from v4_assets.store import Store
from v4_assets.warehouse.protocol import Statement

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


REPLACE_LIVE, ALLOW_CHANGES = "replace_live", "allow_changes"
SHOWN = 40


@dataclass(frozen=True)
class Replacement:
    """Permission to replace the rows of one day that were written on the day itself."""

    day: date
    reason: str
    writes: Mapping[str, int]
    """Table name to the write that may be replaced."""


@dataclass(frozen=True)
class LargeChange:
    """Permission to change more leads of the org than the limit, to bring it one write of scores."""

    order_id: str
    reason: str
    kind: str = ALLOW_CHANGES


def give(store: Store, order: Order, at: datetime) -> dict[str, str]:
    """Record an order, once, and return the run config of the asset that begins it."""
    _record(store, order.event_id, "ordered", order.kind, asdict(order), at, order.decided_by)
    return {"order": order.event_id}


def order_of(store: Store, order_id: str, *kinds: str) -> Order | None:
    """The order that a run's config names; None when it names none.

    Raises PolicyError for what is not recorded, and for an order that is not of these kinds.
    """
    if not order_id:
        return None
    found = _ordered(store, order_id)
    if found is None or found["kind"] not in KIND.values():
        raise PolicyError(
            f"The run's config holds {_cut(order_id)}, which is no recorded order. `v4 promote`, `v4 rollback`, "
            "`v4 sunset` and the sensor record orders; a run carries the id alone."
        )
    if found["kind"] not in kinds:
        raise PolicyError(f"{_cut(order_id)} is a {found['kind']}, and this job begins a {' or '.join(kinds)} only.")
    return Order(**json.loads(found["content"]))


def permit_replacement(store: Store, day: date, reason: str, names: set[str], at: datetime, by: str) -> str:
    """Record that the latest writes of these tables may be replaced on a day, once. Returns the permission's id."""
    latest = {name: write.sequence for (name, _), write in store.latest_writes(day, day).items() if name in names}
    content = {"day": day.isoformat(), "reason": reason, "writes": latest}
    order_id = uuid4().hex
    _record(store, order_id, "ordered", REPLACE_LIVE, content, at, by)
    return order_id


def replacement_of(store: Store, order_id: str | None) -> Replacement | None:
    """The permission that a run's tag names; None without a tag. Raises PolicyError for what is not recorded."""
    if not order_id:
        return None
    found = _ordered(store, order_id)
    if found is None or found["kind"] != REPLACE_LIVE:
        raise PolicyError(
            f"The run's tag holds {_cut(order_id)}, which is no recorded permission, so nothing was replaced. "
            '`v4 run --date DAY --replace-live "REASON"` records one and runs the day.'
        )
    content = json.loads(found["content"])
    return Replacement(date.fromisoformat(content["day"]), content["reason"], content["writes"])


def permit_large_change(store: Store, day: date, version: str, reason: str, at: datetime, by: str) -> int:
    """Record that the next sync of the latest scores may change more leads than the limit. Returns their write.

    Raises PolicyError when the version has no scores of the day.
    """
    write = _scores(store, day, version)
    if write is None:
        raise PolicyError(
            f"{version} has no scores of {day}, so there is no sync to allow. `v4 run --date {day}` first."
        )
    content = {"day": day.isoformat(), "version": version, "write": write, "reason": reason}
    _record(store, uuid4().hex, "ordered", ALLOW_CHANGES, content, at, by)
    return write


def large_change_of(store: Store, day: date, version: str) -> LargeChange | None:
    """The permission for exactly the latest scores of a version on a day, while it is not done."""
    wanted = {"day": day.isoformat(), "version": version, "write": _scores(store, day, version)}
    for row in store.rows("open_orders", {"kind": ALLOW_CHANGES}):
        content = json.loads(row["content"])
        if {name: content[name] for name in wanted} == wanted:
            return LargeChange(row["order_id"], content["reason"])
    return None


def done(store: Store, permission: LargeChange, at: datetime, by: str) -> None:
    """Record that a permission is used up."""
    _record(store, permission.order_id, "done", permission.kind, None, at, by)


def _scores(store: Store, day: date, version: str) -> int | None:
    name = store.catalogue[tables.scores_key(store.catalogue.versions[version].key)].name
    write = store.latest_writes(day, day).get((name, day))
    return write.sequence if write else None


def _ordered(store: Store, order_id: str) -> dict[str, Any] | None:
    rows = store.rows(tables.ORDERS, {"order_id": order_id})
    return next((row for row in rows if row["event"] == "ordered"), None)


def _record(
    store: Store, order_id: str, event: str, kind: str, content: Mapping[str, Any] | None, at: datetime, by: str
) -> None:
    row = {
        "order_id": order_id,
        "event": event,
        "kind": kind,
        "content": None if content is None else json.dumps(content, sort_keys=True),
        "recorded_at": at,
        "recorded_by": by,
    }
    store.warehouse.transact([Statement(store.catalogue.query("record_order", row))])


def _cut(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
