"""What the guide's four validations of a version's script ask: view, table, exactly its features, a sample. Pure."""

from dataclasses import dataclass

from v4_assets.sql import Column, load
from v4_assets.tables import Table, View
from v4_assets.warehouse import table_differences
from v4_assets.warehouse.render import Script

SAMPLE_ROWS = 5


@dataclass(frozen=True)
class Validations:
    """Of one script that fills the features of a version."""

    view: View
    scores: Table
    wanted: tuple[Column, ...]
    """The features."""
    beside: tuple[Column, ...]
    """Columns that the view may have beside them."""

    @property
    def place(self) -> Table:
        """The view by name."""
        return table_differences.place(self.view)


def of(script: Script) -> Validations:
    """The validations of a script with fills."""
    [view], scores, features = script.views, script.tables[-2], script.fills[-1].table
    wanted = tuple(column for column in features.columns if column.is_feature)
    beside = tuple(column for column in features.columns if not column.is_feature)
    return Validations(view, scores, wanted, (*beside, *load(view.query.name).columns))


def quoted(columns: tuple[Column, ...]) -> str:
    """Their names as texts of SQL."""
    return ", ".join(f"'{column.name}'" for column in columns)
