"""What a takeover moves, and what people must know before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from v4_assets.tables import Table
from v4_assets.warehouse.moving import Expiration
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
