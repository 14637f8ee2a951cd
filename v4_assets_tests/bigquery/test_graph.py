"""The graph through Dagster on BigQuery's emulator ends in the same tables as on DuckDB."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from v4_assets import tables
from v4_assets.config.environment import Settings, load
from v4_assets.names import DAILY_JOB
from v4_assets.operations import actions, local_runs, monthly
from v4_assets.prospects import contracts
from v4_assets.prospects.months import month_of
from v4_assets.resources import warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets.sql import Query
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.bigquery.emulator import GOOGLE_PROJECT, Emulator
from v4_assets_tests.bigquery.twin import catalogue

DAY = date(2026, 1, 12)
NOVEMBER = date(2025, 11, 1)
"""Scored and its list given out before the leads were contacted that are judged on DAY."""
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
    """A month and its list; a day: sources, scores, comparison, the dry-run sync; a late month and its list.

    Then a person promotes the candidate, rolls it back, and gives out a new list.
    """
    first, settings = place.on(NOVEMBER), place.on(DAY)
    fill(warehouse(first), first.rollout.catalogue, build(WORLD), known_at=first.clock.now())
    local_runs.init(first)
    outcomes = [monthly.run_month(first, NOVEMBER)]
    monthly.give_out(first, NOVEMBER)
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    outcomes.append(local_runs.run_job(settings, DAILY_JOB, partition=DAY))
    outcomes.append(monthly.run_month(settings, month_of(DAY)))
    monthly.give_out(settings, month_of(DAY))
    outcomes.append(actions.order(settings, "promotion", "v4.1.0", "It's better"))
    monthly.give_out(settings, month_of(DAY), again="v4.1.0 is live")
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
        tables.LIFT_BEFORE_CONTACT,
    ),
    *(contracts.PROSPECTS, *contracts.SNAPSHOT.values(), contracts.PROSPECT_LIST, contracts.PROSPECT_LISTS),
    *("prospect_features_v40", "prospect_features_v41", "prospect_scores_v40", "prospect_scores_v41"),
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


def test_leads_know_the_list_they_were_chosen_from_and_the_second_reading_ranks_some(bigquery):
    outcomes = rows(bigquery, catalogue()[tables.LEAD_OUTCOMES].full_name)
    assert set(outcomes["chosen_month"].drop_null().to_pylist()) == {NOVEMBER}
    assert set(outcomes["chosen_version"].drop_null().to_pylist()) == {"v4.0.0"}
    reading = rows(bigquery, catalogue()[tables.LIFT_BEFORE_CONTACT].full_name).to_pylist()
    assert min(row["leads"] for row in reading) > 5
    assert min(row["chosen"] for row in reading) > 0
    given = rows(bigquery, catalogue()[contracts.PROSPECT_LISTS].full_name).to_pylist()
    assert sorted((row["prediction_date"], row["edition"], row["model_version"]) for row in given) == [
        (NOVEMBER, 1, "v4.0.0"),
        (month_of(DAY), 1, "v4.0.0"),
        (month_of(DAY), 2, "v4.1.0"),
    ]
