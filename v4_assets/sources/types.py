"""Columns that a firm's systems deliver in another type than declared, and how they are read. Pure.

A column is read in another type only where rollout.yaml says so (`sources.types`): a type that changes without notice
must stop the day, for most changes of a type are changes of the feed. Text never becomes a date or an instant here: its
format and its zone are the feed's own, so the firm's own view casts it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from v4_assets.sources.columns import LEAD_COLUMNS, SOURCE_COLUMNS
from v4_assets.sql import Column, Type

_WHOLE = "ABS({name}) < 1e15 AND {name} = TRUNC({name})"
READINGS = {
    ("STRING", "INT64"): "IF({name} < 1, 'no number of an advisor', CAST({name} AS STRING))",
    ("STRING", "FLOAT64"): (
        f"CASE WHEN {{name}} IS NULL THEN NULL WHEN {_WHOLE} AND {{name}} >= 1 "
        "THEN CAST(SAFE_CAST({name} AS INT64) AS STRING) ELSE 'no whole number' END"
    ),
    ("INT64", "FLOAT64"): (
        f"CASE WHEN {{name}} IS NULL THEN NULL WHEN {_WHOLE} THEN SAFE_CAST({{name}} AS INT64) ELSE -1 END"
    ),
    ("INT64", "STRING"): (
        r"CASE WHEN {name} IS NULL OR NOT REGEXP_CONTAINS({name}, r'\S') THEN NULL ELSE "
        r"COALESCE(SAFE_CAST(REGEXP_EXTRACT({name}, r'^\s*([0-9]{{1,18}})(?:[.]0+)?\s*$') AS INT64), -1) END"
    ),
    ("DATE", "DATETIME"): "DATE({name})",
    # An hour that the clock shows twice is the first one: DuckDB takes the second, Google the first.
    ("TIMESTAMP", "DATETIME"): (
        "IF(DATETIME(TIMESTAMP_SUB(TIMESTAMP({name}, '{zone}'), INTERVAL 1 HOUR), '{zone}') = {name}, "
        "TIMESTAMP_SUB(TIMESTAMP({name}, '{zone}'), INTERVAL 1 HOUR), TIMESTAMP({name}, '{zone}'))"
    ),
    ("TIMESTAMP", "DATE"): "TIMESTAMP({name}, '{zone}')",
}
"""Declared type and delivered type to the GoogleSQL that reads one as the other. A value without a reading becomes one
that the rules of sql/sources/ reject, so that it is counted."""
TEXT_ONLY = ("lead.id", "lead.email", "lead.linkedin", "lead.company", "lead.lead_source")
"""Columns of text that no number can stand for. Of the STRING columns this leaves the CRD number."""


def source_columns() -> dict[str, Column]:
    """Every column that may be of another type, by its name in rollout.yaml: lead.advisor_crd, TABLE.COLUMN."""
    found = {f"lead.{key}": column for key, column in LEAD_COLUMNS.items() if f"lead.{key}" not in TEXT_ONLY}
    found |= {f"{table}.{column.name}": column for table, columns in SOURCE_COLUMNS.items() for column in columns}
    return {key: column for key, column in found.items() if column.type != "STRING" or key == "lead.advisor_crd"}


def readable(key: str) -> tuple[str, ...]:
    """The types a column can be read from besides its declared one; none for a column that is not known."""
    column = source_columns().get(key)
    return tuple(delivered for declared, delivered in READINGS if column and declared == column.type)


@dataclass(frozen=True)
class SourceTypes:
    """Types of the sources' columns where they are not the declared ones, as in rollout.yaml."""

    of: Mapping[str, Type] = field(default_factory=dict)
    """Type by lead.KEY or TABLE.COLUMN."""
    time_zone: str | None = None
    """Zone of the instants that name none."""

    def delivered(self, table: str, declared: Mapping[str, Column]) -> tuple[Column, ...]:
        """The columns of a table, by key, in the types they are delivered in."""
        return tuple(
            replace(column, type=self.of.get(f"{table}.{key}", column.type)) for key, column in declared.items()
        )

    def expressions(self, table: str, declared: Mapping[str, Column]) -> dict[str, str]:
        """GoogleSQL that reads each column of a table, by TABLE.KEY, as its declared type."""
        found = {}
        for key, column in declared.items():
            delivered = self.of.get(f"{table}.{key}", column.type)
            reading = READINGS[column.type, delivered] if delivered != column.type else "{name}"
            found[f"{table}.{key}"] = reading.format(name=column.name, zone=self.time_zone)
        return found
