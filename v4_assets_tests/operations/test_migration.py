"""Hand-run rows differ from ours for known reasons, and the report counts exactly those."""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from salesforce_stand_in import SeedLead, StandInOrg
from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.errors import RowsMissingError, SettingsError
from v4_assets.models.contract import Feature
from v4_assets.models.expected_features import cells
from v4_assets.operations import local_runs
from v4_assets.operations.migration.reasons import (
    FIRM_WITHOUT_ID,
    NULL_AGAINST_UNKNOWN,
    NULL_AGAINST_ZERO,
    OTHER_ADVISOR,
    UNEXPLAINED,
    Departures,
    Facts,
    frozen,
    reasons,
)
from v4_assets.operations.migration.scores import Served, compare, served
from v4_assets.resources import warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.homes import copy, prepared
from v4_assets_tests.fixtures.narrow import embedded

sparing.spared()

DAY = date(2026, 1, 11)
TODAY = date(2026, 1, 12)
FROZEN_ON = date(2025, 10, 31)
WORLD = WorldSpec(scale=0.01, leads_per_week=30, seed=5, first_contact=date(2025, 9, 1), through=date(2026, 1, 18))


def environment(home: Path) -> dict[str, str]:
    return {"V4_HOME": str(home), "V4_NOW": f"{TODAY}T06:30"}


def made(home: Path) -> None:
    settings = load(environment(home))
    fill(warehouse(settings, any_schema=True), settings.rollout.catalogue, build(WORLD))
    with embedded(warehouse(settings, any_schema=True))._connection() as connection:
        connection.execute("CREATE SCHEMA ml_features")
        firm.build(connection.execute, firm.for_duckdb)
        # A registration with a start but no company id, for leads without employment: a firm to the hand-run system.
        connection.execute(
            "UPDATE FinTrx_data_CA.ria_contacts_current SET LATEST_REGISTERED_EMPLOYMENT_COMPANY_CRD_ID = NULL"
        )
    assert v4(home, "takeover", "--yes").exit_code == 0
    local_runs.init(settings, adopting=False)
    assert local_runs.run_day(settings, DAY).success


@pytest.fixture(scope="module")
def whole() -> Path:
    return prepared("migration", made)


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    """The firm's warehouse, taken over, with a day of ours and nothing adopted."""
    return copy(whole, tmp_path / "home")


def v4(home: Path, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(cli, arguments, env={**environment(home), **env}, prog_name="v4")


def ask(home: Path, text: str) -> list[tuple[Any, ...]]:
    settings: Settings = load(environment(home))
    with embedded(warehouse(settings, any_schema=True))._connection() as connection:
        return connection.execute(text).fetchall()


def report(home: Path, *arguments: str, **env: str) -> dict[str, Any]:
    done = v4(home, "migration", "--json", *arguments, **env)
    assert done.exception is None, done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


HAND_RUN = f"""
CREATE TABLE ml_features.hand_run AS
WITH numbered AS (
  SELECT features.*, ROW_NUMBER() OVER (ORDER BY lead_id) AS number
  FROM ml_features.v4_features_v41 AS features
  WHERE prediction_date = DATE '{DAY}'
), frozen AS (
  SELECT departed_firm_crd AS firm_crd, COUNT(*) AS departures
  FROM ml_features.v4_inferred_departures
  WHERE prediction_date = DATE '{DAY}' AND departed_on <= DATE '{FROZEN_ON}'
  GROUP BY departed_firm_crd
)
SELECT
  numbered.lead_id AS Lead_Id, numbered.prediction_date, numbered.advisor_crd, 'v4.1.0' AS model_version,
  numbered.* EXCLUDE (lead_id, prediction_date, advisor_crd, number, tie_break, retrospective)
    REPLACE (
      NULLIF(firm_rep_count_at_contact, 0) AS firm_rep_count_at_contact,
      NULLIF(days_since_last_move, 9999) + 3 AS days_since_last_move,
      ROUND(experience_years, 1) AS experience_years,
      COALESCE(frozen.departures, 0) AS firm_departures_corrected,
      CASE WHEN number % 10 = 0 THEN 1 - has_email ELSE has_email END AS has_email,
      CASE WHEN firms.firm_crd IS NULL AND firms.firm_started_on IS NOT NULL THEN 1 ELSE has_firm_data END
        AS has_firm_data
    )
FROM numbered
LEFT JOIN ml_features.v4_advisor_firms AS firms
  ON firms.prediction_date = DATE '{DAY}' AND firms.advisor_crd = numbered.advisor_crd
LEFT JOIN frozen ON frozen.firm_crd = firms.firm_crd
"""
"""A hand-run table of the day: ours, with six mistakes of the real one."""


def differing(found: dict[str, Any], feature: str) -> dict[str, Any]:
    [section] = found["sections"]
    [line] = [one for one in section["features"]["differing"] if one["feature"] == feature]
    assert sum(line["reasons"].values()) == line["differing"]
    return dict(line)


@pytest.mark.extended
def test_each_mistake_of_the_hand_run_table_is_counted_with_its_reason(home: Path) -> None:
    ask(home, HAND_RUN)
    found = report(home, "--version", "v4.1.0", "--features", "ml_features.hand_run")
    both = "FROM ml_features.hand_run AS a JOIN ml_features.v4_features_v41 AS b USING (lead_id, prediction_date)"

    def cells_of(feature: str) -> int:
        [(count,)] = ask(home, f"SELECT COUNT(*) {both} WHERE a.{feature} IS DISTINCT FROM b.{feature}")
        return int(count)

    rep_count = differing(found, "firm_rep_count_at_contact")
    assert rep_count["reasons"] == {NULL_AGAINST_ZERO: cells_of("firm_rep_count_at_contact")}
    moved = differing(found, "days_since_last_move")
    [(known,)] = ask(home, f"SELECT COUNT(*) {both} WHERE b.days_since_last_move <> 9999")
    unknown = cells_of("days_since_last_move") - known
    assert moved["reasons"] == {"each differs by +3": known, NULL_AGAINST_UNKNOWN: unknown}
    assert unknown > 10
    assert differing(found, "experience_years")["reasons"] == {"rounded to 1 decimals": cells_of("experience_years")}
    departures = differing(found, "firm_departures_corrected")
    [reason] = departures["reasons"]
    stated = re.fullmatch(r"departures are frozen: none after (\S+) is counted", reason)
    assert stated is not None
    assert FROZEN_ON - timedelta(days=10) < date.fromisoformat(stated[1]) <= FROZEN_ON
    assert departures["differing"] == cells_of("firm_departures_corrected") > 10
    assert differing(found, "has_email")["reasons"] == {UNEXPLAINED: cells_of("has_email")}
    firms = differing(found, "has_firm_data")
    assert firms["reasons"] == {FIRM_WITHOUT_ID: cells_of("has_firm_data")}
    assert firms["differing"] > 0
    [section] = found["sections"]
    assert len(section["features"]["differing"]) == 6
    assert len(section["features"]["alike"]) == 16
    assert section["features_from"] == "ml_features.hand_run"


@pytest.mark.extended
def test_hand_run_tables_are_found_where_the_takeover_keeps_them_before_anything_is_adopted(home: Path) -> None:
    done = v4(home, "migration", "--date", str(DAY))
    assert done.exception is None
    written = home / "reports" / "migration.md"
    text = written.read_text(encoding="utf-8")
    assert written.stat().st_mode & 0o077 == 0
    assert "Features of ml_features.v4_daily_scores_before_v4_20260112: " in text
    for version in ("v4.0.0", "v4.1.0"):
        assert f"## {version}, {DAY}" in text
        assert f"{version} on {DAY}: " in done.output
    assert "No such column there: " in text
    assert "Not compared: no hand-run scores of v4.0.0 were found: name their table with --scores." in text
    assert "Not compared: V4_SALESFORCE is dry-run." in text
    assert ask(home, "SELECT COUNT(*) FROM ml_features.v4_production") == [(0,)]


SCORES = f"""
CREATE OR REPLACE TABLE ml_features.v4_lead_scores_v41 AS
SELECT LEFT(lead_id, 15) AS lead_id, CAST(1 - score AS DECIMAL(18, 6)) AS v4_score,
  100 - percentile AS v4_percentile, percentile > 80 AS v4_deprioritize
FROM ml_features.v4_daily_scores_v41
WHERE prediction_date = DATE '{DAY}'
"""
"""Scores of the hand-run system: upside down, with percentiles 0 to 99 and ids of 15 characters."""


@pytest.mark.extended
def test_reversed_scores_have_a_rank_correlation_of_minus_one_and_move_every_lead_they_should(home: Path) -> None:
    ask(home, SCORES)
    ask(home, HAND_RUN)
    found = report(home, "--version", "v4.1.0", "--features", "hand_run")
    [section] = found["sections"]
    scores = section["scores"]
    assert section["scores_from"] == "ml_features.v4_lead_scores_v41, whose rows name no day"
    assert scores["rank_correlation"] == pytest.approx(-1.0)
    leads = ask(home, "SELECT percentile FROM ml_features.v4_daily_scores_v41")
    ours = np.array([percentile for (percentile,) in leads])
    theirs = 100 - ours + 1
    steps = np.abs(np.ceil(ours / 10) - np.ceil(theirs / 10))
    assert scores["leads"] == len(ours)
    assert scores["moved"] == [
        int((steps == 0).sum()),
        int((steps == 1).sum()),
        int((steps == 2).sum()),
        int((steps > 2).sum()),
    ]
    assert scores["calls_stop"] == int((ours <= 20).sum())
    assert scores["calls_begin"] == int((ours > 80).sum())
    assert scores["leaves_top"] == int((theirs > 90).sum())
    assert scores["enters_top"] == int((ours > 90).sum())


@pytest.mark.parametrize(
    ("named", "version"),
    [
        pytest.param("v4.0.0", "v4.0.0", id="the baseline's"),
        pytest.param("v4.1.0", "v4.1.0", id="the candidate's"),
        pytest.param("hand-run", "v4.0.0", id="a version that is none of ours"),
        pytest.param(None, "v4.0.0", id="no version"),
    ],
)
def test_the_org_is_compared_with_the_version_its_values_name(home: Path, named: str | None, version: str) -> None:
    key = {"v4.0.0": "v4_daily_scores", "v4.1.0": "v4_daily_scores_v41"}[version]
    rows = ask(home, f"SELECT lead_id, score, percentile, deprioritize FROM ml_features.{key} ORDER BY percentile")
    moved, left_out = 7, 3
    seeds: list[str | SeedLead] = []
    for at, (lead, score, percentile, flag) in enumerate(rows):
        if at >= len(rows) - left_out:
            seeds.append(lead)
            continue
        values = {"V4_Score__c": round(score, 2), "V4_Score_Percentile__c": percentile, "V4_Deprioritize__c": flag}
        # The lowest leads of ours, called by the hand-run scores from the middle of the list.
        changed = {"V4_Score_Percentile__c": 55, "V4_Deprioritize__c": False} if at < moved else {}
        seeds.append(SeedLead(lead, values | {"V4_Model_Version__c": named} | changed))
    with StandInOrg(home / "org", seeds) as org:
        found = report(home, "--version", version, "--date", str(DAY), V4_SALESFORCE="local")
        assert org.updates() == {}
        assert org.requests["create"] == 0
    [section] = found["org"]["sections"]
    scores = section["scores"]
    assert (section["version"], section["leads"]) == (version, len(rows) - left_out)
    assert found["org"]["versions"] == [[named or "", len(rows) - left_out]]
    assert (scores["leads"], scores["only_ours"]) == (len(rows) - left_out, left_out)
    assert (scores["calls_stop"], scores["calls_begin"]) == (moved, 0)
    assert scores["moved"] == [len(rows) - left_out - moved, 0, 0, moved]
    assert scores["equal"] == scores["leads"]
    assert scores["rank_correlation"] > 0.99


def test_values_of_a_version_that_is_not_compared_are_counted_and_compared_with_none(home: Path) -> None:
    [(lead,)] = ask(home, "SELECT MIN(lead_id) FROM ml_features.v4_daily_scores")
    [(others,)] = ask(home, f"SELECT list(lead_id) FROM ml_features.v4_daily_scores WHERE lead_id <> '{lead}'")
    values = {"V4_Score__c": 0.5, "V4_Score_Percentile__c": 50, "V4_Deprioritize__c": False}
    with StandInOrg(home / "org", [SeedLead(lead, values | {"V4_Model_Version__c": "v4.1.0"}), *others]):
        found = report(home, "--version", "v4.0.0", "--date", str(DAY), V4_SALESFORCE="local")
    assert found["org"]["versions"] == [["v4.1.0", 1]]
    assert found["org"]["sections"] == []
    assert found["org"]["skipped"] == "no lead carries a score of a version that is compared"


def test_an_org_that_cannot_be_read_leaves_the_rest_of_the_report(home: Path) -> None:
    found = report(home, "--version", "v4.0.0", "--date", str(DAY), V4_SALESFORCE="local")
    assert len(found["sections"]) == 1
    assert found["org"]["skipped"].startswith("it could not be read: ")
    brief = v4(home, "migration", "--date", str(DAY), V4_SALESFORCE="local").output
    assert ("The org is not compared: it could not be read: " in brief, ".." in brief) == (True, False)
    [page] = home.glob("**/migration.md")
    text = page.read_text(encoding="utf-8")
    assert ("Not compared: it could not be read: " in text, ".." in text) == (True, False)


def test_without_anything_hand_run_the_report_says_what_was_sought(home: Path) -> None:
    for name in ("v4_daily_scores", "v4_daily_scores_v41", "v4_production_features", "v4_production_features_v41"):
        kind = "TABLE" if "scores" in name else "VIEW"
        ask(home, f"DROP {kind} ml_features.{name}_before_v4_20260112 CASCADE")
    done = v4(home, "migration")
    assert done.exit_code == 0
    for version in ("v4.0.0", "v4.1.0"):
        assert f"No hand-run features of {version} stand, or are kept, as v4_daily_scores" in done.output


def test_a_day_that_only_they_have_names_the_command_that_makes_ours(home: Path) -> None:
    refused = v4(home, "migration", "--date", "2026-01-10").exception
    assert isinstance(refused, RowsMissingError)
    assert "There are no rows of 2026-01-10 to compare in ml_features.v4_daily_scores_before_v4_20260112" in str(
        refused
    )
    ask(
        home,
        "CREATE TABLE ml_features.hand_run AS SELECT 'a' AS lead_id, DATE '2026-01-05' AS prediction_date, 1 AS n",
    )
    refused = v4(home, "migration", "--version", "v4.1.0", "--features", "hand_run").exception
    assert isinstance(refused, RowsMissingError)
    assert "`v4 backfill --from 2026-01-05 --to 2026-01-05` makes them" in str(refused)
    ask(
        home,
        "INSERT INTO ml_features.v4_partition_writes (table_name, prediction_date, sequence, row_count, pruned_at) "
        "VALUES ('v4_features_v41', DATE '2026-01-05', 1, 10, TIMESTAMP '2026-02-01 12:00:00+00')",
    )
    refused = v4(home, "migration", "--version", "v4.1.0", "--features", "hand_run").exception
    assert "has rows of 2026-01-05, whose features here `v4 prune` removed on 2026-02-01" in str(refused)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(("--version", "v9.9.9"), "'v9.9.9' is not among the versions", id="another version"),
        pytest.param(
            ("--version", "v4.1.0", "--features", "gone"), "There is no table or view ml_features.gone", id="no table"
        ),
        pytest.param(
            ("--version", "v4.1.0", "--features", "ml_features.recent_movers"),
            "ml_features.recent_movers has no column lead_id",
            id="a table of something else",
        ),
        pytest.param(
            ("--version", "v4.1.0", "--scores", "gone"),
            "There is no table or view ml_features.gone",
            id="no table of scores",
        ),
    ],
)
def test_a_wrong_name_is_refused_in_a_sentence(home: Path, arguments: tuple[str, ...], sentence: str) -> None:
    refused = v4(home, "migration", *arguments).exception
    assert isinstance(refused, SettingsError)
    assert sentence in str(refused)


def test_leads_that_the_hand_run_table_holds_several_times_are_left_out_and_counted(home: Path) -> None:
    ask(home, HAND_RUN)
    ask(home, "INSERT INTO ml_features.hand_run SELECT * FROM ml_features.hand_run ORDER BY Lead_Id LIMIT 7")
    ask(home, "DELETE FROM ml_features.hand_run WHERE Lead_Id = (SELECT MAX(Lead_Id) FROM ml_features.hand_run)")
    [section] = report(home, "--version", "v4.1.0", "--features", "hand_run")["sections"]
    [(ours,)] = ask(home, "SELECT COUNT(*) FROM ml_features.v4_features_v41")
    assert section["repeated"] == 7
    assert (section["features"]["leads"], section["features"]["only_ours"]) == (ours - 8, 8)


# --- reasons, cell by cell --------------------------------------------------------------------------------------------

COUNT = Feature("firm_rep_count_at_contact", "INT64", missing=0)
TIER = Feature("tenure_bucket", "STRING", ("0-12", "12-24", "Unknown"), missing="Unknown", booster_name="tenure_code")


def facts(size: int, *, other: tuple[int, ...] = (), without_id: tuple[int, ...] = ()) -> Facts:
    is_other, has_none = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
    is_other[list(other)] = True
    has_none[list(without_id)] = True
    return Facts(is_other, has_none)


@pytest.mark.parametrize(
    ("feature", "ours", "theirs", "known", "expected"),
    [
        pytest.param(COUNT, [0, 0, 5], [None, 1, 5], {}, {NULL_AGAINST_ZERO: 1, UNEXPLAINED: 1}, id="NULL"),
        pytest.param(
            COUNT, [0, 0], [None, 7], {"without_id": (1,)}, {NULL_AGAINST_ZERO: 1, FIRM_WITHOUT_ID: 1}, id="no id"
        ),
        pytest.param(
            COUNT,
            [3, 4],
            [8, 9],
            {"other": (0,), "without_id": (0, 1)},
            {OTHER_ADVISOR: 1, FIRM_WITHOUT_ID: 1},
            id="one reason a cell",
        ),
        pytest.param(
            TIER, ["Unknown", "0-12"], [None, "12-24"], {}, {NULL_AGAINST_UNKNOWN: 1, UNEXPLAINED: 1}, id="words"
        ),
        pytest.param(COUNT, [1, 2, 3, 4, 5, 9], [3, 4, 5, 6, 7, 9], {}, {"each differs by +2": 5}, id="one offset"),
        pytest.param(COUNT, [0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0], {}, {UNEXPLAINED: 6}, id="flags have no offset"),
    ],
)
def test_each_cell_gets_the_first_reason_that_fits(feature, ours, theirs, known, expected) -> None:
    found = cells(feature, pa.table({feature.name: ours}), pa.table({feature.name: theirs}))
    assert found is not None
    assert reasons(feature, found, facts(len(ours), **known)) == expected


def test_a_code_for_not_known_against_null_is_told_by_the_code() -> None:
    found = cells(TIER, pa.table({TIER.name: [None, "0-12"]}), pa.table({"tenure_code": [2, 0]}))
    assert found is not None
    assert reasons(TIER, found, facts(2)) == {NULL_AGAINST_UNKNOWN: 1}


FIRMS = np.array([7.0, 8.0, 9.0, np.nan])


def departures(*known: tuple[int, date]) -> Departures:
    return Departures(np.array([one for one, _ in known]), np.array([day.toordinal() for _, day in known]))


def test_counts_made_once_are_told_from_counts_that_only_end_early() -> None:
    at = departures(
        *((7, date(2024, 12, 1)), (7, date(2025, 6, 1)), (7, date(2025, 12, 1))),
        *((8, date(2024, 11, 20)), (8, date(2025, 12, 24)), (9, date(2025, 10, 30)), (9, date(2025, 11, 30))),
    )
    ours = np.array([2.0, 1.0, 2.0, 0.0])
    for theirs, moves in ((np.array([2.0, 1.0, 1.0, 0.0]), False), (np.array([1.0, 0.0, 1.0, 0.0]), True)):
        found = frozen(DAY, at, FIRMS, theirs, ours != theirs)
        assert found is not None
        assert found.window_moves is moves or (theirs == found.counts)[ours != theirs].all()
        assert date(2025, 10, 30) <= found.last_day < date(2025, 11, 30)


def test_counts_that_no_date_explains_are_not_called_frozen() -> None:
    at = departures((7, date(2025, 6, 1)), (8, date(2025, 7, 1)), (9, date(2025, 8, 1)))
    theirs = np.array([40.0, 50.0, 60.0, 0.0])
    assert frozen(DAY, at, FIRMS, theirs, np.array([True, True, True, False])) is None


# --- scores -----------------------------------------------------------------------------------------------------------


def side(score: list[float], **more: Any) -> Served:
    return Served(pa.array([f"lead {number}" for number in range(len(score))]), np.array(score), **more)


def test_without_percentiles_of_theirs_both_sides_are_ranked_over_the_leads_that_both_have() -> None:
    ours = side([number / 10 for number in range(10)], percentile=np.arange(10.0) + 1, deprioritize=np.zeros(10, bool))
    theirs = side([number / 10 for number in range(10)])
    found = compare(ours, theirs, np.arange(10), 1e-6)
    assert (found.moved, found.as_served, found.equal, found.calls_stop) == ((10, 0, 0, 0), False, 10, 0)
    assert found.rank_correlation == pytest.approx(1.0)


def test_a_lead_without_a_score_of_theirs_is_only_ours() -> None:
    found = compare(side([0.1, 0.2, 0.3]), side([0.1, float("nan"), 0.3]), np.arange(3), 1e-6)
    assert (found.leads, found.only_ours, found.only_theirs) == (2, 1, 0)


def test_one_score_for_every_lead_has_no_rank_correlation() -> None:
    assert compare(side([0.1, 0.2]), side([0.5, 0.5]), np.arange(2), 1e-6).rank_correlation is None


@pytest.mark.parametrize("column", ["v4_score", "v4_percentile", "v4_deprioritize"])
def test_a_score_that_is_no_number_is_named_with_the_way_out(column: str) -> None:
    rows = pa.table({"v4_score": ["0.5"], "v4_percentile": ["50"], "v4_deprioritize": ["0"], column: ["true"]})
    with pytest.raises(SettingsError, match=rf"{column} is string and holds what is no number .*'true'.*--scores"):
        served(rows, pa.array(["lead"]))


def test_a_table_without_a_score_has_served_none() -> None:
    assert served(pa.table({"tenure_months": [1]}), pa.array(["lead"])) is None
