"""Every dataset and table name, and the contract of each table. No other module contains a table name.

Sources are declared here as the firm's systems deliver them. The tables we make take their columns from the header of
the SQL file that builds or reads them, so that a column is described once. How a column or a table is added, so that
existing installations can be upgraded: v4_assets/warehouse/schema.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from v4_assets import sql
from v4_assets.prospects import contracts
from v4_assets.sources import types
from v4_assets.sources.types import SourceTypes
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
    legacy_columns: bool = False
    """Whether the features view also carries columns of the hand-run view of that name."""

    @property
    def features_file(self) -> str:
        """The file of sql/ that makes the features view."""
        return "legacy_features" if self.legacy_columns else "production_features"


LEAD = types.LEAD
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
LIFT_BEFORE_CONTACT = "lift_before_contact"
WATCH_BASIS = "watch_basis"
EARLY_WARNING_VOTES = "early_warning_votes"
WEEK_CLOSES = "week_closes"
PRODUCTION = "production"
DEPLOYMENTS, ORDERS = "deployments", "orders"
CHECK_RESULTS = "check_results"
SALESFORCE_STATE = "salesforce_state"
SALESFORCE_JOBS = "salesforce_jobs"
SALESFORCE_SYNC_LOG = "salesforce_sync_log"
SALESFORCE_SYNCS = "salesforce_syncs"
SCHEMA, TAKEOVER = "schema", "takeover"

SHARED = (SCORED_LEADS, INFERRED_DEPARTURES, FIRM_ACTIVITY, ADVISOR_FIRMS, COMMON_FEATURES)
"""The snapshot that both versions read, ordered so that each table reads only earlier ones."""
SINGLE = (
    *(SOURCE_OBSERVATIONS, TRAINING_SET, LEAD_OUTCOMES, LIFT_COMPARISON, LIFT_BY_DECILE, LIFT_BEFORE_CONTACT),
    *(WATCH_BASIS, EARLY_WARNING_VOTES, WEEK_CLOSES),
    *(PARTITION_WRITES, CHECK_RESULTS, PRODUCTION, DEPLOYMENTS, ORDERS),
    *(SALESFORCE_STATE, SALESFORCE_JOBS, SALESFORCE_SYNC_LOG, SALESFORCE_SYNCS, SCHEMA, TAKEOVER),
)
"""Tables that exist once, independent of the versions."""
RETIRED = (PARTITION_VERDICTS := "partition_verdicts",)
"""Tables of release 0.1 that are neither made nor written any more: an upgrade reads them once."""


class Catalogue(Mapping[str, Table]):
    """All tables by key, for one set of datasets, versions, names of the Lead table's columns and one kind of week.

    `week` is the part of a date in GoogleSQL, such as WEEK(SATURDAY); `brought` are columns of the sources that only
    some versions need, by table; `prospect_percentiles` is how the view of the prospects counts.
    """

    def __init__(
        self,
        datasets: Datasets,
        versions: Mapping[str, VersionNames],
        lead_columns: Mapping[str, str | None] | None = None,
        week: str = "ISOWEEK",
        brought: Mapping[str, tuple[Column, ...]] | None = None,
        source_types: SourceTypes | None = None,
        prospect_percentiles: contracts.Counting = "one_to_hundred",
    ) -> None:
        self.brought = brought or {}
        self._settled = {"policy.week": week, "prospects.percentile": contracts.PERCENTILES[prospect_percentiles]}
        self.datasets = datasets
        self.versions = versions
        self.lead_columns = types.lead_names(lead_columns or {})
        self._reading = types.SourceReading(self.lead_columns, self.brought, source_types or SourceTypes())
        described = (
            (LEAD, datasets.crm, "Lead", "Salesforce leads"),
            (CONTACTS, datasets.advisors, CONTACTS, "Advisors, current state only"),
            (HISTORY, datasets.advisors, HISTORY, "Registered employments"),
            (PROTOCOL, datasets.crm, PROTOCOL, "Broker Protocol members"),
        )
        sources = [
            Table(key, dataset, name, self._reading.delivered(key), description, is_source=True)
            for key, dataset, name, description in described
        ]
        made = [self._made(key, f"v4_{key}") for key in (*SHARED, *SINGLE, *RETIRED)]
        for names in versions.values():
            made += [
                self._made(features_key(names.key), f"v4_features_{names.key}"),
                self._made(scores_key(names.key), names.scores_table, contract="daily_scores"),
                self._made(profile_key(names.key), f"v4_feature_profile_{names.key}", contract="feature_profile"),
            ]
        monthly = contracts.declared(names.key for names in versions.values())
        made += [Table(key, datasets.features, f"v4_{key}", columns, about) for key, columns, about in monthly]
        self._tables = {table.key: table for table in (*sources, *made)}

    def _made(self, key: str, name: str, contract: str | None = None) -> Table:
        file = sql.load(contract or key)
        return Table(key, self.datasets.features, name, file.columns, file.purpose)

    @cached_property
    def _read(self) -> dict[str, str]:
        """Each source as the query of its file, which reads what can be of the firm's table."""
        bound = {key: self.query(key, dict.fromkeys(sql.load(key).params)) for key in SOURCES}
        return {key: f"(\n{query.text}\n)" for key, query in bound.items()}

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
        return tuple(table for table in self.values() if not table.is_source and table.key not in RETIRED)

    @property
    def views(self) -> tuple[View, ...]:
        """The guide's names, each version's features on the latest day; and views that follow what is live."""
        scores = [self.query("production_scores", daily_scores=scores_key(one.key)) for one in self.versions.values()]
        every = Query("production_scores", "\nUNION ALL\n".join(query.text for query in scores))
        views = [
            (
                names.features_view,
                self.query(names.features_file, features=features_key(names.key)),
                f"Features of {version} on the latest day that has any",
            )
            for version, names in self.versions.items()
        ]
        views.append(("v4_production_scores", every, sql.load("production_scores").purpose))
        for name in ("production_periods", "weekly_lift_by_decile"):
            views.append((f"v4_{name}", self.query(name), sql.load(name).purpose))
        prospects = contracts.view_query((one.key for one in self.versions.values()), self.names())
        views.append((contracts.VIEW, prospects, sql.load(prospects.name).purpose))
        return tuple(View(self.datasets.features, *one) for one in views)

    def lineage(self, version: str) -> tuple[str, ...]:
        """Keys of the checked tables that a version's scores are made from, its scores last."""
        key = self.versions[version].key
        return (SCORED_LEADS, COMMON_FEATURES, features_key(key), scores_key(key))

    def query(self, file: str, params: Mapping[str, object] | None = None, **aliases: str) -> Query:
        """sql/FILE.sql bound to these tables. `aliases` rename placeholders: scores="daily_scores_v41".

        The file of a source reads the firm's table; every other file reads what the source's file makes of it.
        """
        names = self._reading.own_names(file, self[file].full_name) if file in SOURCES else self.names(**aliases)
        return sql.bind(sql.load(file), names, params or {})

    def names(self, **aliases: str) -> dict[str, str]:
        """Placeholder to full table name, a source's query, a Lead column, the observations of further columns, and the
        week."""
        return (
            {key: table.full_name for key, table in self.items()}
            | self._read
            | self._reading.names
            | self._settled
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
