"""The plan says what moves where and who reads it, and changes nothing."""

import json

import pytest

from v4_assets.errors import TakeoverError
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures.firm_takeovers import ask, firms, objects, v4

pytestmark = pytest.mark.extended


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
