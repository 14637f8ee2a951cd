"""This project's rows that are compared: which days have features, and the scores of a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets import tables
from v4_assets.config.rollout import Rollout, Version
from v4_assets.operations.migration.scores import Served, served
from v4_assets.store import Store
from v4_assets.tables import PARTITION_COLUMN
from v4_assets.warehouse.writes import PartitionWrite

READ = ("score", "percentile", "deprioritize")
DAYS_READ = 60
"""Past days searched for features or scores of the latest day."""


@dataclass(frozen=True)
class Scored:
    """A version's scores of a day."""

    served: Served
    tie_break: NDArray[Any]
    """Orders equal scores, shape (n,)."""


@dataclass(frozen=True)
class Ours:
    """Reads of our own tables."""

    store: Store
    rollout: Rollout

    def features_table(self, entry: Version) -> str:
        """Name of a version's table of features."""
        return self.store.catalogue[tables.features_key(entry.key)].name

    def features_written(self, entry: Version, days: Sequence[date]) -> dict[date, PartitionWrite]:
        """The latest write of our features on each of these days that has rows."""
        return self._written(self.features_table(entry), min(days), max(days), days) if days else {}

    def pruned_on(self, entry: Version, day: date) -> date | None:
        """When `v4 prune` removed our features of a day; None where it did not."""
        write = self.store.latest_writes(day, day).get((self.features_table(entry), day))
        return write.pruned_at.date() if write and write.pruned_at else None

    def latest_features(self, entry: Version, today: date) -> date | None:
        """The latest day with features."""
        return max(self._written(self.features_table(entry), today - timedelta(days=DAYS_READ), today), default=None)

    def latest_scored(self, version: str, wanted: date | None, today: date) -> date | None:
        """The latest day with scores, or `wanted` if it has some."""
        first, last = (wanted, wanted) if wanted else (today - timedelta(days=DAYS_READ), today)
        table = self.store.catalogue[tables.scores_key(self.rollout.versions[version].key)].name
        return max(self._written(table, first, last), default=None)

    def scored(self, version: str, day: date) -> Scored | None:
        """A version's scores of a day; None without any."""
        key = self.rollout.versions[version].key
        rows = self.store.read("salesforce_scores", {PARTITION_COLUMN: day}, daily_scores=tables.scores_key(key))
        found = served(rows.select(READ), _ids(rows)) if len(rows) else None
        if found is None:
            return None
        # Not from the features, which may be pruned: the day's list of leads stays.
        known = self.store.read("rows_of_days", {"first_day": day, "last_day": day}, dated=tables.SCORED_LEADS)
        at = pc.index_in(found.leads, value_set=_ids(known))
        return Scored(found, pc.fill_null(known["tie_break"].combine_chunks().take(at), 0).to_numpy())

    def _written(
        self, table: str, first: date, last: date, days: Sequence[date] | None = None
    ) -> dict[date, PartitionWrite]:
        writes = self.store.latest_writes(first, last)
        return {
            day: write
            for (name, day), write in writes.items()
            if name == table and write.has_rows and (days is None or day in days)
        }


def _ids(rows: pa.Table) -> pa.Array:
    return rows["lead_id"].combine_chunks().cast(pa.string())
