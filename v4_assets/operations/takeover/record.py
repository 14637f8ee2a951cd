"""The record of takeovers in the warehouse: rows of v4_takeover, and the plan that can be resumed from them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from v4_assets import tables
from v4_assets.errors import TableMissingError
from v4_assets.operations.takeover.moves import Move, Plan
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse.moving import Expiration
from v4_assets.warehouse.protocol import Statement, rows_of

PLANNED, FINISHED, UNDO_STARTED, UNDONE = "planned", "finished", "undo_started", "undone"


@dataclass(frozen=True)
class Row:
    """One row of v4_takeover; its SQL header says what each column holds."""

    takeover_id: str
    event: str
    recorded_at: datetime
    recorded_by: str
    object_name: str | None = None
    kind: str | None = None
    kept_as: str | None = None
    method: str | None = None
    view_text: str | None = None
    row_count: int | None = None
    expires_at: datetime | None = None
    partition_days: float | None = None
    sequence: int = 0
    """Given when the row is recorded."""


def recorded(store: Store) -> list[Row]:
    """The record of takeovers, oldest first; empty before the first."""
    try:
        return [Row(**row) for row in rows_of(store.warehouse.read(store.catalogue.query(tables.TAKEOVER)))]
    except TableMissingError:
        return []


def record(store: Store, rows: Iterable[Row]) -> None:
    """Add rows to the record, all or none. Raises ConcurrentWriteError when another process added some meanwhile."""
    latest = max((row.sequence for row in recorded(store)), default=0)
    statements = []
    for number, row in enumerate(rows, latest + 1):
        values = asdict(row) | {
            "number": number,
            "counted_rows": None if row.row_count is None else str(row.row_count),
            "expires_at": row.expires_at.isoformat(sep=" ") if row.expires_at else None,
            "partition_days": None if row.partition_days is None else str(row.partition_days),
        }
        del values["sequence"], values["row_count"]
        statements.append(Statement(store.catalogue.query("record_takeover", values), expected_rows=1))
    store.warehouse.transact(statements)


def planned_rows(found: Plan, now: datetime, by: str) -> list[Row]:
    """A plan as rows of the record."""
    return [
        Row(
            takeover_id=found.takeover_id,
            event=PLANNED,
            recorded_at=now,
            recorded_by=by,
            object_name=one.place.name,
            kind=one.kind,
            kept_as=one.kept_as,
            method=one.method,
            view_text=one.view_text,
            row_count=one.row_count,
            expires_at=one.expires.at,
            partition_days=one.expires.partition_days,
        )
        for one in found.moves
    ]


def resumed(rows: Sequence[Row], dataset: str) -> Plan:
    """The plan of the latest takeover in the record."""
    takeover_id = rows[-1].takeover_id
    planned = [row for row in rows if row.takeover_id == takeover_id and row.event == PLANNED]
    return Plan(takeover_id, tuple(_of_row(row, dataset) for row in planned))


def moved(rows: Sequence[Row], dataset: str) -> Plan:
    """Everything that was moved since the latest undoing; of two moves of one name the later."""
    undone = max((number for number, row in enumerate(rows, 1) if row.event == UNDONE), default=0)
    planned = {row.object_name: row for row in rows[undone:] if row.event == PLANNED}
    return Plan(rows[-1].takeover_id, tuple(_of_row(row, dataset) for row in planned.values()))


def _of_row(row: Row, dataset: str) -> Move:
    name, kind, method = row.object_name or "", row.kind or "table", row.method or "rename"
    return Move(
        place=Table(name, dataset, name, ()),
        kind=kind,  # type: ignore[arg-type] # written from a Move
        kept_as=row.kept_as or "",
        method=method,  # type: ignore[arg-type] # the same
        view_text=row.view_text,
        row_count=row.row_count,
        expires=Expiration(row.expires_at, row.partition_days),
    )
