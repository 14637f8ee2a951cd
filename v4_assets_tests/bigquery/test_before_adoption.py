"""Before adoption, days with a version's own source column and unscored leads are the same on BigQuery as on DuckDB."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
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
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.bigquery.emulator import GOOGLE_PROJECT, Emulator
from v4_assets_tests.bigquery.mirror import mirrored, moved
from v4_assets_tests.features.test_unscorable import tightened
from v4_assets_tests.models.test_add_version import block

pytestmark = pytest.mark.extended
EVALUATED = date(2026, 1, 12)
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


@dataclass(frozen=True)
class BeforeAdoption:
    """Nothing adopted, V4.2.0 not registered, past days run on BigQuery and repeated on DuckDB."""

    settings: Settings
    mirror: DuckDBWarehouse

    def rows(self, key: str) -> pa.Table:
        """All rows of a table on BigQuery."""
        name = self.settings.rollout.catalogue[key].full_name
        return warehouse(self.settings).read(Query("rows", f"SELECT * FROM {name}"))


def configured(folder: Path, names: dict[str, str], env: dict[str, str]) -> Settings:
    """Settings of EVALUATED, with V4.2.0 and datasets of these names."""
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    entry = "".join(f"  {line}\n" for line in block("yaml", "key: v42").splitlines())
    text = text.replace("versions:\n", f"versions:\n{entry}", 1)
    for old, new in names.items():
        text = text.replace(f": {old}\n", f": {new}\n")
    (folder / "rollout.yaml").write_text(text, encoding="utf-8")
    models = tightened(folder / "models", "v4.1.0", "days_since_last_move", 9998)
    places = {"V4_HOME": str(folder), "V4_MODELS": str(models), "V4_ROLLOUT": str(folder / "rollout.yaml")}
    settings = load({**places, "V4_NOW": f"{EVALUATED}T06:30", **env})
    checks = settings.rollout.checks.model_copy(update={"unscored_share": 0.9})
    evaluation = settings.rollout.evaluation.model_copy(update={"min_days": 7, "max_days": 7})
    rollout = settings.rollout.model_copy(update={"checks": checks, "evaluation": evaluation})
    return settings.model_copy(update={"rollout": rollout})


def live_through(settings: Settings) -> None:
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    local_runs.init(settings, adopting=False)
    for day in MATURED:
        outcome = local_runs.run_day(settings, day)
        failures = [one for one in outcome.checks_failed if one.severity == "ERROR"]
        assert (outcome.success, outcome.errors, failures) == (True, (), [])
    [(_, _, evaluated)] = local_runs.evaluate(settings, [EVALUATED])
    assert evaluated.errors == ()


@pytest.fixture(scope="module")
def lived(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeforeAdoption]:
    names = {name: f"{name}_{uuid4().hex[:8]}" for name in NAMES}
    for name in names.values():
        emulator.client().create_dataset(name)
    env = {
        "V4_WAREHOUSE": "bigquery",
        "V4_BIGQUERY_PROJECT": GOOGLE_PROJECT,
        "V4_BIGQUERY_ENDPOINT": emulator.endpoint,
        "V4_BIGQUERY_STORAGE_ENDPOINT": emulator.storage_endpoint,
    }
    folder = tmp_path_factory.mktemp("bigquery")
    with mirrored(folder / "mirror.duckdb", {own: name for name, own in names.items()}) as mirror:
        settings = configured(folder, names, env)
        live_through(settings)
        yield BeforeAdoption(settings, mirror)


KEYS = (
    tables.CONTACTS,
    *(tables.LEAD_OUTCOMES, tables.LIFT_COMPARISON, tables.LIFT_BY_DECILE),
    *(f"{kind}_{version}" for kind in ("features", "daily_scores") for version in ("v40", "v41", "v42")),
)


@pytest.mark.parametrize("key", KEYS)
def test_what_is_made_before_adoption_is_the_same_on_both_engines(lived, key):
    own = moved(lived.settings.rollout.catalogue[key]).full_name
    found, wanted = lived.rows(key), lived.mirror.read(Query("rows", f"SELECT * FROM {own}"))
    assert (wanted.num_rows > 0) == (key != "daily_scores_v42")
    assert_same(found, wanted, key)


def test_nothing_is_live_and_the_scores_of_both_leave_out_the_same_leads(lived):
    assert store(lived.settings).production() is None
    features = {(row["lead_id"], row["prediction_date"]): row for row in lived.rows("features_v41").to_pylist()}
    beyond = {one for one, row in features.items() if row["days_since_last_move"] > 9998}
    assert 0 < len(beyond) < len(features)
    for key in ("daily_scores_v40", "daily_scores_v41"):
        scored = {(row["lead_id"], row["prediction_date"]) for row in lived.rows(key).to_pylist()}
        assert scored == features.keys() - beyond


def test_the_version_s_own_column_is_read_from_its_source(lived):
    assert {"18-34", "65+", None} <= set(lived.rows(tables.CONTACTS)["AGE_RANGE"].to_pylist())
    assert len(set(lived.rows("features_v42")["age_bucket_encoded"].to_pylist())) > 2


def test_leads_without_a_score_are_counted_as_uncovered(lived):
    counted = {
        row["version"]: (row["cohort_to"], row["leads"], row["uncovered"])
        for row in lived.rows(tables.LIFT_COMPARISON).to_pylist()
        if (row["prediction_date"], row["question"]) == (EVALUATED, "promotion")
    }
    timely = {
        row["lead_id"]
        for row in lived.rows(tables.SCORED_LEADS).to_pylist()
        if MATURED[1] - timedelta(days=6) <= row["contacted_on"] <= MATURED[1]
        and 1 <= (row["prediction_date"] - row["contacted_on"]).days <= 3
    }
    scored = timely & {
        row["lead_id"] for row in lived.rows("daily_scores_v41").to_pylist() if row["prediction_date"] in MATURED
    }
    assert 0 < len(scored) < len(timely)
    for cohort_to, leads, uncovered in counted.values():
        assert cohort_to == MATURED[1]
        assert 0 < leads <= len(scored)
        assert uncovered >= len(timely - scored)
    assert set(counted) == {"v4.0.0", "v4.1.0"}
