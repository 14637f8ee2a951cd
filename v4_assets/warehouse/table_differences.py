"""Actual tables compared with declared ones: the differences that `v4 init` adds, and those it refuses. Pure.

Names are compared without case, as both engines resolve them; the order of columns does not count.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from v4_assets.errors import SchemaDriftError
from v4_assets.sql import Column
from v4_assets.tables import CLUSTER_COLUMN, PARTITION_COLUMN, Table, View

Kind = Literal["table", "view", "materialized view", "external table", "snapshot"]
BY_RANGE = "ranges of numbers"
COPY = "rename it, run `v4 init`, and copy the rows that are still wanted"


@dataclass(frozen=True)
class Layout:
    """Partitioning and clustering of a table."""

    partitioned_by: str | None
    """The column partitioned by day, or a description of another scheme; None when not partitioned."""
    clustered_by: tuple[str, ...]

    @property
    def is_by_time(self) -> bool:
        """Whether its partitions are periods of time, which may expire."""
        return self.partitioned_by not in (None, BY_RANGE)


@dataclass(frozen=True)
class Shape:
    """The table or view of a name, as the warehouse has it."""

    columns: Mapping[str, str]
    """Column to GoogleSQL type, in order."""
    required: frozenset[str] = frozenset()
    """Columns that refuse NULL."""
    answers_as_spelt: bool = False
    """Whether results use the table's spelling of a column rather than the query's."""
    kind: Kind = "table"
    layout: Layout | None = None
    """None when the engine has no partitions."""
    expires: str | None = None
    """When it or its partitions are deleted by themselves, in words; None means never."""
    is_marked: bool = False
    """Whether it carries the mark of what this project makes: a label on BigQuery, a comment on DuckDB."""

    @property
    def is_table(self) -> bool:
        """Whether rows can be written to it."""
        return self.kind == "table"


def missing_columns(table: Table, shape: Shape) -> tuple[Column, ...]:
    """The declared columns the table lacks: `v4 init` adds them, and older rows read NULL."""
    found = {name.lower() for name in shape.columns}
    return tuple(column for column in table.columns if column.name.lower() not in found)


def differences(table: Table, shape: Shape) -> list[str]:
    """Differences that `v4 init` cannot add, each with the statement that repairs it."""
    name = f"{table.dataset}.{table.name}"
    if not shape.is_table:
        return [f"{name} is a {shape.kind} where a table belongs (rename it, run `v4 init`)"]
    declared = {column.name.lower(): (column.name, column.type) for column in table.columns}
    found = []
    for column, kind in shape.columns.items():
        spelling, wanted = declared.get(column.lower(), ("", ""))
        if not wanted:
            drop = f"ALTER TABLE {table.full_name} DROP COLUMN `{column}`"
            found.append(f"{name}.{column} ({kind}) is not a column of this release ({drop})")
        elif kind != wanted:
            found.append(f"{name}.{column} is {kind}, expected {wanted} ({COPY})")
        elif shape.answers_as_spelt and column != spelling:
            rename = f"ALTER TABLE {table.full_name} RENAME COLUMN `{column}` TO `{spelling}`"
            found.append(f"{name}.{column} is spelt otherwise than {spelling} ({rename})")
        elif column in shape.required:
            allow = f"ALTER TABLE {table.full_name} ALTER COLUMN `{column}` DROP NOT NULL"
            found.append(f"{name}.{column} is NOT NULL, expected nullable ({allow})")
    return found + (_layout_differences(table, shape.layout) if shape.layout else [])


def verify(tables: Iterable[tuple[Table, Shape | None]], views: Iterable[tuple[View, Shape | None]] = ()) -> None:
    """Raise one SchemaDriftError that names every difference `v4 init` cannot add. A Shape of None means missing."""
    found = [text for table, shape in tables if shape is not None for text in differences(table, shape)]
    found += [
        f"{view.dataset}.{view.name} is a {shape.kind} where a view belongs (rename it, run `v4 init`)"
        for view, shape in views
        if shape is not None and shape.kind != "view"
    ]
    if found:
        count = "One difference" if len(found) == 1 else f"{len(found)} differences"
        raise SchemaDriftError(
            f"{count} from the declared tables must be repaired manually; nothing was changed: {'; '.join(found)}."
        )


def place(view: View) -> Table:
    """The view's name as a table, to find the table or view of that name."""
    return Table(view.name, view.dataset, view.name, ())


def _layout_differences(table: Table, layout: Layout) -> list[str]:
    name, found = f"{table.dataset}.{table.name}", []
    partition = PARTITION_COLUMN if table.is_partitioned else None
    if (layout.partitioned_by or "").lower() != (partition or ""):
        found.append(
            f"{name} is partitioned by {layout.partitioned_by or 'nothing'}, expected {partition or 'nothing'} ({COPY})"
        )
    cluster = (CLUSTER_COLUMN,) if table.is_clustered else ()
    if tuple(column.lower() for column in layout.clustered_by) != cluster:
        words = (", ".join(names) or "nothing" for names in (layout.clustered_by, cluster))
        found.append(f"{name} is clustered by {{}}, expected {{}} ({COPY})".format(*words))
    return found
