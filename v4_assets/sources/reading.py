"""How SQL reads the sources: the firm's names, the types delivered, the columns only some versions need. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from v4_assets.sources.columns import LEAD_COLUMNS, OPTIONAL_LEAD_COLUMNS, SOURCE_COLUMNS
from v4_assets.sources.types import SourceTypes
from v4_assets.sql import Column

LEAD = "lead"
BROUGHT = "brought"
"""In {{lead.brought}}: the observations of a source's columns that only some versions need."""
FURTHER = "further"
"""In {{lead.further}} of sql/sources/lead.sql: those columns."""


def lead_names(renamed: Mapping[str, str | None]) -> dict[str, str]:
    """Name of each column of the Lead table that there is, by its key; `renamed` as in rollout.yaml."""
    names = {key: renamed.get(key) or column.name for key, column in LEAD_COLUMNS.items()}
    return names | {key: name for key in OPTIONAL_LEAD_COLUMNS if (name := renamed.get(key))}


@dataclass(frozen=True)
class SourceReading:
    """The columns of every source as one installation has them."""

    lead_columns: Mapping[str, str]
    """As `lead_names` gives them."""
    brought: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    types: SourceTypes = field(default_factory=SourceTypes)

    def delivered(self, source: str) -> tuple[Column, ...]:
        """A source's columns in the types they are delivered in."""
        return (*self.types.delivered(source, self._declared(source)), *self.brought.get(source, ()))

    @property
    def names(self) -> dict[str, str]:
        """The names in every other file: a Lead column, what the firm calls it, and observations of further columns."""
        return (
            {f"{LEAD}.{key}": key for key in LEAD_COLUMNS}
            | {f"{LEAD}_name.{key}": name for key, name in self.lead_columns.items()}
            | {f"{source}.{BROUGHT}": self._observed(source) for source in (LEAD, *SOURCE_COLUMNS)}
        )

    def own_names(self, source: str, table: str) -> dict[str, str]:
        """The names in a source's own file: the firm's table, and its columns as they are read."""
        columns = self.types.expressions(source, self._declared(source))
        further = "".join(f",\n    {column.name}" for column in self.brought.get(source, ()))
        absent = {f"{LEAD}.{key}": "FALSE" for key in OPTIONAL_LEAD_COLUMNS} if source == LEAD else {}
        return {source: table, f"{source}.{FURTHER}": further, **absent, **columns}

    def _observed(self, source: str) -> str:
        """What source_observations.sql adds to a source's columns for those that only some versions need."""
        return "".join(
            f",\n      STRUCT('{one.name}' AS column_name, COUNTIF({one.name} IS NULL) AS null_count, 0 AS "
            "impossible_count, CAST(NULL AS STRING) AS lowest, CAST(NULL AS STRING) AS highest)"
            for one in self.brought.get(source, ())
        )

    def _declared(self, source: str) -> dict[str, Column]:
        """The declared columns by key, under the names they have here."""
        if source == LEAD:
            every = {**LEAD_COLUMNS, **OPTIONAL_LEAD_COLUMNS}
            return {key: replace(every[key], name=name) for key, name in self.lead_columns.items()}
        return {column.name: column for column in SOURCE_COLUMNS[source]}
