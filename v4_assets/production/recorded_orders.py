"""Orders and permissions as they were recorded: rows of v4_orders. A run carries the id of one, never its words.

A permission names the writes that it is about. It holds for exactly these until they are replaced or sent, once: what
repeats the run later finds other writes, and is permitted nothing. A run that failed halfway finds the rest.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from v4_assets import tables
from v4_assets.errors import PolicyError
from v4_assets.production.orders import KIND, Order
from v4_assets.store import Store
from v4_assets.warehouse.protocol import Statement

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
