"""Moving in: the firm's objects leave our names, ours take them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from v4_assets import tables
from v4_assets.errors import TakeoverError
from v4_assets.operations.takeover.plan import authorizations, is_firms, plan, view_places
from v4_assets.operations.takeover.record import (
    FINISHED,
    PLANNED,
    UNDO_STARTED,
    Move,
    Plan,
    Step,
    Steps,
    planned_rows,
    record,
    recorded,
    resumed,
)
from v4_assets.tables import Table
from v4_assets.warehouse import schema
from v4_assets.warehouse.preflight import examine
from v4_assets.warehouse.protocol import Expiration

NEW_PLAN = "Run `v4 takeover --undo`, which moves everything back, then `v4 takeover --yes`, which makes a new plan."


@dataclass(frozen=True)
class MoveIn(Steps):
    """A takeover."""

    def run(self, *, copy: bool = False) -> Plan:
        """Do it, or finish one that was begun. Returns what was moved. Raises TakeoverError when it cannot be done."""
        rows = recorded(self.store)
        if rows and rows[-1].event == UNDO_STARTED:
            raise TakeoverError(schema.PENDING[UNDO_STARTED])
        if rows and rows[-1].event == PLANNED:
            found = resumed(rows, self.dataset)
            self._verify_nothing_new(found)
            known, _ = authorizations(self.store, self.rollout, [one.place for one in found.moves])
            found = replace(found, authorizations=known)
        else:
            found = plan(self.store, self.rollout, self.clock, copy=copy)
            self._verify(found)
            if found.moves:
                self.do(self._recorded(found))
        if found.moves:
            self.do(self._moved(found))
        return found

    def _verify(self, found: Plan) -> None:
        if found.hindrances:
            raise TakeoverError(f"Nothing was moved: {'; '.join(found.hindrances)}.")
        there = schema.found(self.store.warehouse, self.store.catalogue)
        if found.moves and there and there.version < schema.NEEDED:
            names = ", ".join(one.name for one in found.moves)
            raise TakeoverError(
                f"The warehouse is of schema {there.version}. Give {names} other names yourself, then run `v4 init`."
            )

    def _verify_nothing_new(self, found: Plan) -> None:
        """Raise TakeoverError for objects in the way that came after the plan was recorded."""
        planned = {one.place.name for one in found.moves}
        obstacles = examine(self.store.warehouse, self.store.catalogue).obstacles
        new = [str(one) for one in obstacles if one.place.name not in planned]
        if new:
            raise TakeoverError(f"Came after this takeover was begun: {'; '.join(new)}. {NEW_PLAN}")

    def _recorded(self, found: Plan) -> Iterator[Step]:
        warehouse, record_table = self.store.warehouse, self.store.catalogue[tables.TAKEOVER]
        yield Step(f"make {record_table.name}", partial(warehouse.create, [record_table]))
        rows = planned_rows(found, self.clock.now(), self.by)
        yield Step("record the plan", partial(record, self.store, rows))

    def _moved(self, found: Plan) -> Iterator[Step]:
        catalogue, warehouse = self.store.catalogue, self.store.warehouse
        taken = {one.place.name for one in found.moves}
        views = {place.name for place in view_places(self.store)}
        last = catalogue[tables.SCHEMA]
        free = [table for table in catalogue.made if table.name not in taken and table != last]
        yield Step("make the tables whose names are free", partial(self._make, free))
        for one in found.moves:
            if one.method == "text":
                yield Step(f"keep {one.name} as {one.kept_as}", partial(self._keep_view, one))
        for one in found.moves:
            # A view at a view's name is replaced in place; everything else must leave the name first.
            if one.kind != "view" or one.place.name not in views:
                yield Step(f"move {one.name} to {one.kept_as}", partial(self._leave, one))
            ours = self.made(one.place.name)
            if ours is not None and ours != last:
                yield Step(f"make {ours.name}", partial(self._make, [ours]))
        yield Step("make the views", partial(warehouse.create, (), catalogue.views))
        yield Step(f"make {last.name}", partial(self._make, [last]))
        yield Step("verify the names", lambda: examine(warehouse, catalogue).verify())
        yield Step("record the schema version", self._record_schema)
        yield Step("record the end", partial(self.end, found, FINISHED))

    def _make(self, wanted: Sequence[Table]) -> None:
        """Make tables of ours, or bring back those that an undoing set aside."""
        asides, warehouse = self.asides(), self.store.warehouse
        for table in wanted:
            aside = asides.get(table.name)
            kept = replace(table, name=aside) if aside else None
            if kept and warehouse.shape(table) is None and warehouse.shape(kept) is not None:
                warehouse.moving().rename(kept, table.name)
        warehouse.create(wanted)

    def _keep_view(self, one: Move) -> None:
        """Make the view again under its dated name and read it back."""
        warehouse, moving = self.store.warehouse, self.store.warehouse.moving()
        if warehouse.shape(one.dated) is None:
            moving.put_view(one.dated, one.view_text or "", one.kind, like=one.place)
        kept, there = warehouse.shape(one.dated), warehouse.shape(one.place)
        same = kept is not None and kept.kind == one.kind and moving.view_text(one.dated) == one.view_text
        if same and is_firms(there) and kept and there:
            same = kept.columns == there.columns and moving.view_text(one.place) == one.view_text
        if not same:
            raise TakeoverError(f"{one.dated.name} is not equal to {one.name}, which was left as it is. {NEW_PLAN}")

    def _leave(self, one: Move) -> None:
        """The firm's object leaves its name."""
        warehouse, moving = self.store.warehouse, self.store.warehouse.moving()
        if not is_firms(warehouse.shape(one.place)):
            return
        if one.method == "rename":
            if warehouse.shape(one.dated) is not None:
                raise TakeoverError(f"{one.name} was left as it is: {one.dated.name} is there already. {NEW_PLAN}")
            moving.set_expiration(one.place, one.kind, Expiration())
            moving.rename(one.place, one.kept_as)
            return
        if one.method == "copy":
            self._copy(one)
        moving.drop(one.place, one.kind)

    def _copy(self, one: Move) -> None:
        """Copy a table and read it back. Other rows under the dated name may be the firm's: they stay."""
        warehouse, moving = self.store.warehouse, self.store.warehouse.moving()
        if warehouse.shape(one.dated) is None:
            moving.copy(one.place, one.kept_as)
            moving.set_expiration(one.dated, one.kind, Expiration())
        if moving.content(one.dated) != moving.content(one.place):
            raise TakeoverError(
                f"{one.dated.name} is not equal to {one.name}; both were left as they are. Stop what writes "
                f"{one.name}, drop or rename {one.dated.name}, then run `v4 takeover --yes` again."
            )

    def _record_schema(self) -> None:
        store = self.store
        if not store.rows(tables.SCHEMA):
            schema.record(store.warehouse, store.catalogue, store.registry, self.clock, None, "v4 takeover")
