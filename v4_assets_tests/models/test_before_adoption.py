"""A version that is in rollout.yaml and not registered yet: its features are made, and its scores wait."""

import json
import shutil
from datetime import date, timedelta

import pytest

from v4_assets.config.environment import Settings, load
from v4_assets.operations import local_runs
from v4_assets.project_files import PROJECT
from v4_assets.resources import store, warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets_tests.fixtures import sparing

sparing.spared()

DAY = date(2026, 1, 12)
WORLD = WorldSpec(scale=0.005, leads_per_week=20, seed=5, through=date(2026, 1, 18))


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A home in which nothing is live, and V4.0.0 is the only model."""
    models = tmp_path / "models"
    shutil.copytree(PROJECT / "models", models)
    catalogue = json.loads((models / "registry.json").read_text(encoding="utf-8"))
    del catalogue["models"]["v4.1.0"]
    (models / "registry.json").write_text(json.dumps(catalogue), encoding="utf-8")
    found = load({"V4_HOME": str(tmp_path / "home"), "V4_MODELS": str(models), "V4_NOW": f"{DAY}T06:30"})
    fill(warehouse(found), found.rollout.catalogue, build(WORLD))
    local_runs.init(found, adopting=False)
    return found


def rows(settings: Settings, file: str, day: date, **aliases: str) -> int:
    return len(store(settings).read(file, {"prediction_date": day}, **aliases))


@pytest.mark.extended
def test_its_features_are_made_and_its_scores_wait_without_red(settings):
    yesterday = DAY - timedelta(days=1)
    outcome = local_runs.run_day(settings, yesterday)
    assert (outcome.success, outcome.errors) == (True, ())
    assert outcome.waits is not None
    drift = [one for one in outcome.checks_failed if (one.asset, one.check) == ("features_v41", "feature_drift")]
    assert ["no model is registered" in one.description for one in drift] == [True]
    assert [one for one in outcome.checks_failed if one.severity == "ERROR"] == []
    leads = rows(settings, "features_of_day", yesterday, features="features_v41")
    assert leads > 500
    assert rows(settings, "daily_scores", yesterday, daily_scores="daily_scores_v40") == leads
    assert rows(settings, "daily_scores", yesterday, daily_scores="daily_scores_v41") == 0


def test_once_something_is_live_a_version_without_a_model_is_an_error_on_the_day_itself(settings):
    local_runs.init(settings)
    outcome = local_runs.run_day(settings, DAY)
    assert not outcome.success
    assert [error for error in outcome.errors if "There is no model v4.1.0" in error]
    assert rows(settings, "daily_scores", DAY, daily_scores="daily_scores_v40") > 500
