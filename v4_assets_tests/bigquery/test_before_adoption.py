"""Before adoption, a day with a version's own source column and unscored leads is the same on BigQuery as on DuckDB."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest

from v4_assets import sql, tables
from v4_assets.config.environment import Settings, load
from v4_assets.operations import local_runs
from v4_assets.project_files import PROJECT
from v4_assets.resources import store, warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets.sql import Query
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.bigquery.emulator import GOOGLE_PROJECT, Emulator
from v4_assets_tests.features.test_unscorable import tightened
from v4_assets_tests.models.test_add_version import block

pytestmark = pytest.mark.extended
DAY = date(2026, 1, 11)
MATURED = (date(2025, 11, 26), date(2025, 11, 29))
"""Two days that score leads of a week whose outcomes are known."""
WORLD = WorldSpec(scale=0.002, leads_per_week=40, seed=5, first_contact=date(2025, 10, 1), through=date(2026, 1, 18))
NAMES = ("SavvyGTMData", "FinTrx_data_CA", "ml_features")


@pytest.fixture(scope="module", autouse=True)
def v42_sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The SQL of V4.2.0 as docs/models.md adds it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(sql.SQL_DIR, folder / "sql")
    features = folder / "sql" / "features"
    shutil.copy(features / "features_v41.sql", features / "features_v42.sql")
    (folder / "v42.diff").write_text(block("diff", "features_v42"), encoding="utf-8")
    subprocess.run(["git", "apply", "v42.diff"], cwd=folder, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql, "SQL_DIR", folder / "sql")
        sql.load.cache_clear()
        yield
    sql.load.cache_clear()


def lived(folder: Path, names: dict[str, str], env: dict[str, str]) -> Settings:
    """Nothing adopted, V4.2.0 not registered, one past day run."""
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    entry = "".join(f"  {line}\n" for line in block("yaml", "key: v42").splitlines())
    text = text.replace("versions:\n", f"versions:\n{entry}", 1)
    for old, new in names.items():
        text = text.replace(f": {old}\n", f": {new}\n")
    (folder / "rollout.yaml").write_text(text, encoding="utf-8")
    models = tightened(folder / "models", "v4.1.0", "days_since_last_move", 9998)
    places = {"V4_HOME": str(folder), "V4_MODELS": str(models), "V4_ROLLOUT": str(folder / "rollout.yaml")}
    settings = load({**places, "V4_NOW": f"{DAY + timedelta(days=1)}T06:30", **env})
    checks = settings.rollout.checks.model_copy(update={"unscored_share": 0.9})
    evaluation = settings.rollout.evaluation.model_copy(update={"min_days": 7, "max_days": 7})
    rollout = settings.rollout.model_copy(update={"checks": checks, "evaluation": evaluation})
    settings = settings.model_copy(update={"rollout": rollout})
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    local_runs.init(settings, adopting=False)
    for day in (*MATURED, DAY):
        outcome = local_runs.run_day(settings, day)
        failures = [one for one in outcome.checks_failed if one.severity == "ERROR"]
        assert (outcome.success, outcome.errors, failures) == (True, (), [])
    [(_, _, evaluated)] = local_runs.evaluate(settings, [DAY + timedelta(days=1)])
    assert evaluated.errors == ()
    return settings


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return lived(tmp_path_factory.mktemp("duckdb"), {}, {})


@pytest.fixture(scope="module")
def bigquery(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    names = {name: f"{name}_{uuid4().hex[:8]}" for name in NAMES}
    for name in names.values():
        emulator.client().create_dataset(name)
    env = {
        "V4_WAREHOUSE": "bigquery",
        "V4_BIGQUERY_PROJECT": GOOGLE_PROJECT,
        "V4_BIGQUERY_ENDPOINT": emulator.endpoint,
        "V4_BIGQUERY_STORAGE_ENDPOINT": emulator.storage_endpoint,
    }
    return lived(tmp_path_factory.mktemp("bigquery"), names, env)


def rows(settings: Settings, key: str) -> pa.Table:
    return warehouse(settings).read(Query("rows", f"SELECT * FROM {settings.rollout.catalogue[key].full_name}"))


KEYS = (
    tables.CONTACTS,
    *(f"{kind}_{version}" for kind in ("features", "daily_scores") for version in ("v40", "v41", "v42")),
)


@pytest.mark.parametrize("key", KEYS)
def test_what_is_made_before_adoption_is_the_same_on_both_engines(duckdb, bigquery, key):
    found, wanted = rows(bigquery, key), rows(duckdb, key)
    assert (wanted.num_rows > 0) == (key != "daily_scores_v42")
    assert_same(found, wanted, key)


def test_nothing_is_live_and_the_scores_of_both_leave_out_the_same_leads(bigquery):
    assert store(bigquery).production() is None
    features = {(row["lead_id"], row["prediction_date"]): row for row in rows(bigquery, "features_v41").to_pylist()}
    beyond = {one for one, row in features.items() if row["days_since_last_move"] > 9998}
    assert 0 < len(beyond) < len(features)
    for key in ("daily_scores_v40", "daily_scores_v41"):
        scored = {(row["lead_id"], row["prediction_date"]) for row in rows(bigquery, key).to_pylist()}
        assert scored == features.keys() - beyond


def test_the_version_s_own_column_is_read_from_its_source(bigquery):
    assert {"18-34", "65+", None} <= set(rows(bigquery, tables.CONTACTS)["AGE_RANGE"].to_pylist())
    assert len(set(rows(bigquery, "features_v42")["age_bucket_encoded"].to_pylist())) > 2


def test_leads_without_a_score_are_counted_as_uncovered_the_same_on_both_engines(duckdb, bigquery):
    counted = []
    for settings in (duckdb, bigquery):
        evidence = [row for row in rows(settings, tables.LIFT_COMPARISON).to_pylist() if row["question"] == "promotion"]
        counted.append({row["version"]: (row["cohort_to"], row["leads"], row["uncovered"]) for row in evidence})
    assert counted[0] == counted[1]
    timely = {
        row["lead_id"]
        for row in rows(bigquery, tables.SCORED_LEADS).to_pylist()
        if MATURED[1] - timedelta(days=6) <= row["contacted_on"] <= MATURED[1]
        and 1 <= (row["prediction_date"] - row["contacted_on"]).days <= 3
    }
    scored = timely & {
        row["lead_id"] for row in rows(bigquery, "daily_scores_v41").to_pylist() if row["prediction_date"] in MATURED
    }
    assert 0 < len(scored) < len(timely)
    for cohort_to, leads, uncovered in counted[1].values():
        assert cohort_to == MATURED[1]
        assert 0 < leads <= len(scored)
        assert uncovered >= len(timely - scored)
    assert set(counted[1]) == {"v4.0.0", "v4.1.0"}
