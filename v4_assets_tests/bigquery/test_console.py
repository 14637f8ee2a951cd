"""The scripts for the BigQuery console are GoogleSQL, run as they are pasted, and leave what the daily job leaves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from v4_assets import tables
from v4_assets.clock import NEW_YORK
from v4_assets.config.environment import load
from v4_assets.names import SCORING_JOB
from v4_assets.operations import local_runs
from v4_assets.resources import warehouse
from v4_assets.sample.world import build, fill
from v4_assets.sql import Column, Query
from v4_assets.tables import Table
from v4_assets.warehouse.bigquery import console_rollback
from v4_assets.warehouse.bigquery.console import render
from v4_assets.warehouse.bigquery.tables import declared
from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse
from v4_assets.warehouse.render import Target, scripts
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.bigquery.emulator import Emulator
from v4_assets_tests.bigquery.googlesql import GoogleSQL
from v4_assets_tests.bigquery.twin import catalogue
from v4_assets_tests.fixtures.firm_warehouse import DAY, WORLD

pytestmark = pytest.mark.extended

PROJECT = "v4-console"
"""Of its own: another test has the datasets of rollout.yaml in the emulator's first project."""
TEXTS = {one.name: render(one) for one in scripts(load({}).rollout)}
TARGET = Target("v4.0.0", "v4_production_features", "v4_daily_scores", "models/it's/v4.0.0", "0" * 64, "1" * 64)
FILLED = (*tables.SHARED, "features_v40", "features_v41")
OF_THE_RUN = ["written_at", "run_id"]


# --- Google's analyzer ---------------------------------------------------------------------------------------------


INFORMATION = {
    "TABLES": ("table_name", "table_type"),
    "TABLE_OPTIONS": ("table_name", "option_name", "option_value"),
    "COLUMNS": ("table_name", "column_name"),
}
"""Views of INFORMATION_SCHEMA that a script reads, and their columns, all STRING."""


@cache
def google() -> GoogleSQL:
    dataset = catalogue()[tables.DEPLOYMENTS].dataset
    information = (
        Table(name, f"{dataset}.INFORMATION_SCHEMA", name, tuple(Column(one, "STRING") for one in columns))
        for name, columns in INFORMATION.items()
    )
    views = (
        replace(catalogue()[tables.features_key(one.key)], key=one.features_view, name=one.features_view)
        for one in catalogue().versions.values()
    )
    return GoogleSQL((*catalogue().values(), *information, *views))


@cache
def analyzed(text: str, types: tuple[tuple[str, str], ...]) -> list[str]:
    """The types of a query's columns, none for another statement. The versions share most of their scripts."""
    if text.startswith(("SELECT", "WITH")):
        return [kind for _, kind in google().columns(text, dict(types))]
    google().verified(text, dict(types))
    return []


class Reading:
    """Looks at a script statement by statement, its variables as parameters, for the analyzer knows no scripts."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self.statements = 0

    def script(self, text: str) -> None:
        for part in re.split(r";\n|;$", text):
            self.statement(part)

    def statement(self, part: str) -> None:
        text = re.sub(r"\A(\s*--[^\n]*\n)+", "", part.strip() + "\n").strip()
        text = re.sub(r"; END IF\Z", "", text)
        if found := re.match(r"BEGIN\n", text):
            self.statement(text[found.end() :])
        elif found := re.match(r"IF ([^\n]+) THEN\n", text):
            assert self.kinds(found[1]) == ["BOOL"]
            self.statement(text[found.end() :])
        elif found := re.fullmatch(r"IF (.+?) THEN RAISE USING MESSAGE = (.+)", text, re.DOTALL):
            assert self.kinds(f"{found[1]}, {found[2]}") == ["BOOL", "STRING"]
        elif found := re.fullmatch(r"DECLARE ([\w, ]+?) ([A-Z0-9]+)(?: DEFAULT (.+))?", text, re.DOTALL):
            if found[3] and found[3] != "NULL":
                assert self.kinds(found[3]) == [found[2]], found[1]
            self.types |= dict.fromkeys(found[1].split(", "), found[2])
        elif found := re.fullmatch(r"SET (\w+) = (.+)", text, re.DOTALL):
            assert self.kinds(found[2]) == [self.types[found[1]]]
        elif text not in ("", "END", "END IF"):
            self.statements += 1
            analyzed(self.bound(text), tuple(self.types.items()))

    def kinds(self, expressions: str) -> list[str]:
        text = self.bound(expressions).replace("@@row_count", "CAST(1 AS INT64)")
        return analyzed(f"SELECT {text}", tuple(self.types.items()))

    def bound(self, text: str) -> str:
        return re.sub(rf"(?<![@\w`'])({'|'.join(self.types) or 'v4_'})\b", r"@\1", text)


@pytest.mark.parametrize(
    ("name", "least"), [("tables", 23), ("views", 5), ("production_scoring_v40", 30), ("production_scoring_v41", 30)]
)
def test_every_statement_of_a_script_is_googlesql(name, least):
    reading = Reading()
    reading.script(TEXTS[name])
    assert reading.statements >= least


@pytest.mark.parametrize("fixed", [None, datetime(2026, 1, 12, 6, 30, tzinfo=NEW_YORK)])
def test_every_statement_of_the_rollback_is_googlesql(fixed):
    reading = Reading()
    text = console_rollback.render(catalogue(), replace(TARGET, happened_at=fixed))
    happened = "TIMESTAMP '2026-01-12 11:30:00+00:00'" if fixed else "CURRENT_TIMESTAMP()"
    assert f"DECLARE v4_happened_at TIMESTAMP DEFAULT {happened};" in text
    reading.script(text.replace("BEGIN TRANSACTION;\n", "").replace("COMMIT TRANSACTION;\n", ""))
    assert reading.statements >= 3


def test_the_reading_would_notice_a_column_that_is_not_there():
    with pytest.raises(Exception, match="Unrecognized name: v4_no_such_thing"):
        Reading().script(TEXTS["production_scoring_v41"].replace("v4_retrospective AS", "v4_no_such_thing AS"))


# --- the emulator --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Console:
    """Sources in BigQuery and a place to paste scripts into."""

    client: bigquery.Client
    warehouse: BigQueryWarehouse
    ended: dict[str, list[dict[str, object]]]
    """The rows each script ended with when it was pasted first."""

    def paste(self, text: str) -> list[dict[str, object]]:
        """Run a script and return the rows of its last statement."""
        return [dict(row) for row in self.client.query_and_wait(text)]

    def rows(self, name: str) -> pa.Table:
        return self.warehouse.read(Query("rows", f"SELECT * FROM {name}"))

    def writes(self, table: str, day: str) -> list[tuple[int, bool, str | None]]:
        """Sequence, retrospective and reason of every recorded write of a table and day."""
        found = self.rows(catalogue()[tables.PARTITION_WRITES].full_name).to_pylist()
        return sorted(
            (row["sequence"], row["retrospective"], row["replace_reason"])
            for row in found
            if (row["table_name"], str(row["prediction_date"])) == (catalogue()[table].name, day)
        )


@pytest.fixture(scope="module")
def console(emulator: Emulator) -> Iterator[Console]:
    client = bigquery.Client(PROJECT, AnonymousCredentials(), client_options={"api_endpoint": emulator.endpoint})
    for dataset in ("SavvyGTMData", "FinTrx_data_CA", "ml_features"):
        client.create_dataset(dataset)
    place = BigQueryWarehouse(project=PROJECT, endpoint=emulator.endpoint, storage_endpoint=emulator.storage_endpoint)
    fill(place, catalogue(), build(WORLD))
    console = Console(client, place, {})
    for name, text in TEXTS.items():
        console.ended[name] = console.paste(text)
    yield console
    client.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The embedded warehouse after the scoring job of this very day, by the machine's clock as the console's is."""
    settings = load({"V4_HOME": str(tmp_path_factory.mktemp("embedded"))})
    fill(warehouse(settings), catalogue(), build(WORLD))
    local_runs.init(settings)
    outcome = local_runs.run_job(settings, SCORING_JOB, partition=settings.clock.today())
    assert (outcome.errors, [one for one in outcome.checks_failed if one.severity == "ERROR"]) == ((), [])
    return warehouse(settings)


def shown(console: Console, text: str, following: str) -> list[dict[str, Any]]:
    """The rows of the validations' SELECT before `following`: the emulator keeps a script's last result."""
    return console.paste(text[: text.index(following)] + "END;")


def test_step_1_ends_with_the_guide_s_four_validations_to_be_read(console):
    text = TEXTS["production_scoring_v41"]
    leads = console.rows("`ml_features`.`v4_production_features_v41`").num_rows
    found = shown(console, text, "  IF NOT (v4_is_view")
    assert [(row["validation"], row["passed"], row["found"]) for row in found] == [
        ("view v4_production_features_v41", True, "there"),
        ("table v4_daily_scores_v41", True, "there"),
        ("exactly 22 features", True, "22 features, 0 other columns"),
        ("the view answers: the sample above", True, f"{leads} rows"),
    ]
    sample = shown(console, text, "  SELECT\n    1 AS number")
    wanted = {column.name for column in catalogue()["features_v41"].columns}
    assert (len(sample), set(sample[0])) == (5, wanted)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param("SELECT *, 1 AS recent_mover_x_bleeding", "features 22 of 22, other columns 1", id="one more"),
        pytest.param("SELECT * EXCEPT (tenure_months)", "features 21 of 22, other columns 0", id="one less"),
        pytest.param("SELECT * REPLACE ('x' AS lead_id)", "rows in the view 0", id="empty"),
    ],
)
def test_step_1_ends_in_an_error_when_a_validation_fails(console, change, found):
    text = TEXTS["production_scoring_v41"]
    view = catalogue().views[1]
    assert view.name == "v4_production_features_v41"
    broken = view.query.text.replace("SELECT *", change, 1) + (" AND FALSE" if "REPLACE" in change else "")
    assert text.count(view.query.text) == 1
    with pytest.raises(BadRequest, match=f"A validation failed, see the rows above: .*{found}"):
        console.paste(text.replace(view.query.text, broken))
    shown(console, text, "  IF NOT (v4_is_view")


def test_nothing_is_made_by_a_script_while_an_object_of_others_has_a_name_of_ours(console):
    console.client.create_dataset("firms_own", exists_ok=True)
    console.paste("CREATE TABLE firms_own.v4_daily_scores_v41 AS SELECT 1 AS n")
    console.paste("CREATE VIEW firms_own.v4_production_features_v41 AS SELECT 1 AS n")
    for name in ("tables", "views", "production_scoring_v41"):
        with pytest.raises(BadRequest, match=r"and nothing was made: .* in firms_own\. `v4 takeover` moves"):
            console.paste(TEXTS[name].replace("ml_features", "firms_own"))
    found = sorted(table.table_id for table in console.client.list_tables("firms_own"))
    assert found == ["v4_daily_scores_v41", "v4_production_features_v41"]


@pytest.mark.parametrize("key", FILLED)
def test_a_pasted_script_leaves_the_rows_of_the_daily_job(console, embedded, key):
    name = catalogue()[key].full_name
    found, wanted = console.rows(name), embedded.read(Query("rows", f"SELECT * FROM {name}"))
    assert wanted.num_rows > 0
    assert set(wanted["retrospective"].to_pylist()) == {False}
    assert_same(found, wanted, key)


@pytest.mark.parametrize("view", catalogue().views[:2], ids=lambda view: view.name)
def test_a_features_view_shows_the_day(console, embedded, view):
    name = f"`{view.dataset}`.`{view.name}`"
    assert_same(console.rows(name), embedded.read(Query("rows", f"SELECT * FROM {name}")), view.name)


def first_writes(rows: pa.Table) -> pa.Table:
    """The first write of today's partition of every table a script fills, without what belongs to the run."""
    names, today = {catalogue()[key].name for key in FILLED}, load({}).clock.today()
    wanted = [
        row
        for row in rows.to_pylist()
        if row["table_name"] in names and row["prediction_date"] == today and row["sequence"] == 1
    ]
    return pa.Table.from_pylist(wanted, rows.schema).drop_columns(OF_THE_RUN)


def test_a_pasted_write_is_recorded_as_the_daily_job_records_it_so_that_either_keeps_the_other_s(console, embedded):
    log = catalogue()[tables.PARTITION_WRITES].full_name
    found, wanted = console.rows(log), embedded.read(Query("rows", f"SELECT * FROM {log}"))
    assert first_writes(wanted).num_rows == len(FILLED)
    assert_same(first_writes(found), first_writes(wanted), "log")
    assert {row["run_id"][:9] for row in found.to_pylist()} == {"console: "}


def test_the_script_ends_with_what_the_day_s_partitions_are_and_keeps_them(console):
    first, again = console.ended["production_scoring_v41"], console.paste(TEXTS["production_scoring_v41"])
    assert sorted(str(row["table_name"]) for row in again) == sorted(
        catalogue()[key].name for key in (*tables.SHARED, "features_v41")
    )
    assert {row["sequence"] for row in again} == {1}
    assert first == again


def test_a_live_day_of_another_definition_is_refused_until_a_reason_is_given(console):
    text = of_another_definition(TEXTS["production_scoring_v40"])
    today = str(load({}).clock.today())
    before = console.rows(catalogue()["features_v40"].full_name)
    with pytest.raises(
        BadRequest, match=f"v4_features_v40 of {today} was written on its own day by another definition"
    ):
        console.paste(text)
    assert_same(console.rows(catalogue()["features_v40"].full_name), before, "features_v40")
    reason = "v4_replace_live STRING DEFAULT 'the feed of that morning was cut short'"
    console.paste(text.replace("v4_replace_live STRING DEFAULT NULL", reason))
    assert console.writes("features_v40", today) == [
        (1, False, None), (2, False, "the feed of that morning was cut short"),
    ]  # fmt: skip
    assert_same(console.rows(catalogue()["features_v40"].full_name), before, "features_v40")


def last_table(text: str) -> str:
    """A script without what stands between its declarations and its last table."""
    return text[: text.index("CREATE TABLE")] + text[text.rindex("-- v4_features_v") :]


def of_another_definition(text: str) -> str:
    """The last table of a script, which another query defines now."""
    return re.sub(r"'[0-9a-f]{64}'", f"'{'0' * 64}'", last_table(text), count=1)


def test_another_day_is_marked_retrospective_kept_when_the_same_and_made_anew_when_not(console):
    today = "v4_prediction_date DATE DEFAULT CURRENT_DATE('America/New_York')"
    text = TEXTS["production_scoring_v41"].replace(today, f"v4_prediction_date DATE DEFAULT DATE '{DAY}'")
    for pasted in (text, last_table(text)):
        console.paste(pasted)
        assert console.writes("features_v41", str(DAY)) == [(1, True, None)]
    console.paste(of_another_definition(text))
    assert console.writes("features_v41", str(DAY)) == [(1, True, None), (2, True, None)]
    assert console.writes("scored_leads", str(DAY)) == [(1, True, None)]
    days = console.rows(catalogue()["features_v41"].full_name)["prediction_date"].to_pylist()
    assert len(set(days)) == 2


@pytest.mark.parametrize("day", ["2025-09-30", "2100-01-01"])
def test_a_day_that_cannot_be_is_refused(console, day):
    text = TEXTS["production_scoring_v41"].replace("DEFAULT CURRENT_DATE('America/New_York')", f"DEFAULT DATE '{day}'")
    with pytest.raises(BadRequest, match=f"{day} cannot be filled. Set v4_prediction_date to a day from 2025-10-01"):
        console.paste(text)


@pytest.mark.parametrize("key", [table.key for table in catalogue().made])
def test_a_pasted_table_is_what_the_api_would_have_made(console, key):
    wanted = declared(catalogue()[key], PROJECT)
    found = console.client.get_table(wanted.reference)
    assert [(one.name, one.field_type, one.description) for one in found.schema] == [
        (
            one.name,
            {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}.get(one.field_type, one.field_type),
            one.description,
        )
        for one in wanted.schema
    ]
    assert (found.description, found.labels) == (wanted.description, wanted.labels)
    assert (found.time_partitioning, found.clustering_fields) == (wanted.time_partitioning, wanted.clustering_fields)
