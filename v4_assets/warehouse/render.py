"""The SQL that a warehouse runs, as scripts to read, review and paste. Pure.

Made from the files of sql/, the catalogue of tables and the versions of rollout.yaml, so that no second copy of a
query exists. Each warehouse formats the scripts in its own dialect
(warehouse/bigquery/console.py, warehouse/duckdb/scripts.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from v4_assets import sql, tables
from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error
from v4_assets.sql import Column, Query, load
from v4_assets.tables import Catalogue, Table, View
from v4_assets.warehouse import table_differences

SCRIPT = "rollback"
HEADING = (
    "rollback: make the baseline live again when Dagster does not run. Readers of v4_production_scores follow at once.",
    "1. Say in v4_reason why: it is recorded. 2. Run the script; it changes one row and adds one, or nothing.",
    "3. When Dagster runs again, the sensor's next run (or `v4 resume`) sends the scores to Salesforce, writes the",
    "   report and records the end. Salesforce keeps the other version's scores until then.",
    "Made by `v4 sql render --script rollback` from sql/, rollout.yaml and the registry of models.",
)


@dataclass(frozen=True)
class Target:
    """The version that becomes live."""

    version: str
    features_view: str
    scores_table: str
    model_uri: str
    model_sha256: str
    bundle_sha256: str
    happened_at: datetime | None = None
    """The time of a fixed clock; None takes that of the engine when the script runs."""


def values(target: Target) -> dict[str, str | None]:
    """Values of the parameters that the script knows beforehand."""
    return {
        "version": target.version,
        "features_view": target.features_view,
        "scores_table": target.scores_table,
        "model_uri": target.model_uri,
        "model_sha256": target.model_sha256,
        "bundle_sha256": target.bundle_sha256,
        "event": "rollback_started",
        "gates": None,
        "evidence_table": None,
        "evidence_day": None,
        "evidence_sha256": None,
        "run_id": None,
        "hold_until": None,
    }


def happened_at(target: Target, of_engine: str) -> str:
    """When the switch happens, as an expression of GoogleSQL and DuckDB."""
    fixed = target.happened_at
    return f"TIMESTAMP '{fixed.astimezone(UTC):%Y-%m-%d %H:%M:%S+00:00}'" if fixed else of_engine


def switch(catalogue: Catalogue) -> tuple[Query, Query]:
    """The UPDATE of production and the INSERT of the event, their parameters without values."""
    update, insert = (
        catalogue.query(name, dict.fromkeys(load(name).params)) for name in ("switch_production", "record_event")
    )
    return update, insert


TIME_ZONE = "America/New_York"
DAILY_PARAMS = ("prediction_date", "cutoff", "retrospective")
"""What every query of a day may be bound with."""


@dataclass(frozen=True)
class Fill:
    """A table whose partition of the day is made by a query. The query's parameters have no values yet."""

    table: Table
    query: Query
    inputs: tuple[Table, ...]
    """Tables the query reads whose writes are recorded, in the order of its header."""


@dataclass(frozen=True)
class Script:
    """What one script creates and fills, in this order."""

    name: str
    purpose: tuple[str, ...]
    """Lines of text."""
    version: str | None
    """The model version it serves alone; None when it serves them all."""
    tables: tuple[Table, ...]
    views: tuple[View, ...]
    fills: tuple[Fill, ...]
    log: Table
    """Where writes of partitions are recorded."""
    first_day: date
    """No day before it is filled."""


def scripts(rollout: Rollout) -> tuple[Script, ...]:
    """All scripts: tables, views, and the guide's production_scoring_KEY for each version."""
    catalogue = rollout.catalogue
    log = catalogue[tables.PARTITION_WRITES]
    made = Script("tables", ("every table this project writes.",), None, catalogue.made, (), (), log, rollout.first_day)
    seen = ("the views for other readers. Their tables must exist: run tables.sql first.",)
    views = Script("views", seen, None, (), catalogue.views, (), log, rollout.first_day)
    return (made, views, *(_scoring(rollout, catalogue, version) for version in rollout.versions))


def chosen(rollout: Rollout, version: str | None, name: str | None) -> tuple[Script, ...]:
    """The scripts of a version, or the one of a name, or all. Raises V4Error naming what there is."""
    if version is not None and version not in rollout.versions:
        raise V4Error(f"There is no version {version} in rollout.yaml; it has {', '.join(rollout.versions)}.")
    every = scripts(rollout)
    found = tuple(one for one in every if version in (None, one.version) and name in (None, one.name))
    if not found:
        validations_of = f" of {version}" if version else ""
        there = ", ".join([*(one.name for one in every if version in (None, one.version)), SCRIPT])
        raise V4Error(f"There is no script {name}{validations_of}; there are {there}.")
    return found


def _scoring(rollout: Rollout, catalogue: Catalogue, version: str) -> Script:
    entry = rollout.versions[version]
    keys = (*tables.SHARED, tables.features_key(entry.key))
    fills = tuple(_fill(catalogue, key) for key in keys)
    scores, log = catalogue[tables.scores_key(entry.key)], catalogue[tables.PARTITION_WRITES]
    count = len(sql.load(tables.features_key(entry.key)).features)
    return Script(
        f"production_scoring_{entry.key}",
        (
            f"the day's {count} features of {version}, from the sources to the view {entry.features_view}.",
            f"The model is not SQL: `v4 run` reads these features and fills {scores.name}, which is created here.",
        ),
        version,
        (*(fill.table for fill in fills), scores, log),
        tuple(view for view in catalogue.views if view.name == entry.features_view),
        fills,
        log,
        rollout.first_day,
    )


def _fill(catalogue: Catalogue, key: str) -> Fill:
    file = sql.load(key)
    made = [catalogue[name] for name in file.inputs if not catalogue[name].is_source]
    return Fill(catalogue[key], catalogue.query(key, dict.fromkeys((*DAILY_PARAMS, *file.params))), tuple(made))


def heading(script: Script, lines: Sequence[str]) -> str:
    """The comment a script begins with."""
    first, *more = script.purpose
    text = [
        f"{script.name}: {first}",
        *more,
        "Made by `v4 sql render` from sql/, the catalogue of tables and rollout.yaml: change those, not this.",
        *lines,
    ]
    return "\n".join(f"-- {line}".rstrip() for line in text)


SAMPLE_ROWS = 5


@dataclass(frozen=True)
class Validations:
    """Of one script that fills the features of a version."""

    view: View
    scores: Table
    wanted: tuple[Column, ...]
    """The features."""
    beside: tuple[Column, ...]
    """Columns that the view may have beside them."""

    @property
    def place(self) -> Table:
        """The view by name."""
        return table_differences.place(self.view)


def validations_of(script: Script) -> Validations:
    """The validations of a script with fills."""
    [view], scores, features = script.views, script.tables[-2], script.fills[-1].table
    wanted = tuple(column for column in features.columns if column.is_feature)
    beside = tuple(column for column in features.columns if not column.is_feature)
    return Validations(view, scores, wanted, (*beside, *load(view.query.name).columns))


def quoted_names(columns: tuple[Column, ...]) -> str:
    """Their names as texts of SQL."""
    return ", ".join(f"'{column.name}'" for column in columns)
