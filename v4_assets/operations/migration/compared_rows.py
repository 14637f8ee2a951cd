"""The rows that are compared: the hand-run system's, and this project's of the same days."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets import tables
from v4_assets.config.rollout import Rollout, Version
from v4_assets.config.salesforce import to_18
from v4_assets.errors import SettingsError
from v4_assets.operations.migration.scores import Served, served
from v4_assets.operations.takeover.record import moved, recorded
from v4_assets.sql import Query
from v4_assets.store import Store
from v4_assets.tables import PARTITION_COLUMN, Table
from v4_assets.warehouse.preflight import LEGACY
from v4_assets.warehouse.table_differences import Shape
from v4_assets.warehouse.writes import PartitionWrite

LEAD, ADVISOR, VERSION = "lead_id", "advisor_crd", "model_version"


@dataclass(frozen=True)
class Place:
    """A table or view of theirs."""

    table: Table
    columns: Mapping[str, str]
    """Column in lower case to its own spelling."""

    @property
    def name(self) -> str:
        """Dataset and name."""
        return f"{self.table.dataset}.{self.table.name}"


@dataclass(frozen=True)
class Rows:
    """Rows of theirs of one day, one for each lead."""

    rows: pa.Table
    """Columns in lower case, without lead_id."""
    leads: pa.Array
    """Ids of 18 characters, each once."""
    repeated: int
    """Leads that had several rows: left out, since none of them is known to be the one that counted."""
    without_id: int
    """Rows without a lead id."""


def named(store: Store, text: str) -> Place:
    """The object that a person names, as NAME or DATASET.NAME. Raises SettingsError when it has no lead_id."""
    dataset, _, name = text.rpartition(".")
    table = _table(dataset or _dataset(store), name)
    shape = store.warehouse.shape(table)
    if shape is None:
        raise SettingsError(f"There is no table or view {table.dataset}.{table.name}. Correct the name.")
    place = _place(table, shape)
    if LEAD not in place.columns:
        raise SettingsError(f"{place.name} has no column {LEAD}: name a table or view with a row for each lead.")
    return place


def features_places(store: Store, entry: Version, features: Sequence[str]) -> list[Place]:
    """Objects of theirs that hold features of a version: the daily table first, then the view."""
    found = [_found(store, name) for name in (entry.scores_table, entry.features_view)]
    return [one for one in found if one and any(feature.lower() in one.columns for feature in features)]


def scores_places(store: Store, key: str) -> list[Place]:
    """Objects of theirs that may hold the scores of a version, by its key in rollout.yaml."""
    names = [name for name in LEGACY if name.endswith(f"_{key}")]
    return [one for one in (_found(store, name) for name in names) if one]


def days_of(store: Store, place: Place) -> list[date] | None:
    """The days it has rows of, in order; None when its rows name no day."""
    spelt = place.columns.get(PARTITION_COLUMN)
    if spelt is None:
        return None
    text = f"SELECT DISTINCT CAST(`{spelt}` AS DATE) AS day FROM {place.table.full_name}"
    found = store.warehouse.read(Query("hand_run_days", text))["day"].to_pylist()
    return sorted(day for day in found if day)


def read(store: Store, place: Place, wanted: Sequence[str], version: str, day: date | None) -> Rows:
    """The wanted columns it has, of `day` or of all its rows, of `version` where its rows name one."""
    names = [name.lower() for name in (LEAD, *wanted) if name.lower() in place.columns]
    chosen = ", ".join(f"`{place.columns[name]}` AS {name}" for name in dict.fromkeys(names))
    conditions = ["TRUE"]
    params: dict[str, object] = {}
    if day is not None:
        conditions.append(f"CAST(`{place.columns[PARTITION_COLUMN]}` AS DATE) = @{PARTITION_COLUMN}")
        params[PARTITION_COLUMN] = day
    if VERSION in place.columns:
        conditions.append(f"STARTS_WITH(LOWER(CAST(`{place.columns[VERSION]}` AS STRING)), LOWER(@{VERSION}))")
        params[VERSION] = version
    text = f"SELECT {chosen} FROM {place.table.full_name} WHERE {' AND '.join(conditions)}"
    return _one_row_each(store.warehouse.read(Query("hand_run_rows", text, params)))


def _one_row_each(rows: pa.Table) -> Rows:
    given = pc.cast(rows[LEAD], pa.string())
    known = rows.filter(pc.is_valid(given))
    ids = pa.array([to_18(one) for one in pc.drop_null(given).to_pylist()], pa.string())
    counts = ids.value_counts()
    once = counts.field("values").filter(pc.equal(counts.field("counts"), 1))
    kept = pc.is_in(ids, value_set=once)
    return Rows(
        rows=known.filter(kept).drop_columns(LEAD).combine_chunks(),
        leads=ids.filter(kept),
        repeated=len(counts) - len(once),
        without_id=len(rows) - len(known),
    )


def _found(store: Store, name: str) -> Place | None:
    """What a takeover kept of that name, or what stands there and is not ours."""
    for table in _kept(store, name):
        shape = store.warehouse.shape(table)
        if shape is not None and not shape.is_marked and LEAD in (column.lower() for column in shape.columns):
            return _place(table, shape)
    return None


def _kept(store: Store, name: str) -> Iterator[Table]:
    dataset = _dataset(store)
    rows = recorded(store)
    if rows:
        yield from (one.dated for one in moved(rows, dataset).moves if one.place.name == name)
    yield _table(dataset, name)


def _place(table: Table, shape: Shape) -> Place:
    return Place(table, {column.lower(): column for column in shape.columns})


def _dataset(store: Store) -> str:
    return store.catalogue[tables.TAKEOVER].dataset


def _table(dataset: str, name: str) -> Table:
    return Table(name, dataset, name, ())


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
