"""docs/models.md, "Adding V4.2.0 in ten minutes", carried out as it stands there in a copy of the project."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from v4_assets.config.environment import load, with_environment
from v4_assets.operations.ci import SAMPLE, SAMPLE_DAY, SAMPLE_NOW
from v4_assets.project import PROJECT
from v4_assets.resources import warehouse
from v4_assets.sample.load import fill
from v4_assets.sample.world import build
from v4_assets_tests.fixtures.pages import blocks

PAGE = PROJECT / "docs" / "models.md"
COPIED = ("v4_assets", "salesforce_stand_in", "sql", "models", "deploy", "rollout.yaml")


def block(language: str, having: str) -> str:
    """The one block of the page that says so."""
    [found] = [one.text for one in blocks(PAGE, language) if having in one.text]
    return found


def training_rows(count: int = 3000) -> pa.Table:
    """Rows a team would train on: the five features, and whether the lead converted."""
    rng = np.random.default_rng(0)
    tenure = rng.choice(["0-12", "12-24", "24-48", "48-120", "120+", "Unknown"], count)
    moves = rng.integers(0, 4, count)
    return pa.table(
        {
            "tenure_bucket": tenure.tolist(),
            "mobility_3yr": moves,
            "firm_net_change_12mo": rng.integers(-40, 40, count),
            "is_first_year": (tenure == "0-12").astype("int64"),
            "industry_years": rng.uniform(0, 40, count),
            "converted": rng.random(count) < 0.03 + 0.03 * moves,
        }
    )


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
    settings = load({"V4_HOME": str(project / ".v4")})
    fill(warehouse(settings), settings.rollout.catalogue, build(SAMPLE))
    follow(project)
    return project


def follow(project: Path) -> None:
    """Do what the page says."""
    (project / "sql" / "features" / "features_v42.sql").write_text(block("sql", "features_v42"), encoding="utf-8")
    rollout = project / "rollout.yaml"
    entry = "".join(f"  {line}\n" for line in block("yaml", "key: v42").splitlines())
    text = rollout.read_text(encoding="utf-8").replace("versions:\n", f"versions:\n{entry}", 1)
    for line in block("yaml", "candidate: v4.2.0").splitlines():
        role = line.partition(":")[0]
        text = "\n".join(line if old.startswith(f"{role}:") else old for old in text.splitlines())
    rollout.write_text(text + "\n", encoding="utf-8")
    pa.parquet.write_table(training_rows(), project / "training.parquet")
    (project / "metrics.json").write_text(block("json", "train_auc"), encoding="utf-8")
    commands = block("sh", "--data training.parquet")
    assert "v4 run --date today" in commands
    script = (
        "set -euo pipefail\n"
        f'v4() {{ "{sys.executable}" -c "from v4_assets.cli.main import main; main()" "$@"; }}\n'
        f"\"{sys.executable}\" - <<'PYTHON'\n{block('python', 'features_v42')}PYTHON\n"
        + commands.replace("v4 run --date today", "v4 run --date today --json > run.json")
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
    # 41 of the project's own two versions, and eleven of the third.
    assert outcome["checks_passed"] + len(outcome["checks_failed"]) == 41 + 11


def test_it_is_compared_with_the_live_version(tables):
    compared = tables.execute("SELECT DISTINCT version FROM ml_features.v4_lift_comparison ORDER BY 1").fetchall()
    assert compared == [("v4.1.0",), ("v4.2.0",)]


def test_its_view_shows_the_day(tables):
    found = tables.execute("SELECT DISTINCT prediction_date FROM ml_features.v4_production_features_v42").fetchall()
    assert found == [(SAMPLE_DAY,)]
