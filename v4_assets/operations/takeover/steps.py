"""What moving in and undoing it share: named steps that may be repeated, the record, our tables that were set aside."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.operations.takeover.moves import Plan
from v4_assets.operations.takeover.record import UNDO_STARTED, Row, record, recorded
from v4_assets.store import Store
from v4_assets.tables import Table


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
