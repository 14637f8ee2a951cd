"""What a takeover moves, its named steps, which may be repeated, and its record: rows of v4_takeover."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import TableMissingError
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse.protocol import Expiration, Statement, rows_of
from v4_assets.warehouse.table_differences import Kind

Method = Literal["rename", "copy", "text"]


@dataclass(frozen=True)
class Move:
    """One object of the firm's that is moved aside."""

    place: Table
    kind: Kind
    kept_as: str
    """Its dated name."""
    method: Method
    view_text: str | None = None
    row_count: int | None = None
    expires: Expiration = field(default_factory=Expiration)

    @property
    def name(self) -> str:
        """Dataset and name."""
        return f"{self.place.dataset}.{self.place.name}"

    @property
    def dated(self) -> Table:
        """Where it is kept."""
        return Table(self.kept_as, self.place.dataset, self.kept_as, ())


@dataclass(frozen=True)
class Plan:
    """The moves of one takeover, and what people must know before it."""

    takeover_id: str
    moves: tuple[Move, ...]
    hindrances: tuple[str, ...] = ()
    """Why it cannot be done now."""
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of an object to who reads it."""
    lost_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of an object to the columns that ours of that name does not have."""
    authorizations: tuple[tuple[str, str], ...] = ()
    """Dataset and view that must be authorized on it again."""
    notes: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Step:
    """One named step; doing it again changes nothing."""

    name: str
    do: Callable[[], None]


@dataclass(frozen=True)
class Steps:
    """The steps of one person's takeover of one warehouse."""

    store: Store
    rollout: Rollout
    clock: Clock
    by: str
    progress: Callable[[str], None] = lambda _: None
    """Called with the name of each step that is done."""

    @property
    def dataset(self) -> str:
        """The dataset of our tables."""
        return self.store.catalogue[tables.TAKEOVER].dataset

    def do(self, steps: Iterable[Step]) -> None:
        """Do the steps in order."""
        with self.store.session():
            for step in steps:
                step.do()
                self.progress(step.name)

    def end(self, found: Plan, event: str) -> None:
        """Record the end, once."""
        if recorded(self.store)[-1].event != event:
            record(self.store, [Row(found.takeover_id, event, self.clock.now(), self.by)])

    def asides(self) -> dict[str, str]:
        """Name to dated name of our tables that the latest undoing set aside."""
        rows = [row for row in recorded(self.store) if row.event == UNDO_STARTED]
        return {row.object_name: row.kept_as for row in rows if row.object_name and row.kept_as}

    def made(self, name: str) -> Table | None:
        """Our table of that name."""
        return next((table for table in self.store.catalogue.made if table.name == name), None)
