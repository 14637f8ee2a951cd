"""Every dataset and table name, and the contract of each table. No other module contains a table name.

Sources are declared here as the firm's systems deliver them. The tables we make take their columns from the header of
the SQL file that builds or reads them, so that a column is described once. How a column or a table is added, so that
existing installations can be upgraded: v4_assets/warehouse/schema.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from v4_assets import sql
from v4_assets.sources.columns import CONTACT_COLUMNS, HISTORY_COLUMNS, LEAD_COLUMNS, PROTOCOL_COLUMNS
from v4_assets.sql import Column, Query

PARTITION_COLUMN = "prediction_date"
CLUSTER_COLUMN = "lead_id"


@dataclass(frozen=True)
class Table:
    """A table: its key in SQL (`{{key}}`), its full name and its contract."""

    key: str
    dataset: str
    name: str
    columns: tuple[Column, ...]
    description: str = ""
    is_source: bool = False

    @property
    def full_name(self) -> str:
        """The name as GoogleSQL writes it, each part quoted."""
        return ".".join(f"`{part}`" for part in (*self.dataset.split("."), self.name))

    @property
    def is_partitioned(self) -> bool:
        """Whether the table holds one partition per prediction_date; otherwise it is replaced as a whole."""
        return any(column.name == PARTITION_COLUMN for column in self.columns)

    @property
    def is_clustered(self) -> bool:
        """Whether the table is clustered by lead_id."""
        return any(column.name == CLUSTER_COLUMN for column in self.columns)


@dataclass(frozen=True)
class View:
    """A view: its full name and its query."""

    dataset: str
    name: str
    query: Query
    description: str


@dataclass(frozen=True)
class Datasets:
    """The three datasets; on BigQuery each may be written `project.dataset`."""

    crm: str = "SavvyGTMData"
    advisors: str = "FinTrx_data_CA"
    features: str = "ml_features"


@dataclass(frozen=True)
class VersionNames:
    """Names of the tables and views of one model version."""

    key: str
    """Short name that ends asset names: v41."""
    features_view: str
    scores_table: str


LEAD = "lead"
CONTACTS = "ria_contacts_current"
HISTORY = "contact_registered_employment_history"
PROTOCOL = "broker_protocol_members"
SOURCES = (LEAD, CONTACTS, HISTORY, PROTOCOL)

SOURCE_OBSERVATIONS = "source_observations"
SCORED_LEADS = "scored_leads"
INFERRED_DEPARTURES = "inferred_departures"
FIRM_ACTIVITY = "firm_activity"
ADVISOR_FIRMS = "advisor_firms"
COMMON_FEATURES = "common_features"
TRAINING_SET = "training_set"
PARTITION_WRITES = "partition_writes"
LEAD_OUTCOMES = "lead_outcomes"
LIFT_COMPARISON = "lift_comparison"
LIFT_BY_DECILE = "lift_by_decile"
PRODUCTION = "production"
DEPLOYMENTS = "deployments"
PARTITION_VERDICTS = "partition_verdicts"
SALESFORCE_STATE = "salesforce_state"
SALESFORCE_JOBS = "salesforce_jobs"
SALESFORCE_SYNC_LOG = "salesforce_sync_log"
SCHEMA = "schema"

SHARED = (SCORED_LEADS, INFERRED_DEPARTURES, FIRM_ACTIVITY, ADVISOR_FIRMS, COMMON_FEATURES)
"""The snapshot that both versions read, ordered so that each table reads only earlier ones."""
SINGLE = (
    SOURCE_OBSERVATIONS,
    TRAINING_SET,
    LEAD_OUTCOMES,
    LIFT_COMPARISON,
    LIFT_BY_DECILE,
    PARTITION_WRITES,
    PARTITION_VERDICTS,
    PRODUCTION,
    DEPLOYMENTS,
    SALESFORCE_STATE,
    SALESFORCE_JOBS,
    SALESFORCE_SYNC_LOG,
    SCHEMA,
)
"""Tables that exist once, independent of the versions."""


class Catalogue(Mapping[str, Table]):
    """All tables by key, for one set of datasets, versions, names of the Lead table's columns and one kind of week.

    `week` is the part of a date in GoogleSQL, such as WEEK(SATURDAY).
    """

    def __init__(
        self,
        datasets: Datasets,
        versions: Mapping[str, VersionNames],
        lead_columns: Mapping[str, str] | None = None,
        week: str = "ISOWEEK",
    ) -> None:
        self._week = week
        self._datasets = datasets
        self.versions = versions
        renamed = lead_columns or {}
        self.lead_columns = {key: renamed.get(key, column.name) for key, column in LEAD_COLUMNS.items()}
        lead = tuple(replace(column, name=self.lead_columns[key]) for key, column in LEAD_COLUMNS.items())
        sources = [
            Table(LEAD, datasets.crm, "Lead", lead, "Salesforce leads", is_source=True),
            Table(
                CONTACTS, datasets.advisors, CONTACTS, CONTACT_COLUMNS, "Advisors, current state only", is_source=True
            ),
            Table(HISTORY, datasets.advisors, HISTORY, HISTORY_COLUMNS, "Registered employments", is_source=True),
            Table(PROTOCOL, datasets.crm, PROTOCOL, PROTOCOL_COLUMNS, "Broker Protocol members", is_source=True),
        ]
        made = [self._made(key, f"v4_{key}") for key in (*SHARED, *SINGLE)]
        for names in versions.values():
            made += [
                self._made(features_key(names.key), f"v4_features_{names.key}"),
                self._made(scores_key(names.key), names.scores_table, contract="daily_scores"),
                self._made(profile_key(names.key), f"v4_feature_profile_{names.key}", contract="feature_profile"),
            ]
        self._tables = {table.key: table for table in (*sources, *made)}

    def _made(self, key: str, name: str, contract: str | None = None) -> Table:
        file = sql.load(contract or key)
        return Table(key, self._datasets.features, name, file.columns, file.purpose)

    def __getitem__(self, key: str) -> Table:
        return self._tables[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def sources(self) -> tuple[Table, ...]:
        """The tables other systems write."""
        return tuple(table for table in self.values() if table.is_source)

    @property
    def made(self) -> tuple[Table, ...]:
        """The tables this project writes."""
        return tuple(table for table in self.values() if not table.is_source)

    @property
    def views(self) -> tuple[View, ...]:
        """The guide's names, each version's features on the latest day; and views that follow what is live."""
        scores = [self.query("production_scores", daily_scores=scores_key(one.key)) for one in self.versions.values()]
        every = Query("production_scores", "\nUNION ALL\n".join(query.text for query in scores))
        return (
            *(
                self._view(
                    names.features_view,
                    self.query("production_features", features=features_key(names.key)),
                    f"Features of {version} on the latest day that has any",
                )
                for version, names in self.versions.items()
            ),
            self._view("v4_production_scores", every, sql.load("production_scores").purpose),
            self._view(
                "v4_production_periods", self.query("production_periods"), sql.load("production_periods").purpose
            ),
            self._view(
                "v4_weekly_lift_by_decile",
                self.query("weekly_lift_by_decile"),
                sql.load("weekly_lift_by_decile").purpose,
            ),
        )

    def _view(self, name: str, query: Query, description: str) -> View:
        return View(self._datasets.features, name, query, description)

    def lineage(self, version: str) -> tuple[str, ...]:
        """Keys of the checked tables that a version's scores are made from, its scores last."""
        key = self.versions[version].key
        return (SCORED_LEADS, COMMON_FEATURES, features_key(key), scores_key(key))

    def query(self, file: str, params: Mapping[str, object] | None = None, **aliases: str) -> Query:
        """sql/FILE.sql bound to these tables. `aliases` rename placeholders: scores="daily_scores_v41"."""
        return sql.bind(sql.load(file), self.names(**aliases), params or {})

    def names(self, **aliases: str) -> dict[str, str]:
        """Placeholder to full table name, to a Lead column's name, and to the week."""
        return (
            {key: table.full_name for key, table in self.items()}
            | {f"{LEAD}.{key}": name for key, name in self.lead_columns.items()}
            | {"policy.week": self._week}
            | {placeholder: self[key].full_name for placeholder, key in aliases.items()}
        )


def features_key(version_key: str) -> str:
    """Key of a version's feature table, which is also its asset's name and its SQL file's."""
    return f"features_{version_key}"


def scores_key(version_key: str) -> str:
    """Key of a version's score table, which is also its asset's name."""
    return f"daily_scores_{version_key}"


def profile_key(version_key: str) -> str:
    """Key of the table of each feature's daily distribution, for one version."""
    return f"feature_profile_{version_key}"
