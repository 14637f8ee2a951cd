"""Undoing a takeover: the firm's objects take their names again; ours are kept, with their rows, under dated ones."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from v4_assets import tables
from v4_assets.errors import TakeoverError, V4Error
from v4_assets.operations.takeover.plan import dated, is_firms, names, view_places
from v4_assets.operations.takeover.record import (
    PLANNED,
    UNDO_STARTED,
    UNDONE,
    Move,
    Plan,
    Row,
    Step,
    Steps,
    moved,
    record,
    recorded,
)
from v4_assets.tables import Table
from v4_assets.warehouse.protocol import Expiration


@dataclass(frozen=True)
class Undo(Steps):
    """The undoing of what was taken over."""

    def run(self) -> Plan:
        """Give the firm's objects their names back; ours of those names are kept under dated ones.

        Raises TakeoverError when there is nothing to undo.
        """
        rows = recorded(self.store)
        if not rows or rows[-1].event == UNDONE:
            raise TakeoverError("There is no takeover to undo: `v4 takeover` shows what one would do.")
        found = moved(rows, self.dataset)
        if rows[-1].event != UNDO_STARTED:
            self.do([Step("record the undoing", partial(record, self.store, self._begun(found)))])
        self.do(self._undone(found, self.asides()))
        return replace(found, notes=(*self._still_kept(rows), *self._expired(found)))

    def _undone(self, found: Plan, asides: dict[str, str]) -> Iterator[Step]:
        schema_table = self.store.catalogue[tables.SCHEMA]
        yield Step(f"set {schema_table.name} aside", partial(self._aside, schema_table, asides))
        replaced = {one.place.name for one in found.moves if one.kind == "view"}
        for place in view_places(self.store):
            if place.name not in replaced:
                yield Step(f"drop our view {place.name}", partial(self._drop_ours, place))
        for one in _in_order(found.moves):
            if one.place.name in asides:
                yield Step(f"set our {one.place.name} aside", partial(self._aside, one.place, asides))
            yield Step(f"give {one.name} its name back", partial(self._back, one))
            yield Step(f"clear {one.kept_as}", partial(self._clear, one))
        yield Step("record the end", partial(self.end, found, UNDONE))

    def _aside(self, table: Table, asides: dict[str, str]) -> None:
        """Our table leaves its name, with its rows."""
        shape, name = self.store.warehouse.shape(table), asides.get(table.name)
        if name and shape and shape.is_marked and shape.is_table:
            self.store.warehouse.moving().rename(table, name)

    def _drop_ours(self, place: Table) -> None:
        """Our view goes; it is made from sql/ again whenever it is needed."""
        shape = self.store.warehouse.shape(place)
        if shape and shape.is_marked:
            self.store.warehouse.moving().drop(place, shape.kind)

    def _back(self, one: Move) -> None:
        """The firm's object takes its name again."""
        warehouse, moving = self.store.warehouse, self.store.warehouse.moving()
        there = warehouse.shape(one.place)
        if is_firms(there):
            return
        if one.method != "text":
            if there is None and warehouse.shape(one.dated) is not None:
                moving.rename(one.dated, one.place.name)
                moving.set_expiration(one.place, one.kind, self._expiration(one))
        else:
            like = one.dated if warehouse.shape(one.dated) is not None else None
            try:
                moving.put_view(one.place, one.view_text or "", one.kind, like)
            except V4Error as error:
                raise TakeoverError(
                    f"{one.name} cannot be made again: {error} Bring back what it reads, then run `v4 takeover --undo` "
                    "again; its text is in v4_takeover.view_text."
                ) from error
            moving.set_expiration(one.place, one.kind, self._expiration(one))
        if not is_firms(warehouse.shape(one.place)):
            raise TakeoverError(f"{one.name} did not come back; it is kept as {one.kept_as}. Rename it yourself.")

    def _clear(self, one: Move) -> None:
        """The copy goes once what it was made of is back, equal."""
        warehouse, moving = self.store.warehouse, self.store.warehouse.moving()
        # A rename leaves no copy, so what stands under the dated name is not ours to drop.
        if one.method == "rename" or warehouse.shape(one.dated) is None:
            return
        if one.method == "text":
            equal = moving.view_text(one.place) == moving.view_text(one.dated)
        else:
            equal = moving.content(one.place) == moving.content(one.dated)
        if equal:
            moving.drop(one.dated, one.kind)

    def _expiration(self, one: Move) -> Expiration:
        """What it had, without a time that has passed: the service would delete the object."""
        return replace(one.expires, at=None) if self._has_expired(one) else one.expires

    def _has_expired(self, one: Move) -> bool:
        return one.expires.at is not None and one.expires.at <= self.clock.now()

    def _expired(self, found: Plan) -> Iterator[str]:
        """A sentence for each object whose time has passed."""
        for one in found.moves:
            if one.expires.at and self._has_expired(one):
                yield f"{one.name} would have expired on {one.expires.at:%Y-%m-%d}: it came back without an expiration."

    def _still_kept(self, rows: Iterable[Row]) -> Iterator[str]:
        """A sentence for each dated object that is left, for another one stands under its name."""
        kept = {row.kept_as: row.object_name for row in rows if row.event == PLANNED and row.kept_as}
        for name, original in kept.items():
            if self.store.warehouse.shape(Table(name, self.dataset, name, ())) is not None:
                yield (
                    f"{self.dataset}.{name} stays: another object was made under the name {original}, or under this "
                    "one, meanwhile."
                )

    def _begun(self, found: Plan) -> list[Row]:
        """Rows that begin the undoing: which tables of ours are set aside, and as what."""
        now, schema_name = self.clock.now(), self.store.catalogue[tables.SCHEMA].name
        names = [schema_name, *(one.place.name for one in found.moves if self.made(one.place.name))]
        return [
            Row(
                takeover_id=found.takeover_id,
                event=UNDO_STARTED,
                recorded_at=now,
                recorded_by=self.by,
                object_name=name,
                kind="table",
                kept_as=dated(self.store, self.dataset, f"{name}_of_v4", self.clock),
            )
            for name in dict.fromkeys(names)
        ]


def _in_order(moves: Iterable[Move]) -> list[Move]:
    """A view after the objects that its text names; the others keep their order."""
    ordered: list[Move] = []
    left = list(moves)
    while left:
        free = [one for one in left if not any(_reads(one, other) for other in left)] or left
        ordered += free
        left = [one for one in left if one not in free]
    return ordered


def _reads(one: Move, other: Move) -> bool:
    return other is not one and one.method == "text" and names(one.view_text or "", other.place.name)
