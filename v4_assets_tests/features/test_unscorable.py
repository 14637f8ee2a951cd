"""A lead with a value that a model does not take is left out by every version, counted, and does not stop the day."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from v4_assets.config.environment import Settings, load
from v4_assets.errors import FeatureError
from v4_assets.models.bundle import file_sha256
from v4_assets.models.contract import Feature, unusable
from v4_assets.operations import local_runs
from v4_assets.operations.local_runs import FailedCheck, Outcome
from v4_assets.project_files import PROJECT
from v4_assets.resources import store, warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets_tests.fixtures import sparing

sparing.spared()

DAY = date(2026, 1, 12)
WORLD = WorldSpec(scale=0.01, leads_per_week=20, seed=5, through=date(2026, 1, 18))
YEARS = Feature("years", "FLOAT64", low=0, high=80)
TIER = Feature("tier", "STRING", ("low", "high"))
COUNT = Feature("count", "INT64")


def marked(feature: Feature, values: list[object], kind: pa.DataType) -> list[bool]:
    return unusable([feature], pa.table({feature.name: pa.array(values, kind)})).tolist()


@pytest.mark.parametrize(
    ("feature", "values", "kind", "wanted"),
    [
        (YEARS, [-14.3, 0, 80, 80.1, 417, None, np.nan], pa.float64(), [True, False, False, True, True, True, True]),
        (Feature("years", "FLOAT64", low=0, nulls="nan"), [-1, None, np.nan], pa.float64(), [True, False, False]),
        (Feature("years", "INT64", high=9, nulls="missing", missing=0), [10, None], pa.int64(), [True, False]),
        (TIER, ["low", "other", None, ""], pa.string(), [False, True, True, True]),
        (Feature("tier", "STRING", ("a",), nulls="nan"), ["a", "b", None], pa.string(), [False, True, False]),
        (COUNT, [-(10**12), 0, 10**12], pa.int64(), [False, False, False]),
    ],
)
def test_what_a_model_does_not_take(feature, values, kind, wanted):
    assert marked(feature, values, kind) == wanted


def test_a_missing_column_is_an_error_and_marks_no_lead():
    with pytest.raises(FeatureError, match="column years is missing"):
        unusable([YEARS], pa.table({"tier": ["low"]}))


def tightened(folder: Path, version: str, feature: str, high: float) -> Path:
    """The shipped models, the range of one feature ending at `high`."""
    shutil.copytree(PROJECT / "models", folder)
    path, catalogue = folder / version / "features.json", folder / "registry.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for one in content["features"]:
        if one["name"] == feature:
            one["high"] = high
    path.write_text(json.dumps(content), encoding="utf-8")
    registry = json.loads(catalogue.read_text(encoding="utf-8"))
    registry["models"][version]["files"]["features.json"] = file_sha256(path)
    catalogue.write_text(json.dumps(registry), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """A home with sources and tables, in which nothing is live and no day was run."""
    settings = load({"V4_HOME": str(tmp_path_factory.mktemp("sources")), "V4_NOW": f"{DAY}T06:30"})
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    local_runs.init(settings, adopting=False)
    return settings.home


def run(home: Path, sources: Path, models: Path, share: float) -> tuple[Settings, Outcome]:
    shutil.copytree(sources, home)
    settings = load({"V4_HOME": str(home), "V4_MODELS": str(models), "V4_NOW": f"{DAY}T06:30"})
    checks = settings.rollout.checks.model_copy(update={"unscored_share": share})
    settings = settings.model_copy(update={"rollout": settings.rollout.model_copy(update={"checks": checks})})
    return settings, local_runs.run_day(settings, DAY)


def rows(settings: Settings, file: str, **aliases: str) -> dict[str, dict[str, Any]]:
    return {row["lead_id"]: row for row in store(settings).rows(file, {"prediction_date": DAY}, **aliases)}


def test_they_are_left_out_by_both_versions_and_the_day_stays_green(tmp_path, sources):
    # Of V4.1.0 alone: V4.0.0 does not even have the feature.
    models = tightened(tmp_path / "models", "v4.1.0", "days_since_last_move", 9998)
    settings, outcome = run(tmp_path / "home", sources, models, share=0.9)
    assert (outcome.success, outcome.errors) == (True, ())
    features = rows(settings, "features_of_day", features="features_v41")
    beyond = {lead for lead, row in features.items() if row["days_since_last_move"] > 9998}
    assert 20 < len(beyond) < len(features)
    for key in ("daily_scores_v40", "daily_scores_v41"):
        scored = rows(settings, "daily_scores", daily_scores=key)
        assert scored.keys() == features.keys() - beyond
        assert {row["percentile"] for row in scored.values()} == set(range(1, 101))


@pytest.mark.extended
def test_above_the_limit_the_version_stops_and_the_other_scores_every_lead(tmp_path, sources):
    models = tightened(tmp_path / "models", "v4.1.0", "days_since_last_move", 9998)
    settings, outcome = run(tmp_path / "home", sources, models, share=0.01)
    failed = {(one.asset, one.check) for one in outcome.checks_failed if one.severity == "ERROR"}
    assert (outcome.success, failed) == (False, {("features_v41", "values_allowed")})
    leads = rows(settings, "features_of_day", features="features_v40").keys()
    assert rows(settings, "daily_scores", daily_scores="daily_scores_v40").keys() == leads
    assert rows(settings, "daily_scores", daily_scores="daily_scores_v41") == {}


# --- from the sources to the evidence ---------------------------------------------------------------------------------

MATURED = DAY - timedelta(days=44)
CONTACTED = (MATURED - timedelta(days=6), MATURED)
SCORED = (CONTACTED[0] + timedelta(days=1), CONTACTED[1] + timedelta(days=3))
EVIDENCE_WORLD = WorldSpec(scale=0.01, leads_per_week=400, seed=5, first_contact=date(2025, 11, 10), through=DAY)


def judged(home: Path, models: Path) -> tuple[Settings, dict[str, dict[str, Any]], list[FailedCheck]]:
    """A home in which a cohort was scored on its days: its evidence by version, and the gates that did not pass."""
    settings = load({"V4_HOME": str(home), "V4_MODELS": str(models), "V4_NOW": f"{DAY}T18:00"})
    rollout = settings.rollout
    checks = rollout.checks.model_copy(update={"unscored_share": 0.9})
    evaluation = rollout.evaluation.model_copy(update={"min_days": 7, "max_days": 7})
    rollout = rollout.model_copy(update={"checks": checks, "evaluation": evaluation})
    settings = settings.model_copy(update={"rollout": rollout})
    fill(warehouse(settings), rollout.catalogue, build(EVIDENCE_WORLD))
    local_runs.init(settings, adopting=False)
    runs = [*local_runs.backfill(settings, *SCORED), *local_runs.evaluate(settings, [DAY])]
    assert [outcome.errors for _, _, outcome in runs if not outcome.success] == []
    evidence = store(settings).rows("lift_comparison", {"first_day": DAY, "last_day": DAY})
    found = {row["version"]: row for row in evidence if row["question"] == "promotion"}
    return settings, found, list(runs[-1][2].checks_failed)


def first_scored(settings: Settings) -> set[str]:
    """Leads of the cohort's week that some day scored one to three days after their contact, by both versions."""
    days = {"first_day": SCORED[0], "last_day": SCORED[1]}
    contacted = {
        (row["lead_id"], row["prediction_date"])
        for row in store(settings).rows("rows_of_days", days, dated="scored_leads")
        if CONTACTED[0] <= row["contacted_on"] <= CONTACTED[1]
        and 1 <= (row["prediction_date"] - row["contacted_on"]).days <= 3
    }
    scored = [
        {
            (row["lead_id"], row["prediction_date"])
            for row in store(settings).rows("rows_of_days", days, dated=f"daily_scores_{key}")
        }
        for key in ("v40", "v41")
    ]
    return {lead for lead, _ in contacted & scored[0] & scored[1]}


@pytest.mark.extended
def test_a_lead_left_out_by_a_value_out_of_range_is_counted_as_uncovered_when_its_outcome_is_known(tmp_path):
    whole, before, _ = judged(tmp_path / "whole", PROJECT / "models")
    models = tightened(tmp_path / "models", "v4.1.0", "days_since_last_move", 9998)
    less, after, gates = judged(tmp_path / "less", models)
    lost = first_scored(whole) - first_scored(less)
    assert len(lost) > 20
    for version in ("v4.0.0", "v4.1.0"):
        one, other = before[version], after[version]
        assert (one["cohort_from"], one["cohort_to"]) == (other["cohort_from"], other["cohort_to"]) == CONTACTED
        assert one["leads"] - other["leads"] == len(lost)
        assert other["uncovered"] - one["uncovered"] == len(lost)
        assert one["converted_before_scored"] == other["converted_before_scored"]
        assert other["uncovered"] / (other["leads"] + other["uncovered"]) > less.rollout.evaluation.max_uncovered_share
    said = [one.description for one in gates if "of its leads have no score in time (limit" in one.description]
    assert len(said) > 0
    assert {one.severity for one in gates if one.description in said} == {"WARN"}
