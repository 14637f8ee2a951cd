"""What a takeover would do, made from what stands in the warehouse; and its record there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal
from uuid import uuid4

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import TableMissingError, TakeoverError, V4Error
from v4_assets.production import references
from v4_assets.production.mentions import without_comments
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse import shapes
from v4_assets.warehouse.moving import Expiration
from v4_assets.warehouse.preflight import Preflight, Standing, examine
from v4_assets.warehouse.protocol import Statement, rows_of
from v4_assets.warehouse.shapes import Kind, Shape

Method = Literal["rename", "copy", "text"]
PLANNED, FINISHED, UNDO_STARTED, UNDONE = "planned", "finished", "undo_started", "undone"


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
            "row_count": None if row.row_count is None else str(row.row_count),
            "expires_at": row.expires_at.isoformat(sep=" ") if row.expires_at else None,
            "partition_days": None if row.partition_days is None else str(row.partition_days),
        }
        del values["sequence"]
        statements.append(Statement(store.catalogue.query("record_takeover", values), expected_rows=1))
    store.warehouse.transact(statements)


def plan(store: Store, rollout: Rollout, clock: Clock, *, copy: bool = False) -> Plan:
    """What a takeover would do now. Changes nothing."""
    with store.session():
        found = examine(store.warehouse, store.catalogue)
        moving = store.warehouse.moving()
        hindrances = [
            f"{one.name}: {why}"
            for one in found.obstacles
            if (why := _hindrance(store, one) or moving.hindrance(one.place, one.shape.kind))
        ]
        places = [one.place for one in found.obstacles]
        datasets = sorted({*rollout.datasets.model_dump().values(), *rollout.references.datasets})
        return Plan(
            takeover_id=uuid4().hex,
            moves=() if hindrances else tuple(_move(store, one, clock, copy) for one in found.obstacles),
            hindrances=tuple(hindrances),
            readers=_readers(store, rollout, found),
            lost_columns={one.name: lost for one in found.obstacles if (lost := _lost(store, one))},
            authorizations=tuple(moving.authorizations(datasets, places)),
            notes=found.notes,
        )


def resumed(rows: Sequence[Row], dataset: str) -> Plan:
    """The plan of the latest takeover in the record."""
    takeover_id = rows[-1].takeover_id
    planned = [row for row in rows if row.takeover_id == takeover_id and row.event == PLANNED]
    return Plan(takeover_id, tuple(_of_row(row, dataset) for row in planned))


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


def dated(store: Store, dataset: str, name: str, clock: Clock) -> str:
    """A name that says since when something is kept, and that is free."""
    stem = f"{name}_{clock.today():%Y%m%d}"
    names = (stem, *(f"{stem}_{number}" for number in range(2, 100)))
    free = (one for one in names if store.warehouse.shape(Table(one, dataset, one, ())) is None)
    found = next(free, None)
    if found is None:
        raise TakeoverError(f"{stem} and 98 names like it are taken in {dataset}: drop those that nothing needs.")
    return found


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


def _move(store: Store, one: Standing, clock: Clock, copy: bool) -> Move:
    moving, is_table = store.warehouse.moving(), one.shape.is_table
    return Move(
        place=one.place,
        kind=one.shape.kind,
        kept_as=dated(store, one.place.dataset, f"{one.place.name}_before_v4", clock),
        method=("copy" if copy else "rename") if is_table else "text",
        view_text=None if is_table else moving.view_text(one.place),
        row_count=moving.content(one.place).rows if is_table else None,
        expires=moving.expiration(one.place),
    )


def _hindrance(store: Store, one: Standing) -> str | None:
    if one.place.name == store.catalogue[tables.TAKEOVER].name:
        return "the record of the takeover itself needs this name: give the object another name yourself"
    return None


def _readers(store: Store, rollout: Rollout, found: Preflight) -> dict[str, tuple[str, ...]]:
    """Who reads each obstacle: by `v4 references` for a version's own names, by the views of our dataset for others."""
    names = {one.place.name.lower(): one.name for one in found.obstacles}
    readers: dict[str, list[str]] = {}
    try:
        by_version = [one for version in rollout.versions for one in references.readers(store, rollout, version)]
    except V4Error as error:
        return dict.fromkeys(names.values(), (f"not known: {error}",))
    for reader in by_version:
        for name in reader.names:
            if name.lower() in names:
                readers.setdefault(names[name.lower()], []).append(str(reader))
    of_versions = {name for version in rollout.versions for name in references.bound_to(rollout, version).names}
    for one in found.obstacles:
        if one.place.name not in of_versions:
            texts = store.warehouse.view_texts(one.place.dataset)
            readers[one.name] = [
                f"{one.place.dataset}.{view}"
                for view, text in sorted(texts.items())
                if view != one.place.name and one.place.name.lower() in without_comments(text).lower()
            ]
    return {name: tuple(dict.fromkeys(who)) for name, who in readers.items() if who}


def _lost(store: Store, one: Standing) -> tuple[str, ...]:
    """Columns of an obstacle that ours of that name will not have."""
    ours = _ours(store, one)
    return tuple(name for name in one.shape.columns if name.lower() not in ours)


def _ours(store: Store, one: Standing) -> set[str]:
    """Columns of what this project has under the name of an obstacle, in lower case."""
    catalogue, name = store.catalogue, one.place.name
    for table in catalogue.made:
        if table.name == name:
            return {column.name.lower() for column in table.columns}
    return {column.lower() for column in catalogue.view_columns(name)}


def is_firms(shape: Shape | None) -> bool:
    """Whether what stands under a name of ours is not ours."""
    return shape is not None and not shape.is_marked


def view_places(store: Store) -> list[Table]:
    """Our views by name."""
    return [shapes.place(view) for view in store.catalogue.views]
