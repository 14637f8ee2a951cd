"""What a notebook opens: the store, with every answer as a pandas frame.

pandas takes half a second to import, so it is imported with the first frame.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from v4_assets import resources, sql, tables
from v4_assets.config import environment as configured
from v4_assets.config.environment import Settings
from v4_assets.errors import ModelError, RowsMissingError, V4Error
from v4_assets.models.bundle import Bundle
from v4_assets.store import Store
from v4_assets.tables import PARTITION_COLUMN, Table, VersionNames, View

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Notebook(Store):
    """The store of some settings, read as frames."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The notebook of the store that these settings name."""
        return cls(resources.warehouse(settings), settings.rollout.catalogue, resources.registry(settings))

    @property
    def names(self) -> list[str]:
        """The tables and views that `frame` reads."""
        return sorted(self._relations())

    def bundle(self, version: str) -> Bundle:
        """A registered model, its files verified. Raises ModelError naming the versions there are."""
        return self.registry.load(version)

    def frame(self, name: str, first: date | None = None, last: date | None = None) -> "pd.DataFrame":
        """The rows of a table or view from prediction_date `first` to `last`, both included; `last` may be left out.

        What has no prediction_date is read whole and takes no days. INT64 is Int64, BOOL boolean, DATE datetime64 and
        TIMESTAMP datetime64 in UTC. Raises V4Error naming the tables there are, and TableMissingError before `v4 init`.
        """
        relation = self._relations().get(name)
        if relation is None:
            raise V4Error(f"There is no table or view {name!r}. Expected one of: {', '.join(self.names)}.")
        if not _is_dated(relation):
            if first is not None or last is not None:
                raise V4Error(f"{name} has no {PARTITION_COLUMN} to choose days by. Call frame({name!r}) without days.")
            return self._frame("rows_of_table", undated=_full_name(relation))
        if first is None:
            raise V4Error(f"{name} has rows for every day. Call frame({name!r}, first, last) with two dates.")
        if last is not None and last < first:
            raise V4Error(f"The first day, {first}, is after the last, {last}. Give the earlier day first.")
        return self._frame("rows_of_days", first_day=first, last_day=last or first, dated=_full_name(relation))

    def features(self, day: date, version: str) -> "pd.DataFrame":
        """A version's features as they were frozen on a day, one row per lead. Raises RowsMissingError without any."""
        return self._of_day(tables.features_key(self._names_of(version).key), day)

    def scores(self, day: date, version: str) -> "pd.DataFrame":
        """A version's scores as they were served on a day, one row per lead. Raises RowsMissingError without any."""
        return self._of_day(tables.scores_key(self._names_of(version).key), day)

    def _of_day(self, key: str, day: date) -> "pd.DataFrame":
        name = self.catalogue[key].name
        rows = self.frame(name, day)
        write = self.latest_writes(day, day).get((name, day)) if rows.empty else None
        if write and write.pruned_at:
            raise RowsMissingError(
                f"`v4 prune` removed {name} of {day} on {write.pruned_at:%Y-%m-%d}. Choose a later day: "
                "keep_features_days of rollout.yaml says how many are kept."
            )
        if rows.empty:
            raise RowsMissingError(f"{name} has no rows on {day}. Choose another day, or run `v4 backfill` for it.")
        return rows

    def _names_of(self, version: str) -> VersionNames:
        versions = self.catalogue.versions
        if version not in versions:
            raise ModelError(
                f"There is no version {version!r} in rollout.yaml. Expected one of: {', '.join(versions)}."
            )
        return versions[version]

    def _relations(self) -> dict[str, Table | View]:
        relations: list[Table | View] = [*self.catalogue.made, *self.catalogue.views]
        return {one.name: one for one in relations}

    def _frame(
        self, file: str, *, first_day: date | None = None, last_day: date | None = None, **names: str
    ) -> "pd.DataFrame":
        days = {"first_day": first_day, "last_day": last_day}
        return _frame(self.warehouse.read(sql.bind(sql.load(file), names, days)))


def open() -> Notebook:
    """The notebook of this environment: V4_HOME, V4_WAREHOUSE and rollout.yaml. Raises SettingsError."""
    return Notebook.of(configured.load())


def _full_name(relation: Table | View) -> str:
    return Table("", relation.dataset, relation.name, ()).full_name


def _is_dated(relation: Table | View) -> bool:
    columns = relation.columns if isinstance(relation, Table) else sql.load(relation.query.name).columns
    return any(column.name == PARTITION_COLUMN for column in columns)


def _frame(rows: pa.Table) -> "pd.DataFrame":
    """Arrow as pandas, without turning a whole number into a float where a value is missing."""
    import pandas as pd  # noqa: PLC0415 # half a second

    kept = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = rows.to_pandas(types_mapper=kept.get, date_as_object=False)
    return frame
