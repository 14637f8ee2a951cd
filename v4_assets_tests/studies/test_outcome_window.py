"""The outcome window is one entry of rollout.yaml: studies, training and the demo's sentences read it there."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from v4_assets.cli.main import cli
from v4_assets.config.rollout import Rollout, read_rollout
from v4_assets.errors import PolicyError
from v4_assets.evaluation.cohorts import last_matured
from v4_assets.models.assets import first_morning
from v4_assets.project_files import PROJECT
from v4_assets.sample.stories import figures
from v4_assets.studies.assets import policy_odds
from v4_assets.studies.assumptions import FALLEN, HEALTHY, Assumptions
from v4_assets.studies.odds import simulate
from v4_assets.studies.odds_report import as_text
from v4_assets.studies.odds_rules import Rule, convictions, watched
from v4_assets_tests.fixtures.evidences import evidence

DAY = date(2026, 1, 12)


@pytest.fixture
def thirty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    """A firm whose outcome is known after 30 days, in the environment too."""
    content = yaml.safe_load((PROJECT / "rollout.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "thirty.yaml"
    path.write_text(yaml.safe_dump({**content, "outcome_window_days": 30}), encoding="utf-8")
    monkeypatch.setenv("V4_ROLLOUT", str(path))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    return read_rollout(path)


def test_v4_odds_takes_the_window_of_rollout_yaml(thirty: Rollout) -> None:
    found = CliRunner().invoke(cli, ["odds", "--no-model-error", "--histories", "20", "--json"])
    assert json.loads(found.output)["assumptions"]["outcome_window_days"] == 30
    shown = CliRunner().invoke(cli, ["odds", "--no-model-error", "--histories", "20"]).output
    assert "before its first leads mature, 31 days later" in shown
    assert "44 days" not in shown


def test_the_asset_takes_the_window_of_rollout_yaml(thirty: Rollout) -> None:
    made = dg.materialize(
        [policy_odds(thirty)],
        resources={"store": object(), "clock": object()},
        run_config={"ops": {"policy_odds": {"config": {"leads_per_week": 900, "histories": 20}}}},
    )
    [shown] = [one.metadata["odds"].value for one in made.asset_materializations_for_node("policy_odds")]
    assert "31 days later" in str(shown)


def test_a_fall_is_seen_as_much_earlier_as_the_window_is_shorter(thirty: Rollout) -> None:
    rule = Rule("as configured", thirty.policy, thirty.evaluation)
    given = Assumptions(outcome_window_days=43, leads_per_week=10_000, histories=300)
    found = [
        float(np.median(convictions(watched(one, rule, HEALTHY, FALLEN), rule)["auc"]))
        for one in (given, replace(given, outcome_window_days=29))
    ]
    # A conviction comes on the first day of a week, so the difference may be off by one.
    assert found[0] - found[1] == pytest.approx(14, abs=7)


def test_v4_replay_refuses_a_policy_with_another_window(thirty: Rollout) -> None:
    said = "outcome_window_days 30; the other policy sets 43, which a replay cannot recompute. Set it to 30"
    found = CliRunner().invoke(cli, ["replay", "--policy", str(PROJECT / "rollout.yaml")])
    assert isinstance(found.exception, PolicyError)
    assert said in str(found.exception)


def test_training_and_cohorts_count_the_same_days(thirty: Rollout) -> None:
    window = thirty.outcome_window_days
    assert first_morning(thirty.catalogue, DAY, window).params["window_days"] == 30
    assert last_matured(DAY, window, thirty.evaluation) == DAY - timedelta(days=31)


def test_the_demo_names_the_window(thirty: Rollout) -> None:
    row = evidence(version="v4.1.0", question="rollback")
    assert "had a call within 30 days." in figures([row], "rollback", ["v4.1.0"], thirty.outcome_window_days)


def test_the_odds_are_not_computed_without_a_window() -> None:
    with pytest.raises(TypeError, match="outcome_window_days"):
        Assumptions()  # type: ignore[call-arg] # the missing window is the claim


def test_the_text_counts_from_the_window(thirty: Rollout) -> None:
    odds = simulate(
        Assumptions(outcome_window_days=60, histories=20), thirty.policy, thirty.evaluation, model_error=False
    )
    assert as_text(odds).count("61 days") == 2
