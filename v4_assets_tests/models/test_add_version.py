"""docs/models.md, "Adding V4.2.0 in ten minutes", carried out as it stands there in a copy of the project."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from v4_assets import sql
from v4_assets.config.environment import with_environment
from v4_assets.operations.ci import SAMPLE, SAMPLE_DAY, SAMPLE_NOW
from v4_assets.project_files import PROJECT
from v4_assets_tests.fixtures.pages import blocks

pytestmark = pytest.mark.extended

PAGE = PROJECT / "docs" / "models.md"
WORLD = f"v4 sample --scale {SAMPLE.scale} --leads-per-week {SAMPLE.leads_per_week} --seed {SAMPLE.seed}"
"""The page's `v4 sample`, but small."""
COPIED = ("v4_assets", "salesforce_stand_in", "sql", "models", "deploy", "rollout.yaml")


def block(language: str, having: str) -> str:
    """The one block of the page that says so."""
    [found] = [one.text for one in blocks(PAGE, language) if having in one.text]
    return found


def training_rows(count: int = 3000) -> pa.Table:
    """Rows a team would train on: the 22 features of V4.1.0, the age's code, and whether the lead converted."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for column in sql.load("features_v41").features:
        if column.categories:
            columns[column.name] = rng.choice(column.categories, count).tolist()
        elif column.type == "FLOAT64":
            columns[column.name] = rng.uniform(0, 40, count)
        else:
            columns[column.name] = rng.integers(int(column.low or 0), int(column.high or 60) + 1, count)
    columns["mobility_3yr"] = rng.choice([0, 1, 2], count, p=[0.8, 0.15, 0.05])
    columns["tenure_months"] = rng.integers(0, 300, count)
    columns["days_since_last_move"] = rng.integers(0, 6000, count)
    columns["firm_rep_count_at_contact"] = rng.integers(0, 2000, count)
    columns["age_bucket_encoded"] = rng.integers(0, 5, count)
    # Every number counts a little, so that the scores tell the sample's leads apart.
    chance = 0.3 - columns["tenure_months"] / 1500 - columns["days_since_last_move"] / 60_000
    chance += columns["experience_years"] / 400 + 0.1 * columns["mobility_3yr"]
    chance += columns["firm_rep_count_at_contact"] / 20_000 + 0.1 * (columns["age_bucket_encoded"] == 1)
    return pa.table({**columns, "converted": rng.random(count) < chance})


@pytest.fixture(scope="module")
def added(tmp_path_factory) -> Path:
    """A copy of the project in which the page was followed; the run's outcome lies in run.json."""
    project = tmp_path_factory.mktemp("team") / "project"
    project.mkdir()
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project / name)
    follow(project)
    return project


def follow(project: Path) -> None:
    """Do what the page says."""
    features = project / "sql" / "features"
    shutil.copy(features / "features_v41.sql", features / "features_v42.sql")
    (project / "v42.diff").write_text(block("diff", "features_v42"), encoding="utf-8")
    subprocess.run(["git", "apply", "v42.diff"], cwd=project, check=True)
    rollout = project / "rollout.yaml"
    entry = "".join(f"  {line}\n" for line in block("yaml", "key: v42").splitlines())
    text = rollout.read_text(encoding="utf-8").replace("versions:\n", f"versions:\n{entry}", 1)
    for line in block("yaml", "candidate: v4.2.0").splitlines():
        role = line.partition(":")[0]
        text = "\n".join(line if old.startswith(f"{role}:") else old for old in text.splitlines())
    rollout.write_text(text + "\n", encoding="utf-8")
    pa.parquet.write_table(training_rows(), project / "training.parquet")
    commands = block("sh", "v4 sample")
    assert "v4 run --date today" in commands
    script = (
        "set -euo pipefail\n"
        f'v4() {{ "{sys.executable}" -c "from v4_assets.cli.main import main; main()" "$@"; }}\n'
        f"\"{sys.executable}\" - <<'PYTHON'\n{block('python', 'XGBClassifier')}PYTHON\n"
        + commands.replace("v4 run --date today", "v4 run --date today --json > run.json").replace("v4 sample", WORLD)
    )
    environment = with_environment(V4_HOME=str(project / ".v4"), V4_NOW=SAMPLE_NOW, PYTHONPATH=str(project))
    for name in ("V4_ROLLOUT", "V4_MODELS", "V4_WAREHOUSE", "V4_SALESFORCE"):
        environment.pop(name, None)
    done = subprocess.run(
        ["bash", "-c", script], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v4.2.0 is registered" in done.stdout


@pytest.fixture(scope="module")
def tables(added) -> Iterator[duckdb.DuckDBPyConnection]:
    """The team's warehouse, to read."""
    with duckdb.connect(added / ".v4" / "warehouse.duckdb", read_only=True) as connection:
        yield connection


def test_no_python_was_edited(added):
    for path in (PROJECT / "v4_assets").rglob("*.py"):
        assert (added / path.relative_to(PROJECT)).read_bytes() == path.read_bytes()


def test_the_new_version_scores_every_lead_of_the_day(tables):
    count, versions, leads = tables.execute(
        "SELECT count(*), list(DISTINCT model_version), count(DISTINCT lead_id) FROM ml_features.v4_daily_scores_v42 "
        "WHERE prediction_date = ?",
        [SAMPLE_DAY],
    ).fetchone()
    [expected] = tables.execute("SELECT count(*) FROM ml_features.v4_daily_scores").fetchone()
    assert (count, versions, leads) == (expected, ["v4.2.0"], expected)
    assert expected > 3000


def test_its_day_passes_every_check_the_others_have(added):
    outcome = json.loads((added / "run.json").read_text(encoding="utf-8"))
    assert outcome["success"]
    assert [one for one in outcome["checks_failed"] if one["severity"] == "ERROR"] == []
    drifted = {one["asset"] for one in outcome["checks_failed"] if one["check"] == "feature_drift"}
    assert "features_v42" in drifted  # it was trained on rows made up for this test
    # 52 of the project's own two versions, and eleven of the third.
    assert outcome["checks_passed"] + len(outcome["checks_failed"]) == 52 + 11


def test_it_is_compared_with_the_live_version(tables):
    compared = tables.execute("SELECT DISTINCT version FROM ml_features.v4_lift_comparison ORDER BY 1").fetchall()
    assert compared == [("v4.1.0",), ("v4.2.0",)]


def test_its_view_shows_the_day(tables):
    found = tables.execute("SELECT DISTINCT prediction_date FROM ml_features.v4_production_features_v42").fetchall()
    assert found == [(SAMPLE_DAY,)]
