"""The graph through Dagster on BigQuery's emulator ends in the same tables as on DuckDB."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from v4_assets import tables
from v4_assets.config.environment import Settings, load
from v4_assets.names import DAILY_JOB
from v4_assets.operations import actions, monthly, operate
from v4_assets.prospects.months import month_of
from v4_assets.resources import warehouse
from v4_assets.sample.load import fill
from v4_assets.sample.world import WorldSpec, build
from v4_assets.sql import Query
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.bigquery.emulator import GOOGLE_PROJECT, Emulator
from v4_assets_tests.bigquery.twin import catalogue

DAY = date(2026, 1, 12)
WORLD = WorldSpec(scale=0.002, leads_per_week=15, seed=5, first_contact=date(2025, 9, 1), through=date(2026, 1, 18))
RUN_OF_ITS_OWN = {"run_id", "event_id", "action_id", "order_id", "sync_id", "content"}
"""Columns that differ between two runs of the same thing; the content of an order names events."""


@dataclass(frozen=True)
class Place:
    """One engine's V4_HOME and environment."""

    home: Path
    env: dict[str, str]

    def on(self, day: date) -> Settings:
        """Settings on the morning of a day."""
        return load({"V4_HOME": str(self.home), "V4_NOW": f"{day}T06:30", **self.env})


def lived(place: Place) -> Place:
    """A day: sources, scores, comparison, the dry-run sync; then a person promotes the candidate, and takes it back."""
    settings = place.on(DAY)
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    operate.init(settings)
    outcomes = [operate.run_job(settings, DAILY_JOB, partition=DAY)]
    outcomes.append(monthly.run_month(settings, month_of(DAY)))
    outcomes.append(actions.order(settings, "promotion", "v4.1.0", "It's better"))
    outcomes.append(actions.order(settings, "rollback", "v4.0.0", "It's not"))
    for outcome in outcomes:
        failures = [one for one in outcome.checks_failed if one.severity == "ERROR"]
        assert (outcome.success, outcome.errors, failures) == (True, (), [])
    return place


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return lived(Place(tmp_path_factory.mktemp("duckdb"), {}))


@pytest.fixture(scope="module")
def bigquery(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Place:
    client = emulator.client()
    for dataset in ("SavvyGTMData", "FinTrx_data_CA", "ml_features"):
        client.create_dataset(dataset)
    env = {
        "V4_WAREHOUSE": "bigquery",
        "V4_BIGQUERY_PROJECT": GOOGLE_PROJECT,
        "V4_BIGQUERY_ENDPOINT": emulator.endpoint,
        "V4_BIGQUERY_STORAGE_ENDPOINT": emulator.storage_endpoint,
    }
    return lived(Place(tmp_path_factory.mktemp("bigquery"), env))


def rows(place: Place, name: str) -> pa.Table:
    """A table or view without what belongs to the run."""
    found = warehouse(place.on(DAY)).read(Query("rows", f"SELECT * FROM {name}"))
    return found.drop_columns([one for one in found.column_names if one in RUN_OF_ITS_OWN])


FILLED = {
    *tables.SOURCES,
    *(
        tables.SOURCE_OBSERVATIONS,
        *tables.SHARED,
        "features_v40",
        "features_v41",
        "daily_scores_v40",
        "daily_scores_v41",
    ),
    *(
        "feature_profile_v40",
        "feature_profile_v41",
        tables.LEAD_OUTCOMES,
        tables.LIFT_COMPARISON,
        tables.LIFT_BY_DECILE,
    ),
    *(tables.PARTITION_WRITES, tables.CHECK_RESULTS, tables.PRODUCTION, tables.DEPLOYMENTS),
}


@pytest.mark.parametrize("key", [key for key in catalogue() if key not in tables.RETIRED])
def test_a_table_is_the_same_on_both_engines(duckdb, bigquery, key):
    found, wanted = rows(bigquery, catalogue()[key].full_name), rows(duckdb, catalogue()[key].full_name)
    assert wanted.num_rows > 0 or key not in FILLED
    assert_same(found, wanted, key)


@pytest.mark.parametrize("view", catalogue().views, ids=lambda view: view.name)
def test_a_view_is_the_same_on_both_engines(duckdb, bigquery, view):
    name = f"`{view.dataset}`.`{view.name}`"
    assert_same(rows(bigquery, name), rows(duckdb, name), view.name)


def test_readers_of_the_production_view_see_the_version_that_is_live(bigquery):
    name = f"`{catalogue()[tables.PRODUCTION].dataset}`.v4_production_scores"
    assert set(rows(bigquery, name)["model_version"].to_pylist()) == {"v4.0.0"}
    events = rows(bigquery, catalogue()[tables.DEPLOYMENTS].full_name)["event"].to_pylist()
    assert sorted(name for name in events if name.endswith("_completed")) == [
        "promotion_completed",
        "rollback_completed",
    ]
