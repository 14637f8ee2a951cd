"""Everything that stands where ours belongs is named at once, and nothing is made over it."""

import json

import duckdb
import pytest

from v4_assets.config.environment import load
from v4_assets.errors import ObstacleError
from v4_assets.operations import local_runs
from v4_assets.operations.doctor import Verdict, foreign_objects
from v4_assets.resources import store, warehouse
from v4_assets.warehouse import preflight
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures.firm_takeovers import ask, move_in, objects, undo, v4
from v4_assets_tests.fixtures.firm_warehouse import environment

pytestmark = pytest.mark.extended


def test_init_names_everything_in_the_way_at_once_and_makes_nothing(home, settings):
    before = objects(settings)
    refused = v4(home, "init").exception
    assert isinstance(refused, ObstacleError)
    said = str(refused)
    assert said.startswith("7 objects that this project did not make stand where its own belong, and nothing was made:")
    for name in firm.IN_THE_WAY:
        kind = objects(settings)[name].replace("BASE TABLE", "table").lower()
        assert f"ml_features.{name} is a {kind} of " in said
    assert "`v4 takeover` shows how they are moved aside" in said
    assert objects(settings) == before


def test_the_monthly_tables_and_a_routine_are_noted_and_stay(settings):
    found = preflight.examine(warehouse(settings, any_schema=True), settings.rollout.catalogue)
    notes = " ".join(found.notes)
    for name in firm.MONTHLY:
        assert f"ml_features.{name} is a table of 2 columns" in notes
    assert "ml_features.v4_daily_scores(n) is a routine: it stays" in notes
    assert not {one.place.name for one in found.standing} & set(firm.MONTHLY)


def test_doctor_fails_with_the_same_objects(settings):
    probe = foreign_objects.probes(settings)["names free"]()
    assert probe.verdict is Verdict.FAIL
    assert all(f"ml_features.{name} is a " in probe.found for name in firm.IN_THE_WAY)


@pytest.mark.parametrize("spelt", ["V4_DAILY_SCORES", "v4_Schema", "v4_takeover", "v4_deployments"])
def test_a_table_in_another_case_or_at_the_name_of_a_record_is_in_the_way(tmp_path, spelt):
    settings = load(environment(tmp_path))
    ask(settings, "CREATE SCHEMA ml_features")
    ask(settings, f"CREATE TABLE ml_features.{spelt} AS SELECT 1 AS n")
    with pytest.raises(ObstacleError, match=f"1 object .* ml_features.{spelt.lower()} is a table of 1 columns"):
        local_runs.init(settings)
    assert objects(settings) == {spelt: "BASE TABLE"}


def test_a_second_init_of_our_own_is_harmless(tmp_path):
    settings = load(environment(tmp_path))
    local_runs.init(settings)
    before = objects(settings)
    local_runs.init(settings)
    assert objects(settings) == before
    found = preflight.examine(warehouse(settings), settings.rollout.catalogue)
    assert (found.obstacles, len(found.standing)) == ((), len(before))


def test_tables_made_by_the_rendered_scripts_are_ours(tmp_path):
    settings = load(environment(tmp_path))
    for name in ("tables", "views"):
        ask(settings, v4(tmp_path, "sql", "render", "--script", name).output)
    local_runs.init(settings)
    assert store(settings).live() == "v4.0.0"


def test_names_are_compared_without_case_in_every_answer(tmp_path):
    settings = load(environment(tmp_path))
    for name in ("SavvyGTMData", "FinTrx_data_CA"):
        ask(settings, f"CREATE SCHEMA {name}")
    ask(settings, 'CREATE SCHEMA "ML_Features"')
    ask(settings, 'CREATE TABLE "ML_Features"."V4_Daily_Scores" AS SELECT 1 AS lead_id')
    ask(settings, 'CREATE VIEW "ML_Features".board AS SELECT lead_id FROM ml_features.v4_daily_scores')
    with pytest.raises(duckdb.Error, match=r"Objects of others stand where ours belong: V4_Daily_Scores"):
        ask(settings, v4(tmp_path, "sql", "render", "--script", "tables").output)
    assert "    read by ml_features.board\n" in v4(tmp_path, "takeover").output
    move_in(settings)
    assert [one["where"] for one in json.loads(v4(tmp_path, "references", "--json").output)["readers"]] == [
        "ml_features.board"
    ]
    undo(settings)
    assert ask(settings, "SELECT lead_id FROM ml_features.board") == [(1,)]


def test_a_rendered_script_fails_where_an_object_of_others_stands(home, settings):
    before = objects(settings)
    for name in ("tables", "views", "production_scoring_v41"):
        text = v4(home, "sql", "render", "--script", name).output
        guarded = text[: text.index("-- v4_", text.index("CREATE SCHEMA"))]
        with pytest.raises(duckdb.Error, match=r"Objects of others stand where ours belong: .*v4_"):
            ask(settings, guarded)
    assert objects(settings) == before
