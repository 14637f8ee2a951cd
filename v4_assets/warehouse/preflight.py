"""What stands where this project's tables and views belong, before anything is made.

An object is ours when it carries our mark (a label on BigQuery, a comment on DuckDB). Release 0.1 marked neither views
nor anything on DuckDB, so its names count as ours in an installation that has a history and was not taken over.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from v4_assets import tables
from v4_assets.errors import ObstacleError, TableMissingError
from v4_assets.sql import Query
from v4_assets.tables import Catalogue, Table, View
from v4_assets.warehouse import table_differences
from v4_assets.warehouse.protocol import Warehouse
from v4_assets.warehouse.table_differences import Shape

OF_RELEASE_0_1 = frozenset(
    {
        *tables.SHARED,
        *("source_observations", "training_set", "lead_outcomes", "lift_comparison", "lift_by_decile"),
        *("partition_writes", "partition_verdicts", "production", "deployments"),
        *("salesforce_state", "salesforce_jobs", "salesforce_sync_log"),
    }
)
"""Keys of its tables beside those of each version. `schema` came later and is the record itself."""
VIEWS_OF_RELEASE_0_1 = frozenset({"v4_production_scores", "v4_production_periods", "v4_weekly_lift_by_decile"})
LEGACY = ("v4_prospect_features", "v4_prospect_scores", "v4_lead_scores_v41")
"""Tables of the hand-run system that `v4 init` leaves alone: noted until this project has tables of these names."""
SHOWN_COLUMNS = 6


@dataclass(frozen=True)
class Standing:
    """The object that stands under a name of ours."""

    place: Table
    """Its dataset and name."""
    belongs: Literal["table", "view"]
    """What this project has under that name."""
    shape: Shape
    is_ours: bool

    @property
    def name(self) -> str:
        """Dataset and name."""
        return f"{self.place.dataset}.{self.place.name}"

    def __str__(self) -> str:
        return f"{self.name} is a {described(self.shape)}"


@dataclass(frozen=True)
class Preflight:
    """Everything that stands under our names, and what must be known about it."""

    standing: tuple[Standing, ...]
    notes: tuple[str, ...] = ()
    """What stays as it is and should be known."""

    @property
    def obstacles(self) -> tuple[Standing, ...]:
        """Objects that this project did not make."""
        return tuple(one for one in self.standing if not one.is_ours)

    def verify(self) -> None:
        """Raise one ObstacleError that names every obstacle."""
        if not self.obstacles:
            return
        count = len(self.obstacles)
        raise ObstacleError(
            f"{count} object{'s' if count > 1 else ''} that this project did not make stand{'' if count > 1 else 's'} "
            f"where its own belong, and nothing was made: {'; '.join(map(str, self.obstacles))}. `v4 takeover` shows "
            "how they are moved aside and who reads them."
        )


def examine(warehouse: Warehouse, catalogue: Catalogue) -> Preflight:
    """Look at every name of ours. Changes nothing."""
    with warehouse.session():
        by_name = _made_by_release_0_1(warehouse, catalogue)
        wanted: list[tuple[Table, Literal["table", "view"], bool]] = [
            (table, "table", by_name and _is_of_0_1(table)) for table in catalogue.made
        ]
        wanted += [
            (table_differences.place(view), "view", by_name and _view_is_of_0_1(catalogue, view))
            for view in catalogue.views
        ]
        places = [place for place, *_ in wanted]
        standing = [
            Standing(place, belongs, shape, is_known or shape.is_marked)
            for (place, belongs, is_known), shape in zip(wanted, warehouse.shapes(places), strict=True)
            if shape is not None
        ]
        return Preflight(tuple(standing), tuple(_notes(warehouse, catalogue, places)))


def is_filled(warehouse: Warehouse, table: Table) -> bool:
    """Whether a table of ours exists, is no other table of that name, and holds rows."""
    shape = warehouse.shape(table)
    first = table.columns[0].name
    if shape is None or not shape.is_table or first not in shape.columns:
        return False
    query = Query(f"rows_of_{table.key}", f"SELECT `{first}` FROM {table.full_name} LIMIT 1")
    return bool(warehouse.read(query).num_rows)


def described(shape: Shape) -> str:
    """Kind, columns, layout and expiration of an object, in words."""
    names = [f"{name} {kind}" for name, kind in shape.columns.items()]
    more = len(names) - SHOWN_COLUMNS
    parts = [f"{shape.kind} of {len(names)} columns ({', '.join(names[:SHOWN_COLUMNS])}{', …' if more > 0 else ''})"]
    if shape.layout and shape.is_table:
        parts.append(f"partitioned by {shape.layout.partitioned_by or 'nothing'}")
        parts.append(f"clustered by {', '.join(shape.layout.clustered_by) or 'nothing'}")
    if shape.expires:
        parts.append(f"expires {shape.expires}")
    return ", ".join(parts)


def _made_by_release_0_1(warehouse: Warehouse, catalogue: Catalogue) -> bool:
    """Whether names alone say that an object is ours: the record of an installation that was never taken over."""
    if is_filled(warehouse, catalogue[tables.TAKEOVER]):
        return False
    return any(is_filled(warehouse, catalogue[key]) for key in (tables.SCHEMA, tables.DEPLOYMENTS))


def _is_of_0_1(table: Table) -> bool:
    of_versions = ("features_", "daily_scores_", "feature_profile_")
    return table.key in OF_RELEASE_0_1 or table.key == tables.SCHEMA or table.key.startswith(of_versions)


def _view_is_of_0_1(catalogue: Catalogue, view: View) -> bool:
    return view.name in VIEWS_OF_RELEASE_0_1 or view.name in {one.features_view for one in catalogue.versions.values()}


def _notes(warehouse: Warehouse, catalogue: Catalogue, places: Iterable[Table]) -> list[str]:
    ours = {place.name.lower() for place in places}
    dataset = catalogue[tables.DEPLOYMENTS].dataset
    notes = []
    names = [name for name in LEGACY if name not in ours]
    for name, shape in zip(names, warehouse.shapes(Table(name, dataset, name, ()) for name in names), strict=True):
        if shape:
            notes.append(f"{dataset}.{name} is a {described(shape)}: it stays, this project has nothing of that name.")
    try:
        routines = warehouse.routine_texts([dataset])[dataset]
    except TableMissingError:
        return notes
    called = sorted(name for name in routines if name.partition("(")[0].lower() in ours)
    return notes + [
        f"{dataset}.{name} is a routine: it stays, for tables and routines may share a name." for name in called
    ]
