"""Moving objects aside and back: what a takeover asks of an engine. Every call is one statement, or reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from v4_assets.tables import Table
from v4_assets.warehouse.table_differences import Kind

MOVABLE: frozenset[Kind] = frozenset({"table", "view", "materialized view"})


@dataclass(frozen=True)
class Expiration:
    """When an object deletes itself, and how long its partitions stay; None means never."""

    at: datetime | None = None
    partition_days: float | None = None


@dataclass(frozen=True)
class Content:
    """Row count and a checksum of all rows in any order: equal for a table and its copy."""

    rows: int
    checksum: str


class Moving(Protocol):
    """Objects are named by dataset and name, as tables without columns."""

    def hindrance(self, place: Table, kind: Kind) -> str | None:
        """Why the object cannot be moved now, with what to do; None when it can."""

    def rename(self, table: Table, name: str) -> None:
        """Give a table another name in its dataset."""

    def copy(self, table: Table, name: str) -> None:
        """Copy a table, with its layout, to a name that is free."""

    def drop(self, place: Table, kind: Kind) -> None:
        """Drop an object if it exists."""

    def content(self, table: Table) -> Content:
        """What a table holds."""

    def view_text(self, place: Table) -> str:
        """What follows a view's name in its CREATE VIEW."""

    def put_view(self, place: Table, text: str, kind: Kind, like: Table | None = None) -> None:
        """Make or replace a view with that text, described and labelled like another one."""

    def expiration(self, place: Table) -> Expiration:
        """When the object expires."""

    def set_expiration(self, place: Table, kind: Kind, wanted: Expiration) -> None:
        """Set or remove it."""

    def authorizations(self, datasets: Iterable[str], places: Iterable[Table]) -> list[tuple[str, str]]:
        """Dataset and view for each of the views that a dataset lets read its tables."""
