"""The firm's objects move aside, this project works in their place, and an undoing brings them back as they were."""

from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from v4_assets.cli.main import cli
from v4_assets.config.environment import load
from v4_assets.errors import ObstacleError, TakeoverError
from v4_assets.operations import local_runs, monthly, operator_actions
from v4_assets.project_files import PROJECT
from v4_assets.prospects.months import month_of
from v4_assets.resources import warehouse
from v4_assets.warehouse import preflight
from v4_assets.warehouse.duckdb.moving import DuckDBMoving
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures.firm_takeovers import DAY, NEXT, answers, ask, firms, move_in, objects, undo, v4
from v4_assets_tests.fixtures.firm_warehouse import environment

pytestmark = pytest.mark.extended


def test_taken_over_scored_promoted_undone_and_taken_over_again(home, settings):
    before, all_of_it = objects(settings), firms(settings)
    took = v4(home, "takeover", "--yes")
    assert took.exit_code == 0, took.exception
    assert v4(home, "init").output == "v4.0.0 is live.\n"
    for name in firm.DASHBOARDS:
        assert answers(settings, name), name
    for name in (firm.OLD_SCORES, firm.NEW_SCORES, firm.A_TABLE_FOR_A_VIEW):
        kept = ask(settings, f"SELECT * FROM ml_features.{name}_before_v4_20260112 ORDER BY ALL")
        assert kept == all_of_it[name]
    for day in (DAY, NEXT):
        outcome = local_runs.run_day(load(environment(home, day)), day)
        assert (outcome.success, outcome.errors) == (True, ())
    assert monthly.run_month(load(environment(home, NEXT)), month_of(NEXT)).success
    outcome = operator_actions.order(load(environment(home, NEXT)), "promotion", "v4.1.0", "It is better")
    assert outcome.success, outcome.errors
    scored = ask(settings, "SELECT COUNT(*), COUNT(DISTINCT prediction_date) FROM ml_features.v4_daily_scores_v41")
    assert scored[0][1] == 2

    undone = v4(home, "takeover", "--undo", day=NEXT)
    assert undone.exit_code == 0, undone.exception
    assert firms(settings) == all_of_it
    assert all(objects(settings)[name] == kind for name, kind in before.items())
    assert not [name for name in objects(settings) if "_before_v4_" in name]
    assert ask(
        settings,
        "SELECT COUNT(*), COUNT(DISTINCT prediction_date) FROM ml_features.v4_daily_scores_v41_of_v4_20260113",
    ) == scored  # fmt: skip
    for command in (("status",), ("init",), ("run", "--date", "today"), ("live",)):
        refused = v4(home, *command, day=NEXT).exception
        assert isinstance(refused, ObstacleError | TakeoverError), (command, refused)
    assert firms(settings) == all_of_it

    again = v4(home, "takeover", "--yes", day=NEXT)
    assert again.exit_code == 0, again.exception
    assert v4(home, "init", day=NEXT).output == "v4.1.0 is live.\n"
    counted = "SELECT COUNT(*), COUNT(DISTINCT prediction_date) FROM ml_features.v4_daily_scores_v41"
    assert ask(settings, counted) == scored
    assert not [name for name in objects(settings) if "_of_v4_" in name]


@pytest.mark.parametrize("copied", [False, True], ids=["renamed", "copied"])
def test_readers_are_answered_throughout_or_fail_only_between_two_named_steps(settings, copied):
    failing: dict[str, list[str]] = {name: [] for name in (*firm.IN_THE_WAY, *firm.DASHBOARDS)}

    def looked(step: str) -> None:
        for name, steps in failing.items():
            if not answers(settings, name):
                steps.append(step.partition(" to ")[0])

    move_in(settings, looked, copy=copied)
    moved = f"move ml_features.{firm.OLD_SCORES}"
    never = (firm.OLD_FEATURES, firm.NEW_FEATURES, firm.READS_A_VIEW, firm.READS_A_HELPER)
    assert {name: failing[name] for name in never} == {name: [] for name in never}
    assert failing[firm.OLD_SCORES] == failing[firm.READS_A_TABLE] == [moved]
    assert failing[firm.NEW_SCORES] == [f"move ml_features.{firm.NEW_SCORES}"]
    assert failing[firm.A_VIEW_FOR_A_TABLE] == [f"move ml_features.{firm.A_VIEW_FOR_A_TABLE}"]
    last = [f"move ml_features.{name}" for name in (firm.A_TABLE_FOR_A_VIEW, firm.PROSPECT_SCORES)]
    assert failing[firm.A_TABLE_FOR_A_VIEW][-2:] == last
    assert failing[firm.PROSPECT_SCORES][-1:] == last[1:]


def test_a_view_of_ours_carries_the_old_columns_where_that_is_asked_for(home):
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    for version in ("v4_production_features", "v4_production_features_v41"):
        line = f"    features_view: {version}\n"
        assert text.count(line) == 1
        text = text.replace(line, f"{line}    legacy_columns: true\n")
    (home / "rollout.yaml").write_text(text, encoding="utf-8")
    env = environment(home) | {"V4_ROLLOUT": str(home / "rollout.yaml")}
    settings = load(env)
    said = CliRunner().invoke(cli, ["takeover"], env=env, prog_name="v4").output
    assert "columns that ours does not have: lead_source_grouped\n" in said
    move_in(settings)
    local_runs.init(settings)
    asked = "SELECT firm_crd, firm_name, has_fintrx_match, feature_extraction_timestamp FROM ml_features."
    for view in (firm.OLD_FEATURES, firm.NEW_FEATURES):
        assert ask(settings, asked + view) == []
    local_runs.init(settings)
    assert preflight.examine(warehouse(settings), settings.rollout.catalogue).obstacles == ()


def test_a_table_with_an_index_is_copied_because_it_cannot_be_renamed(settings):
    all_of_it = firms(settings)
    ask(settings, "CREATE INDEX by_lead ON ml_features.v4_daily_scores (lead_id)")
    with pytest.raises(TakeoverError, match=r"v4_daily_scores cannot be renamed: .* Use --copy"):
        move_in(settings)
    undo(settings)
    assert firms(settings) == all_of_it
    move_in(settings, copy=True)
    undo(settings)
    assert firms(settings) == all_of_it


def test_a_copy_that_is_not_equal_keeps_the_original(settings):
    all_of_it = firms(settings)
    real = DuckDBMoving.copy

    def short(self: DuckDBMoving, table: Any, name: str) -> None:
        real(self, table, name)
        self._run(f"DELETE FROM ml_features.{name} WHERE lead_id = (SELECT MIN(lead_id) FROM ml_features.{name})")

    with patch.object(DuckDBMoving, "copy", short), pytest.raises(TakeoverError, match="is not equal to ml_features"):
        move_in(settings, copy=True)
    assert ask(settings, "SELECT * FROM ml_features.v4_daily_scores ORDER BY ALL") == all_of_it[firm.OLD_SCORES]
    # What stands under the dated name may as well be the firm's: a person decides about it.
    with pytest.raises(TakeoverError, match=r"both were left as they are.*drop or rename v4_daily_scores_before_v4"):
        move_in(settings)
    ask(settings, "DROP TABLE ml_features.v4_daily_scores_before_v4_20260112")
    move_in(settings)
    undo(settings)
    assert firms(settings) == all_of_it
