"""`v4 sql render` tells the SQL a warehouse is given, without asking one, and names what it does not have."""

from datetime import date

import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from v4_assets import tables
from v4_assets.cli.main import cli
from v4_assets.clock import cutoff
from v4_assets.config.environment import load
from v4_assets.resources import warehouse
from v4_assets.sample.load import fill
from v4_assets.sample.world import WorldSpec, build
from v4_assets.sql import Query
from v4_assets.warehouse.bigquery import console as bigquery_console
from v4_assets.warehouse.duckdb import scripts as duckdb_scripts
from v4_assets.warehouse.duckdb.file import SETTINGS
from v4_assets.warehouse.render import chosen, scripts
from v4_assets.warehouse.writes import fingerprint, text_sha256

DAY = date(2026, 1, 12)
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
        (["--script", "scores"], f"There is no script scores; there are {', '.join(ALL)}."),
        (
            ["--script", "views", "--version", "v4.1.0"],
            "There is no script views of v4.1.0; there are production_scoring_v41.",
        ),
    ],
    ids=["version", "script", "both"],
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


def test_the_statements_told_for_duckdb_run_there_and_make_the_rows_the_warehouse_makes(tmp_path):
    settings = load({"V4_HOME": str(tmp_path)})
    house, catalogue = warehouse(settings, any_schema=True), settings.rollout.catalogue
    world = WorldSpec(scale=0.002, leads_per_week=15, seed=5, first_contact=date(2025, 9, 1), through=date(2026, 1, 18))
    fill(house, catalogue, build(world))
    house.create(catalogue.made, catalogue.views)
    values = {"prediction_date": DAY, "cutoff": cutoff(DAY), "retrospective": True}
    script = next(one for one in scripts(settings.rollout) if one.version == "v4.1.0")
    with house._connection() as connection:
        for text in (duckdb_scripts.render(one) for one in chosen(settings.rollout, None, None)):
            run(connection, text, {**values, "day": DAY})
        made = {fill.table.key: rows(connection, fill.table.full_name) for fill in script.fills}
    for key in (*tables.SHARED, "features_v41"):
        query = catalogue.query(key, values)
        again = house.read(Query(key, query.text, query.params))
        assert made[key].num_rows == again.num_rows > 0
        assert sorted(map(str, made[key].to_pylist())) == sorted(map(str, again.to_pylist()))


def run(connection: duckdb.DuckDBPyConnection, text: str, values: dict[str, object]) -> None:
    connection.execute(SETTINGS)
    for statement in duckdb.extract_statements(text):
        used = {name: values[name] for name in statement.named_parameters}
        connection.execute(statement, used)


def rows(connection: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    return connection.sql(f"SELECT * FROM {name.replace('`', chr(34))}").to_arrow_table()
