"""`v4 doctor` on BigQuery's emulator: datasets, their location, reading and writing by dry runs, and all the rest."""

from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

from v4_assets.config.environment import load
from v4_assets.operations import local_runs
from v4_assets.operations.doctor import ProbeResult, Verdict, examine, foreign_objects, rollout
from v4_assets.operations.doctor import warehouse as warehouse_probes
from v4_assets.project_files import PROJECT
from v4_assets.resources import warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets_tests.bigquery.emulator import GOOGLE_PROJECT, Emulator

WORLD = WorldSpec(scale=0.002, leads_per_week=40, seed=5, first_contact=date(2025, 9, 1), through=date(2026, 1, 18))
NAMES = ("SavvyGTMData", "FinTrx_data_CA", "ml_features")


@pytest.fixture(scope="module")
def environment(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An installation with datasets of its own."""
    home = tmp_path_factory.mktemp("doctor")
    ending = uuid4().hex[:8]
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    for name in NAMES:
        text = text.replace(f": {name}\n", f": {name}_{ending}\n")
        emulator.client().create_dataset(f"{name}_{ending}")
    (home / "rollout.yaml").write_text(text, encoding="utf-8")
    env = {
        "V4_HOME": str(home),
        "V4_NOW": "2026-01-09T06:30",
        "V4_ROLLOUT": str(home / "rollout.yaml"),
        "V4_WAREHOUSE": "bigquery",
        "V4_BIGQUERY_PROJECT": GOOGLE_PROJECT,
        "V4_BIGQUERY_ENDPOINT": emulator.endpoint,
        "V4_BIGQUERY_STORAGE_ENDPOINT": emulator.storage_endpoint,
    }
    settings = load(env)
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    local_runs.init(settings)
    return env


def asked(env: dict[str, str]) -> dict[str, ProbeResult]:
    settings = load(env)
    probes = {**warehouse_probes.probes(settings), **foreign_objects.probes(settings), **rollout.probes(settings)}
    return {one.probe: one for one in examine(probes)}


def not_ok(results: dict[str, ProbeResult]) -> dict[str, Verdict]:
    return {name: one.verdict for name, one in results.items() if one.verdict is not Verdict.OK}


def tables_of(emulator: Emulator, env: dict[str, str]) -> list[str]:
    datasets = load(env).rollout.datasets.model_dump().values()
    return sorted(table.full_table_id for name in datasets for table in emulator.client().list_tables(name))


def test_a_healthy_project_is_ok_everywhere_and_nothing_is_made(emulator, environment):
    before = tables_of(emulator, environment)
    results = asked(environment)
    assert results["sources fresh"].verdict is Verdict.OK, results["sources fresh"].found
    assert not_ok(results) == {
        "time zones": Verdict.WARN,
        "Dagster": Verdict.WARN,
    }  # the clock is fixed, nothing was run
    features = load(environment).rollout.datasets.features
    assert results[f"dataset {features}"].found == "in US"
    assert results[f"writing {features}"].found.startswith("tables may be made and changed")
    assert {f"reading {name}" for name in ("Lead", "broker_protocol_members")} <= set(results)
    assert tables_of(emulator, environment) == before


def test_a_dataset_that_is_not_there_fails_and_the_others_are_asked(environment):
    text = Path(environment["V4_ROLLOUT"]).read_text(encoding="utf-8")
    crm = load(environment).rollout.datasets.crm
    elsewhere = Path(environment["V4_HOME"]) / "elsewhere.yaml"
    elsewhere.write_text(text.replace(crm, "nowhere"), encoding="utf-8")
    results = asked(environment | {"V4_ROLLOUT": str(elsewhere)})
    assert results["dataset nowhere"].verdict is Verdict.FAIL
    assert results["reading Lead"].verdict is Verdict.FAIL
    assert results["source Lead"].found == "It is not there."
    assert results["source ria_contacts_current"].verdict is Verdict.OK
    assert results["tables and views"].verdict is Verdict.OK


def test_a_dataset_in_another_location_fails_with_the_setting_to_change(environment):
    results = asked(environment | {"V4_BIGQUERY_LOCATION": "EU"})
    features = load(environment).rollout.datasets.features
    assert results[f"dataset {features}"].found == "It lies in US, V4_BIGQUERY_LOCATION is EU."
    assert results[f"dataset {features}"].do.startswith("Set V4_BIGQUERY_LOCATION")
