"""`v4 sql render` tells the SQL a warehouse is given, without asking one, and names what it does not have."""

import re
from collections.abc import Iterator
from datetime import date

import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from v4_assets import tables
from v4_assets.cli.main import cli
from v4_assets.clock import cutoff
from v4_assets.config.environment import Settings, load
from v4_assets.operations import local_runs, monthly, operator_actions
from v4_assets.prospects.months import month_of
from v4_assets.resources import store, warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets.sql import Query
from v4_assets.sql import load as load_sql
from v4_assets.warehouse.bigquery import console as bigquery_console
from v4_assets.warehouse.duckdb import scripts as duckdb_scripts
from v4_assets.warehouse.duckdb.engine import SETTINGS
from v4_assets.warehouse.protocol import Statement
from v4_assets.warehouse.render import chosen, scripts
from v4_assets.warehouse.writes import fingerprint, text_sha256
from v4_assets_tests.fixtures.narrow import embedded

pytestmark = pytest.mark.extended

DAY = date(2026, 1, 12)
OLD, NEW = "v4.0.0", "v4.1.0"
ALL = ["tables", "views", "production_scoring_v40", "production_scoring_v41"]


def render(tmp_path, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(cli, ["sql", "render", *arguments], env={"V4_HOME": str(tmp_path / "home"), **env})


@pytest.mark.parametrize("engine", ["bigquery", "duckdb"])
def test_every_script_is_a_file_of_its_own_and_nothing_else_is_made(tmp_path, engine):
    result = render(tmp_path, "--warehouse", engine, "--output", str(tmp_path / "out"))
    assert result.exit_code == 0, result.exception
    assert result.output.splitlines() == [str(tmp_path / "out" / f"{name}.sql") for name in ALL]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    for name in ALL:
        text = (tmp_path / "out" / f"{name}.sql").read_text(encoding="utf-8")
        assert text.startswith(f"-- {name}: ")
        assert "{{" not in text
        assert text.endswith(";\n")


def test_a_version_has_the_guide_s_script_and_the_configured_warehouse_s_words(tmp_path):
    text = render(tmp_path, "--version", "v4.1.0", V4_WAREHOUSE="bigquery", V4_BIGQUERY_PROJECT="nowhere").output
    assert text.startswith(
        "-- production_scoring_v41: the day's 22 features of v4.1.0, from the sources to the view "
        "v4_production_features_v41.\n"
    )
    assert text == render(tmp_path, "--script", "production_scoring_v41", "--warehouse", "bigquery").output
    assert "$prediction_date" in render(tmp_path, "--version", "v4.1.0").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version", "v9.9.9"], "There is no version v9.9.9 in rollout.yaml; it has v4.0.0, v4.1.0."),
        (["--script", "scores"], f"There is no script scores; there are {', '.join(ALL)}, rollback."),
        (
            ["--script", "views", "--version", "v4.1.0"],
            "There is no script views of v4.1.0; there are production_scoring_v41, rollback.",
        ),
        (
            ["--script", "rollback", "--version", "v4.1.0"],
            "A rollback returns to the baseline of rollout.yaml, v4.0.0; v4.1.0 is not it.",
        ),
    ],
    ids=["version", "script", "both", "rollback"],
)
def test_what_there_is_not_is_named_beside_what_there_is(tmp_path, arguments, said):
    assert str(render(tmp_path, *arguments).exception) == said


def test_a_console_script_leaves_no_parameter_open_and_names_no_variable_like_a_column():
    rollout = load({}).rollout
    columns = {column.name for table in rollout.catalogue.values() for column in table.columns}
    for script in chosen(rollout, "v4.0.0", None) + chosen(rollout, "v4.1.0", None):
        text = bigquery_console.render(script)
        assert "@" not in text.replace("@@row_count", "").replace("@'", "").replace("v4-tie-break:", "")
        declared = {
            name
            for line in text.splitlines()
            if line.strip().startswith("DECLARE ")
            for name in line.strip().removeprefix("DECLARE ").split()
            if name.startswith("v4_")
        }
        assert {name.rstrip(",") for name in declared} & columns == set()


def test_a_fingerprint_is_the_hash_of_the_parts_hashes_so_that_sql_can_make_it():
    assert fingerprint(["a", "b@1"]) == text_sha256(text_sha256("a") + text_sha256("b@1"))


def test_the_statements_rendered_for_duckdb_run_there_and_make_the_rows_the_warehouse_makes(tmp_path):
    settings = load({"V4_HOME": str(tmp_path)})
    house, catalogue = warehouse(settings, any_schema=True), settings.rollout.catalogue
    world = WorldSpec(scale=0.002, leads_per_week=15, seed=5, first_contact=date(2025, 9, 1), through=date(2026, 1, 18))
    fill(house, catalogue, build(world))
    house.create(catalogue.made, catalogue.views)
    values = {"prediction_date": DAY, "cutoff": cutoff(DAY), "retrospective": True}
    script = next(one for one in scripts(settings.rollout) if one.version == "v4.1.0")
    with embedded(house)._connection() as connection:
        for text in (duckdb_scripts.render(one) for one in chosen(settings.rollout, None, None)):
            run(connection, text, {**values, "day": DAY})
        made = {fill.table.key: rows(connection, fill.table.full_name) for fill in script.fills}
    for key in (*tables.SHARED, "features_v41"):
        query = catalogue.query(key, values)
        again = house.read(Query(key, query.text, query.params))
        assert made[key].num_rows == again.num_rows > 0
        assert sorted(map(str, made[key].to_pylist())) == sorted(map(str, again.to_pylist()))


VIEW, SCORES = "ml_features.v4_production_features_v41", "ml_features.v4_daily_scores_v41"
FEATURES = "ml_features.v4_features_v41"
LEADS = (
    f"INSERT INTO {FEATURES} BY NAME SELECT DATE '{DAY}' AS prediction_date, '00Q' || range AS lead_id FROM range(7)"
)


def validated(connection: duckdb.DuckDBPyConnection) -> tuple[int, list[tuple[object, ...]]]:
    """Rows of the sample, and the four validations, of a rendered script's end."""
    script = next(one for one in scripts(load({}).rollout) if one.version == NEW)
    text = duckdb_scripts.render(script)
    *before, sample, four, verdict = duckdb.extract_statements(text[text.index("-- The four validations") :])
    for statement in before:
        connection.execute(statement)
    found = len(connection.execute(sample).fetchall()), connection.execute(four).fetchall()
    connection.execute(verdict)
    return found


@pytest.fixture
def filled(tmp_path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables, views and seven leads with features."""
    settings = load({"V4_HOME": str(tmp_path)})
    there, catalogue = warehouse(settings, any_schema=True), settings.rollout.catalogue
    there.create(catalogue.made, catalogue.views)
    with embedded(there)._connection() as connection:
        connection.execute(LEADS)
        yield connection


def test_the_end_of_a_script_for_duckdb_shows_the_guide_s_four_validations(filled):
    assert validated(filled) == (
        5,
        [
            (1, "view v4_production_features_v41", True, "there"),
            (2, "table v4_daily_scores_v41", True, "there"),
            (3, "exactly 22 features", True, "22 features, 0 other columns"),
            (4, "the view answers: the sample above", True, "7 rows"),
        ],
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(f"DELETE FROM {FEATURES}", "rows in the view 0", id="empty"),
        pytest.param(f"DROP TABLE {SCORES} CASCADE", "v4_daily_scores_v41 missing", id="no table"),
        pytest.param(
            f"DROP VIEW {VIEW}; CREATE TABLE {VIEW} AS SELECT * FROM {FEATURES}",
            "v4_production_features_v41 missing",
            id="a table in place of the view",
        ),
        pytest.param(
            f"CREATE OR REPLACE VIEW {VIEW} AS SELECT *, 1 AS industry_tenure_months FROM {FEATURES}",
            "features 22 of 22, other columns 1",
            id="one feature too many",
        ),
        pytest.param(
            f"CREATE OR REPLACE VIEW {VIEW} AS SELECT * EXCLUDE (tenure_months, has_email) FROM {FEATURES}",
            "features 20 of 22, other columns 0",
            id="two features too few",
        ),
    ],
)
def test_a_script_for_duckdb_ends_in_an_error_when_a_validation_fails(filled, change, said):
    filled.execute(change)
    with pytest.raises(duckdb.Error, match=rf"A validation failed, see the rows above: .*{said}"):
        validated(filled)


def run(connection: duckdb.DuckDBPyConnection, text: str, values: dict[str, object]) -> None:
    connection.execute(SETTINGS)
    for statement in duckdb.extract_statements(text):
        used = {name: values[name] for name in statement.named_parameters}
        connection.execute(statement, used).fetchall()


def rows(connection: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    return connection.sql(f"SELECT * FROM {name.replace('`', chr(34))}").to_arrow_table()


# --- the rollback -----------------------------------------------------------------------------------------------------


@pytest.fixture
def promoted(tmp_path) -> Settings:
    """A day was run and the candidate promoted by a person."""
    settings = load({"V4_HOME": str(tmp_path), "V4_NOW": f"{DAY}T06:30"})
    world = WorldSpec(scale=0.002, leads_per_week=15, seed=5, first_contact=date(2025, 9, 1), through=DAY)
    fill(warehouse(settings, any_schema=True), settings.rollout.catalogue, build(world))
    local_runs.init(settings)
    for act in (
        lambda: local_runs.run_day(settings, DAY),
        lambda: monthly.run_month(settings, month_of(DAY)),
        lambda: operator_actions.order(settings, "promotion", NEW, "It is better"),
    ):
        outcome = act()
        assert outcome.success, outcome.errors
    return settings


def script_of(settings: Settings, reason: str = "NULL") -> str:
    env = {"V4_HOME": str(settings.home), "V4_NOW": settings.now or ""}
    text = CliRunner().invoke(cli, ["sql", "render", "--script", "rollback"], env=env).output
    return text.replace("v4_reason = NULL", f"v4_reason = {reason}")


def pasted(settings: Settings, text: str) -> list[tuple[object, ...]]:
    """What a DuckDB shell shows last; a refused script leaves its transaction to be rolled back."""
    with duckdb.connect(str(settings.duckdb_file)) as shell:
        for statement in duckdb.extract_statements(text):
            found = shell.execute(statement).fetchall()
    return found


def test_every_value_of_the_rollback_is_set_before_it_is_used(tmp_path):
    text = render(tmp_path, "--script", "rollback").output
    used = set(re.findall(r"getvariable\('(\w+)'\)", text))
    assert used == set(re.findall(r"^SET VARIABLE (\w+) = ", text, re.MULTILINE))
    assert {f"v4_{name}" for name in (*load_sql("switch_production").params, *load_sql("record_event").params)} <= used


def test_a_pasted_rollback_switches_once_with_a_reason_and_the_next_tick_carries_it_through(promoted):
    before = [event.event for event in store(promoted).events()]
    with pytest.raises(duckdb.Error, match="Nothing was changed: say in v4_reason why"):
        pasted(promoted, script_of(promoted))
    assert [event.event for event in store(promoted).events()] == before
    [(live, previous, _)] = pasted(promoted, script_of(promoted, "'it''s down'"))
    assert (live, previous, store(promoted).live()) == (OLD, NEW, OLD)
    with pytest.raises(duckdb.Error, match=r"Nothing was changed: v4\.0\.0 is live already"):
        pasted(promoted, script_of(promoted, "'again'"))

    later = load({"V4_HOME": str(promoted.home), "V4_NOW": f"{DAY}T08:00"})
    [outcome] = operator_actions.tick(later).outcomes
    assert outcome.success, outcome.errors
    events = store(promoted).events()
    assert [event.event for event in events] == [*before, "rollback_started", "rollback_completed"]
    assert (events[-2].reason, events[-2].decided_by, events[-2].previous) == ("it's down", "console", NEW)
    assert events[-2].happened_at == promoted.clock.now()
    assert len(list(promoted.places.reports.glob("*-rollback-v4.0.0-*.md"))) == 1
    assert store(promoted).live() == OLD


def test_an_archived_baseline_is_not_made_live_by_a_script(promoted):
    record = {
        **{"event_id": "x", "happened_at": promoted.clock.now(), "event": "sunset_completed", "version": OLD},
        **dict.fromkeys(set(load_sql("record_event").params) - {"event_id", "happened_at", "event", "version"}),
        **{"reason": "healthy", "decided_by": "a person"},
    }
    warehouse(promoted).transact([Statement(promoted.rollout.catalogue.query("record_event", record), 1)])
    with pytest.raises(duckdb.Error, match=r"v4\.0\.0 is archived"):
        pasted(promoted, script_of(promoted, "'why'"))
    assert store(promoted).live() == NEW
