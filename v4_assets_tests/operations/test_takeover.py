"""A firm's own objects stand where ours belong: nothing is made over them, they move aside, and they come back."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.errors import ObstacleError, TakeoverError
from v4_assets.operations import local_runs, monthly, operator_actions
from v4_assets.operations.doctor import Verdict, foreign_objects
from v4_assets.operations.takeover.move_in import MoveIn
from v4_assets.operations.takeover.undo import Undo
from v4_assets.project_files import PROJECT
from v4_assets.prospects.months import month_of
from v4_assets.resources import store, warehouse
from v4_assets.tables import Table
from v4_assets.warehouse import preflight
from v4_assets.warehouse.duckdb.moving import DuckDBMoving
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import Expiration
from v4_assets_tests.chaos.aftermath import Aftermath, differences, left_behind
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures.firm_warehouse import environment
from v4_assets_tests.fixtures.homes import copy, prepared
from v4_assets_tests.fixtures.narrow import embedded

pytestmark = pytest.mark.extended

DAY, NEXT = firm.DAY, date(2026, 1, 13)
Rows = list[tuple[Any, ...]]


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The firm's warehouse, without us."""
    return copy(prepared("firm", firm.made), tmp_path / "home")


@pytest.fixture
def settings(home: Path) -> Settings:
    return load(environment(home))


def v4(home: Path, *arguments: str, day: date = DAY) -> Result:
    return CliRunner().invoke(cli, arguments, env=environment(home, day), prog_name="v4")


def ask(settings: Settings, text: str) -> Rows:
    with embedded(warehouse(settings, any_schema=True))._connection() as connection:
        return connection.execute(text).fetchall()


def objects(settings: Settings) -> dict[str, str]:
    """Every object of our dataset and its kind."""
    return dict(
        ask(
            settings,
            "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'ml_features'",
        )
    )


def firms(settings: Settings) -> dict[str, Any]:
    """Rows of every table of the firm's, texts of its views."""
    texts: dict[str, str] = dict(
        ask(settings, "SELECT view_name, sql FROM duckdb_views() WHERE schema_name = 'ml_features'")
    )
    named = (*firm.IN_THE_WAY, *firm.HELPERS, *firm.DASHBOARDS)
    return {
        name: texts[name] if name in texts else ask(settings, f"SELECT * FROM ml_features.{name} ORDER BY ALL")
        for name in named
    }


def answers(settings: Settings, name: str) -> bool:
    try:
        ask(settings, f"SELECT * FROM ml_features.{name} LIMIT 1")
    except duckdb.Error:
        return False
    return True


def move_in(settings: Settings, progress: Callable[[str], None] = lambda _: None, **how: bool) -> None:
    MoveIn(store(settings, any_schema=True), settings.rollout, settings.clock, "a person", progress).run(**how)


def undo(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> None:
    Undo(store(settings, any_schema=True), settings.rollout, settings.clock, "a person", progress).run()


# --- preflight --------------------------------------------------------------------------------------------------------


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


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_the_plan_says_what_moves_where_and_who_reads_it_and_changes_nothing(home, settings):
    before, all_of_it = objects(settings), firms(settings)
    said = v4(home, "takeover").output
    rows = len(all_of_it[firm.OLD_SCORES])
    for line in (
        "7 objects are moved aside:",
        f"table ml_features.v4_daily_scores is renamed to v4_daily_scores_before_v4_20260112 ({rows:,} rows)",
        "view ml_features.v4_production_features is made again as v4_production_features_before_v4_20260112, and its "
        "text is kept in v4_takeover",
        "read by ml_features.sales_dashboard",
        "read by ml_features.score_board",
        "columns that ours does not have: lead_source_grouped, firm_crd, firm_name, has_fintrx_match, "
        "feature_extraction_timestamp",
        "columns that ours does not have: tenure_months, tenure_bucket",
        "ml_features.v4_prospect_features is a table of 2 columns",
        "`v4 takeover --yes`",
    ):
        assert line in said, said
    assert (objects(settings), firms(settings)) == (before, all_of_it)
    plan = json.loads(v4(home, "takeover", "--json").output)
    assert [one["place"]["name"] for one in plan["moves"]] == sorted(
        firm.IN_THE_WAY, key=[one["place"]["name"] for one in plan["moves"]].index
    )
    assert len(plan["moves"]) == 7


def test_a_dated_name_that_is_taken_gets_a_number(home, settings):
    ask(settings, "CREATE TABLE ml_features.v4_daily_scores_before_v4_20260112 AS SELECT 1 AS n")
    assert "is renamed to v4_daily_scores_before_v4_20260112_2 (" in v4(home, "takeover").output


def test_where_nothing_is_in_the_way_there_is_nothing_to_do(tmp_path):
    result = v4(tmp_path, "takeover", "--yes")
    assert result.output.startswith("Nothing of others stands where this project's tables and views belong.")
    assert result.exit_code == 0
    refused = v4(tmp_path, "takeover", "--undo").exception
    assert isinstance(refused, TakeoverError)


# --- the whole way ----------------------------------------------------------------------------------------------------


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


# --- what a firm's warehouse may hold beside --------------------------------------------------------------------------


def stopping(at: str) -> Callable[[str], None]:
    """Ends the process after a step."""

    def stop(step: str) -> None:
        if step == at:
            raise Crash

    return stop


def descriptions(settings: Settings) -> Rows:
    return ask(
        settings,
        "SELECT lower(table_name), comment FROM duckdb_tables() WHERE schema_name = 'ml_features' "
        "AND comment NOT LIKE '%managed_by%' UNION ALL SELECT lower(view_name), comment FROM duckdb_views() "
        "WHERE schema_name = 'ml_features' AND comment NOT LIKE '%managed_by%' ORDER BY ALL",
    )


def test_views_on_moved_tables_and_on_each_other_come_back_whatever_their_order(home, settings):
    reader = '"Sales ""Q1"" board; x"'
    for statement in (
        f"DROP TABLE ml_features.{firm.NEW_SCORES}",
        # Our own columns in another order and case, under the name in another case.
        'CREATE TABLE ml_features."V4_Daily_Scores_V41" (MODEL_VERSION VARCHAR, Score DOUBLE NOT NULL, lead_id TEXT)',
        "INSERT INTO ml_features.v4_daily_scores_v41 VALUES ('v4.1.0', 0.5, '00Q')",
        "COMMENT ON TABLE ml_features.v4_daily_scores_v41 IS 'the firm''s own'",
        f"CREATE OR REPLACE VIEW ml_features.{firm.NEW_FEATURES} AS SELECT * FROM ml_features.{firm.OLD_SCORES}",
        f"CREATE OR REPLACE VIEW ml_features.{firm.OLD_FEATURES} AS SELECT lead_id, model_version, prediction_date "
        f"FROM ml_features.{firm.NEW_FEATURES}",
        f"COMMENT ON VIEW ml_features.{firm.OLD_FEATURES} IS 'the dashboards'' view'",
        f"CREATE VIEW ml_features.{reader} AS SELECT model_version FROM ml_features.{firm.OLD_FEATURES.upper()}",
    ):
        ask(settings, statement)
    all_of_it, described = firms(settings), descriptions(settings)
    said = v4(home, "takeover").output
    for name, readers in (
        (firm.OLD_SCORES, f"ml_features.score_board, ml_features.{firm.NEW_FEATURES}"),
        (firm.NEW_FEATURES, f"ml_features.{firm.OLD_FEATURES}"),
        (firm.OLD_FEATURES, 'ml_features.Sales "Q1" board; x, ml_features.sales_dashboard'),
    ):
        _, _, after = said.partition(f" ml_features.{name} is ")
        assert f"    read by {readers}\n" in after[:400], said
    for name in (firm.OLD_SCORES, firm.NEW_SCORES):
        with pytest.raises(Crash):
            move_in(settings, stopping(f"move ml_features.{name} to {name}_before_v4_20260112"))
    move_in(settings)
    local_runs.init(settings)
    undo(settings)
    assert firms(settings) == all_of_it
    assert descriptions(settings) == described
    assert answers(settings, reader)


def test_a_view_whose_query_fails_hinders_the_takeover_before_anything_is_recorded(home, settings):
    ask(settings, "DROP TABLE ml_features.recent_movers")
    before = objects(settings)
    refused = v4(home, "takeover", "--yes").exception
    assert isinstance(refused, TakeoverError)
    assert str(refused).startswith(
        f"Nothing was moved: ml_features.{firm.NEW_FEATURES}: its query fails (Catalog Error"
    )
    assert "repair or drop the view" in str(refused)
    assert objects(settings) == before
    ask(settings, f"DROP VIEW ml_features.{firm.NEW_FEATURES}")
    move_in(settings)
    ask(settings, "ALTER TABLE SavvyGTMData.Lead RENAME TO Leads")
    with pytest.raises(TakeoverError, match=r"v4_lead_outcomes cannot be made again: .* Bring back what it reads"):
        undo(settings)
    ask(settings, "ALTER TABLE SavvyGTMData.Leads RENAME TO Lead")
    undo(settings)
    assert all(objects(settings)[name] == before[name] for name in before if name != firm.NEW_FEATURES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "CREATE TABLE ml_features.v4_lift_comparison AS SELECT 1 AS n",
            "Came after this takeover was begun: ml_features.v4_lift_comparison is a table of 1 columns (n INTEGER)",
        ),
        (
            f"CREATE OR REPLACE VIEW ml_features.{firm.A_VIEW_FOR_A_TABLE} AS SELECT Id AS lead_id "
            "FROM SavvyGTMData.Lead WHERE Email IS NOT NULL",
            f"{firm.A_VIEW_FOR_A_TABLE}_before_v4_20260112 is not equal to ml_features.{firm.A_VIEW_FOR_A_TABLE}",
        ),
        (
            f"CREATE TABLE ml_features.{firm.OLD_SCORES}_before_v4_20260112 AS SELECT 1 AS n",
            f"ml_features.{firm.OLD_SCORES} was left as it is: {firm.OLD_SCORES}_before_v4_20260112 is there already",
        ),
        (
            f"CREATE TABLE ml_features.{firm.OLD_SCORES}_before_v4_20260112 AS FROM ml_features.{firm.OLD_SCORES}",
            f"ml_features.{firm.OLD_SCORES} was left as it is: {firm.OLD_SCORES}_before_v4_20260112 is there already",
        ),
    ],
    ids=["an-object-more", "another-text", "the-dated-name-taken", "the-dated-name-taken-by-an-equal-backup"],
)
def test_what_changed_after_the_plan_was_recorded_stops_it_and_an_undoing_leaves_what_is_there(
    home, settings, change, said
):
    with pytest.raises(Crash):
        move_in(settings, stopping("make the tables whose names are free"))
    ask(settings, "DROP TABLE ml_features.v4_lift_comparison")
    ask(settings, change)
    all_of_it = firms(settings)
    refused = v4(home, "takeover", "--yes").exception
    assert isinstance(refused, TakeoverError)
    assert said in str(refused)
    assert (
        "Run `v4 takeover --undo`, which moves everything back, then `v4 takeover --yes`, which makes a new plan"
        in str(refused)
    )
    kept = f"{firm.OLD_SCORES}_before_v4_20260112"
    backup_stands = kept in objects(settings)
    undo(settings)
    assert firms(settings) == all_of_it
    assert (kept in objects(settings)) == backup_stands


def test_an_expiration_that_has_passed_is_not_set_back_for_it_would_delete_the_object(home, settings, monkeypatch):
    passed, ahead = (Expiration(datetime(2026, month, 20, tzinfo=UTC), 30.0) for month in (1, 3))
    given: dict[str, Expiration] = {}

    def set_back(_: DuckDBMoving, place: Table, kind: str, wanted: Expiration) -> None:
        given[place.name] = wanted

    of = {firm.OLD_SCORES: passed, firm.OLD_FEATURES: passed, firm.NEW_SCORES: ahead, firm.NEW_FEATURES: ahead}
    monkeypatch.setattr(DuckDBMoving, "expiration", lambda _, place: of.get(place.name, Expiration()))
    move_in(settings)
    monkeypatch.setattr(DuckDBMoving, "set_expiration", set_back)
    undone = v4(home, "takeover", "--undo", day=date(2026, 2, 1))
    never = Expiration(None, 30.0)
    assert {name: given[name] for name in of} == {name: never if one is passed else one for name, one in of.items()}
    assert f"ml_features.{firm.OLD_SCORES} would have expired on 2026-01-20: it came back without" in undone.output
    assert f"ml_features.{firm.NEW_SCORES} would have expired" not in undone.output


def test_a_table_at_the_name_of_the_schema_record_is_moved_like_any_other(home, settings):
    ask(settings, "CREATE TABLE ml_features.v4_schema AS SELECT 7 AS n")
    took = v4(home, "takeover", "--yes")
    assert took.exit_code == 0, took.exception
    assert v4(home, "init").output == "v4.0.0 is live.\n"
    undone = v4(home, "takeover", "--undo")
    assert undone.exit_code == 0, undone.exception
    assert ask(settings, "FROM ml_features.v4_schema") == [(7,)]


def test_an_old_job_that_replaced_our_table_is_taken_over_again_and_all_of_it_is_undone_at_once(home, settings):
    all_of_it = firms(settings)
    move_in(settings)
    local_runs.init(settings)
    ask(settings, f"CREATE OR REPLACE TABLE ml_features.{firm.OLD_SCORES} AS SELECT 'new' AS lead_id")
    assert "1 object that this project did not make" in str(v4(home, "init").exception)
    again = v4(home, "takeover", "--yes")
    assert again.exit_code == 0, again.exception
    assert v4(home, "init").output == "v4.0.0 is live.\n"
    undone = v4(home, "takeover", "--undo")
    kept = f"{firm.OLD_SCORES}_before_v4_20260112"
    assert f"ml_features.{kept} stays: another object was made under the name {firm.OLD_SCORES}" in undone.output
    assert firms(settings) == all_of_it | {firm.OLD_SCORES: [("new",)]}
    assert ask(settings, f"SELECT * FROM ml_features.{kept} ORDER BY ALL") == all_of_it[firm.OLD_SCORES]
    assert isinstance(v4(home, "takeover", "--undo").exception, TakeoverError)


# --- crashes ----------------------------------------------------------------------------------------------------------


@contextmanager
def kept_before_every_statement(home: Path, folder: Path) -> Iterator[list[Path]]:
    """Homes as a kill before each statement that changes something would leave them, whatever step it belongs to."""
    left: list[Path] = []

    def keeping(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **how: Any) -> Any:
            left.append(copy(home, folder / str(len(left))))
            return real(*args, **how)

        return call

    changing: list[tuple[type, str]] = [(DuckDBMoving, name) for name in ("rename", "copy", "drop", "put_view")]
    changing += [(DuckDBWarehouse, name) for name in ("create", "transact")]
    with pytest.MonkeyPatch.context() as patched:
        for owner, name in changing:
            patched.setattr(owner, name, keeping(getattr(owner, name)))
        yield left


def everything(settings: Settings) -> Aftermath:
    """All of the dataset: every row, and how each table and view was made and described."""
    made = ask(
        settings,
        "SELECT table_name, sql, comment FROM duckdb_tables() WHERE schema_name = 'ml_features' UNION ALL "
        "SELECT view_name, sql, comment FROM duckdb_views() WHERE schema_name = 'ml_features' ORDER BY ALL",
    )
    described = [{"name": name, "sql": text, "comment": comment} for name, text, comment in made]
    return left_behind(settings.home, None) | {"described": described}


@pytest.mark.parametrize("copied", [False, True], ids=["renamed", "copied"])
def test_a_crash_before_any_statement_is_closed_by_the_next_call_on_the_way_in_and_on_the_way_back(
    home, tmp_path, copied
):
    settings = load(environment(home))
    all_of_it = firms(settings)
    with kept_before_every_statement(home, tmp_path / "in") as left:
        move_in(settings, copy=copied)
    assert len(left) > 12
    assert preflight.examine(warehouse(settings), settings.rollout.catalogue).obstacles == ()
    moved_in = everything(settings)
    for after, there in enumerate(map(load, map(environment, left))):
        with warehouse(there, any_schema=True).session():
            move_in(there, copy=copied)
            for name in (*firm.IN_THE_WAY, *firm.DASHBOARDS):
                assert answers(there, name), (after, name)
        assert differences(everything(there), moved_in) == [], after
    with kept_before_every_statement(home, tmp_path / "back") as left:
        undo(settings)
    assert len(left) > 12
    assert firms(settings) == all_of_it
    moved_back = everything(settings)
    for after, there in enumerate(map(load, map(environment, left))):
        with warehouse(there, any_schema=True).session():
            undo(there)
        assert differences(everything(there), moved_back) == [], after
    move_in(settings)
    local_runs.init(settings)


def killed(env: dict[str, str], step: int) -> None:
    """A takeover that is killed after a step."""
    done: list[str] = []

    def fatal(name: str) -> None:
        done.append(name)
        if len(done) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    move_in(load(env), fatal)


def test_a_takeover_that_is_killed_after_every_one_of_its_steps_ends_like_one_that_was_not(home, processes):
    all_of_it, settings = firms(load(environment(home))), load(environment(home))
    step = 0
    codes: list[int | None] = []
    while not codes or codes[-1] != 0:
        step += 1
        process = processes.Process(target=killed, args=(environment(home), step))
        process.start()
        process.join(120)
        codes.append(process.exitcode)
        assert step < 60
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) > 12
    local_runs.init(settings)
    assert store(settings).live() == "v4.0.0"
    undo(settings)
    assert firms(settings) == all_of_it


def test_a_half_done_takeover_stops_every_other_command_until_it_is_finished_or_undone(home, settings):
    all_of_it = firms(settings)

    with pytest.raises(Crash):
        move_in(settings, stopping("make v4_daily_scores"))
    assert "A takeover was begun and is not finished" in v4(home, "takeover").output
    for command in (("status",), ("run", "--date", "today"), ("live",)):
        refused = v4(home, *command).exception
        assert isinstance(refused, TakeoverError)
        assert "`v4 takeover --yes` finishes it" in str(refused)
    undo(settings)
    assert firms(settings) == all_of_it
