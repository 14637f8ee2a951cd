"""What a takeover would do, made from what stands in the warehouse, and the plan in words."""

import re
from collections.abc import Sequence
from uuid import uuid4

from v4_assets import sql, tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import TakeoverError, V4Error
from v4_assets.operations.takeover.record import PLANNED, UNDO_STARTED, Move, Plan, recorded
from v4_assets.production import references
from v4_assets.production.reference_search import without_comments
from v4_assets.store import Store
from v4_assets.tables import Catalogue, Table
from v4_assets.warehouse import schema, table_differences
from v4_assets.warehouse.preflight import Preflight, Standing, examine
from v4_assets.warehouse.table_differences import Shape


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
        authorized, unknown = authorizations(store, rollout, [one.place for one in found.obstacles])
        return Plan(
            takeover_id=uuid4().hex,
            moves=() if hindrances else tuple(_move(store, one, clock, copy) for one in found.obstacles),
            hindrances=tuple(hindrances),
            readers=_readers(store, rollout, found),
            lost_columns={one.name: lost for one in found.obstacles if (lost := _lost(store, one))},
            authorizations=authorized,
            notes=(*_unfinished(store), *unknown, *found.notes),
        )


def authorizations(
    store: Store, rollout: Rollout, places: Sequence[Table]
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Dataset and view that must be authorized again; and a note for each dataset that does not say."""
    known, unknown = [], []
    for dataset in sorted({*rollout.datasets.model_dump().values(), *rollout.references.datasets}):
        try:
            known += store.warehouse.moving().authorizations([dataset], places)
        except V4Error as error:
            unknown.append(f"Which views {dataset} authorizes is not known: {error}")
    return tuple(known), tuple(unknown)


def _unfinished(store: Store) -> list[str]:
    """What the record says about an earlier takeover that waits to be finished."""
    rows = recorded(store)
    return [schema.PENDING[rows[-1].event]] if rows and rows[-1].event in (PLANNED, UNDO_STARTED) else []


def dated(store: Store, dataset: str, name: str, clock: Clock) -> str:
    """A name that says since when something is kept, and that is free."""
    stem = f"{name}_{clock.today():%Y%m%d}"
    names = (stem, *(f"{stem}_{number}" for number in range(2, 100)))
    free = (one for one in names if store.warehouse.shape(Table(one, dataset, one, ())) is None)
    found = next(free, None)
    if found is None:
        raise TakeoverError(f"{stem} and 98 names like it are taken in {dataset}: drop those that nothing needs.")
    return found


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
    by_name = {one.place.name.lower(): one.name for one in found.obstacles}
    readers: dict[str, list[str]] = {}
    try:
        by_version = [one for version in rollout.versions for one in references.readers(store, rollout, version)]
    except V4Error as error:
        return dict.fromkeys(by_name.values(), (f"not known: {error}",))
    for reader in by_version:
        for name in reader.names:
            if name.lower() in by_name:
                readers.setdefault(by_name[name.lower()], []).append(str(reader))
    of_versions = {name for version in rollout.versions for name in references.bound_to(rollout, version).names}
    for one in found.obstacles:
        # `v4 references` passes over views of our names; here they are the firm's.
        for view, text in sorted(store.warehouse.view_texts(one.place.dataset).items()):
            is_asked = one.place.name not in of_versions or view.lower() in by_name
            if is_asked and view.lower() != one.place.name and names(text, one.place.name):
                readers.setdefault(one.name, []).append(f"{one.place.dataset}.{view}")
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
    return {column.lower() for column in _columns_of_view(catalogue, name)}


def _columns_of_view(catalogue: Catalogue, name: str) -> tuple[str, ...]:
    """Names of a view's columns; of a version's features view those of its table."""
    for one in (one for one in catalogue.versions.values() if name == one.features_view):
        legacy = sql.load("legacy_features").columns if one.legacy_columns else ()
        return tuple(column.name for column in (*catalogue[tables.features_key(one.key)].columns, *legacy))
    file = {view.name: view.query.name for view in catalogue.views}[name]
    contract = "daily_scores" if file == "production_scores" else file
    return tuple(column.name for column in sql.load(contract).columns)


def names(text: str, name: str) -> bool:
    """Whether the text of a view names an object, in any case and outside comments."""
    return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", without_comments(text), re.IGNORECASE))


def is_firms(shape: Shape | None) -> bool:
    """Whether what stands under a name of ours is not ours."""
    return shape is not None and not shape.is_marked


def view_places(store: Store) -> list[Table]:
    """Our views by name."""
    return [table_differences.place(view) for view in store.catalogue.views]


HOW = {
    "rename": "is renamed to {}",
    "copy": "is copied to {}, read back, and dropped",
    "text": "is made again as {}, and its text is kept in v4_takeover",
}


def as_text(found: Plan) -> str:
    """The plan for a person: each object, who reads it, what must be done beside."""
    if not found.moves and not found.hindrances:
        lines = ["Nothing of others stands where this project's tables and views belong. `v4 init` makes them."]
        return "\n".join([*lines, *found.notes])
    lines = [f"{len(found.moves)} objects are moved aside:"] if found.moves else []
    for one in found.moves:
        lines += [f"  {one.kind} {one.name} {HOW[one.method].format(one.kept_as)}{_facts(one)}"]
        lines += _beside(found, one.name)
    lines += [f"Not possible now: {text}." for text in found.hindrances]
    lines += [
        f"Authorize again on {dataset}: the view {view}, which is replaced." for dataset, view in found.authorizations
    ]
    lines += found.notes
    if found.moves:
        lines += [
            "Views that read no moved table answer throughout. A moved table's name, and what reads it, fails between "
            "the steps that move it and make ours.",
            "Stop the jobs that write these objects, then: `v4 takeover --yes`. `v4 takeover --undo` takes it back.",
        ]
    return "\n".join(lines)


def done_text(found: Plan) -> str:
    """What was moved."""
    lines = [f"{one.name} is kept as {one.kept_as}." for one in found.moves]
    lines += [f"Authorize again on {dataset}: the view {view}." for dataset, view in found.authorizations]
    following = "Next: `v4 init --tables-only`, `v4 run --date yesterday`, `v4 migration`, then `v4 init`."
    return "\n".join([*lines, f"The names are this project's now. {following}"])


def undone_text(found: Plan) -> str:
    """What came back."""
    lines = [f"{one.name} is the firm's {one.kind} again." for one in found.moves]
    last = "Ours of these names are kept as …_of_v4_DATE, with their rows. `v4 takeover --yes` takes over again."
    return "\n".join([*lines, *found.notes, last])


def _facts(one: Move) -> str:
    facts = [] if one.row_count is None else [f"{one.row_count:,} rows"]
    if one.expires.at:
        facts.append(f"would expire on {one.expires.at:%Y-%m-%d}, which is removed until it is undone")
    if one.expires.partition_days:
        facts.append(f"partitions would expire after {one.expires.partition_days:g} days, which is removed as well")
    return f" ({'; '.join(facts)})" if facts else ""


def _beside(found: Plan, name: str) -> list[str]:
    readers, lost = found.readers.get(name, ()), found.lost_columns.get(name, ())
    lines = [
        f"    read by {', '.join(readers)}" if readers else "    read by nothing that was checked (`v4 references`)"
    ]
    if lost:
        lines.append(f"    columns that ours does not have: {', '.join(lost)}")
    return lines
