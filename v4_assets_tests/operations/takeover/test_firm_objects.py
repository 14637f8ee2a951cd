"""Whatever else the firm's warehouse holds or does meanwhile is kept: views on views, expirations, changed objects."""

from datetime import UTC, date, datetime

import pytest

from v4_assets.config.environment import Settings
from v4_assets.errors import TakeoverError
from v4_assets.operations import local_runs
from v4_assets.tables import Table
from v4_assets.warehouse.duckdb.moving import DuckDBMoving
from v4_assets.warehouse.protocol import Expiration
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures.firm_takeovers import (
    Crash,
    Rows,
    answers,
    ask,
    firms,
    move_in,
    objects,
    stopping,
    undo,
    v4,
)

pytestmark = pytest.mark.extended


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
