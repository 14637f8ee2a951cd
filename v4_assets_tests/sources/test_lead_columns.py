"""The firm names its Lead columns in rollout.yaml: SQL, checks, scripts and the sample world follow."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from v4_assets import sql, tables
from v4_assets.cli.main import cli
from v4_assets.config.environment import Settings, load
from v4_assets.config.rollout import Rollout
from v4_assets.errors import SqlFileError
from v4_assets.models.assets import first_morning
from v4_assets.operations import local_runs
from v4_assets.project_files import PROJECT
from v4_assets.resources import warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets.sources import types as source_columns
from v4_assets.sql import Query
from v4_assets.tables import Catalogue
from v4_assets_tests.fixtures.lead_columns import RENAMED
from v4_assets_tests.fixtures.narrow import embedded

CONTENT = yaml.safe_load((PROJECT / "rollout.yaml").read_text(encoding="utf-8"))
DAY = date(2026, 1, 12)
WORLD = WorldSpec(scale=0.01, leads_per_week=20, seed=5, through=date(2026, 1, 18))
HEADER = """-- one: a query.
-- grain:   one row
-- inputs:  {{{{lead}}}}
-- names:   {}
-- params:  none
-- output:
--   n  INT64  a column

"""
FORMER = re.compile(r"\b(" + "|".join(column.name for column in source_columns.LEAD_COLUMNS.values()) + r")\b")


def written(folder: Path, columns: dict[str, str]) -> Path:
    path = folder / "renamed.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, "sources": {"lead": {"columns": columns}}}), encoding="utf-8")
    return path


def at(home: Path, **env: str) -> Settings:
    return load({"V4_HOME": str(home), "V4_NOW": f"{DAY}T06:30", **env})


def rows(settings: Settings, key: str) -> list[dict[str, object]]:
    """A table's rows without what says which SQL or source column made them."""
    table = settings.rollout.catalogue[key]
    found = warehouse(settings).read(Query(key, f"SELECT * FROM {table.full_name}"))
    return sorted(
        found.to_pylist(), key=lambda row: [str(row.get(name)) for name in ("lead_id", "source", "column_name")]
    )


def in_another_case(settings: Settings) -> None:
    """A copy of the CRM and a feed that spell columns in other cases, which no engine tells apart."""
    columns = {"SavvyGTMData.Lead": settings.rollout.catalogue.lead_columns["id"]}
    with embedded(warehouse(settings))._connection() as connection:
        for table, column in (columns | {"FinTrx_data_CA.ria_contacts_current": "REP_TYPE"}).items():
            connection.execute(f'ALTER TABLE {table} RENAME COLUMN "{column}" TO "{column.swapcase()}"')


@pytest.mark.extended
def test_a_day_on_renamed_columns_is_the_day_on_the_firm_s_own(tmp_path: Path) -> None:
    homes = {"own": at(tmp_path / "own")}
    homes["renamed"] = at(tmp_path / "renamed", V4_ROLLOUT=str(written(tmp_path, RENAMED)))
    for settings in homes.values():
        fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
        in_another_case(settings)
        local_runs.init(settings)
        outcome = local_runs.run_day(settings, DAY)
        assert (outcome.success, outcome.errors) == (True, ())
    names = {source_columns.LEAD_COLUMNS[key].name: name for key, name in RENAMED.items()}
    for key in (tables.SCORED_LEADS, tables.LEAD_OUTCOMES, "features_v41", "daily_scores_v40", "daily_scores_v41"):
        own, renamed = (rows(settings, key) for settings in homes.values())
        assert own == renamed
        assert len(own) > 100
    own, renamed = (rows(settings, tables.SOURCE_OBSERVATIONS) for settings in homes.values())
    expected = [{**row, "column_name": names.get(str(row["column_name"]), row["column_name"])} for row in own]
    assert {tuple(map(str, row.values())) for row in renamed} == {tuple(map(str, row.values())) for row in expected}
    assert "Profile__c" in {row["column_name"] for row in renamed}
    morning = first_morning(homes["renamed"].rollout.catalogue, DAY, 43)
    assert warehouse(homes["renamed"]).read(morning).num_rows == (
        warehouse(homes["own"]).read(first_morning(homes["own"].rollout.catalogue, DAY, 43)).num_rows
    )


@pytest.mark.extended
def test_a_renamed_column_that_is_missing_or_silent_stops_the_day_under_its_own_name(tmp_path: Path) -> None:
    env = {"V4_HOME": str(tmp_path / "home"), "V4_ROLLOUT": str(written(tmp_path, {"linkedin": "Profile__c"}))}
    settings = load({**env, "V4_NOW": "2026-01-12T06:30"})
    world = build(WORLD)
    fill(warehouse(settings), settings.rollout.catalogue, world)
    local_runs.init(settings)
    assert local_runs.run_day(settings, DAY).success
    fill(warehouse(settings), settings.rollout.catalogue, world, silent={tables.LEAD: "LinkedIn_Profile_Apollo__c"})
    following = load({**env, "V4_NOW": "2026-01-13T06:30"})
    silent = local_runs.run_day(following, DAY + timedelta(days=1))
    assert not silent.success
    assert "lead.Profile__c" in " ".join(one.description for one in silent.checks_failed)
    with embedded(warehouse(settings))._connection() as connection:
        connection.execute('ALTER TABLE "SavvyGTMData"."Lead" RENAME COLUMN "Profile__c" TO "Profile"')
    lost = local_runs.run_day(following, DAY + timedelta(days=1))
    assert not lost.success
    assert '"Profile__c" not found' in " ".join(lost.errors)


def test_the_rendered_scripts_show_the_firm_s_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V4_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("V4_ROLLOUT", str(written(tmp_path, {key: f"firm_{key}" for key in RENAMED})))
    for engine in ("bigquery", "duckdb"):
        folder = tmp_path / engine
        result = CliRunner().invoke(cli, ["sql", "render", "--warehouse", engine, "--output", str(folder)])
        assert result.exit_code == 0, result.output
        code = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.sql"))
        for key in ("id", "advisor_crd", "email", "linkedin", "company", "entered_contacting"):
            assert f"firm_{key}" in code
        assert not re.findall(r"FA_CRD__c|stage_entered_contacting__c|LinkedIn_Profile_Apollo__c", code)


def test_no_sql_file_names_a_lead_column() -> None:
    named = {name for name in sql.files() if FORMER.search(re.sub(r"--.*", "", sql.load(name).body))}
    assert named == set()


def test_a_column_placeholder_that_nothing_names_is_refused() -> None:
    file = sql.parse("one", HEADER.format("{{lead.phone}}") + "SELECT {{lead.phone}} FROM {{lead}}")
    with pytest.raises(SqlFileError, match=r"reads \['lead.phone'\], which has no name"):
        catalogue: Catalogue = load({}).rollout.catalogue
        sql.bind(file, catalogue.names(), {})


@pytest.mark.parametrize("header", ["{{lead.id}}", "{{lead.id}}, {{lead.email}}, {{lead.company}}"])
def test_a_header_lists_exactly_the_columns_that_the_body_reads(header: str) -> None:
    with pytest.raises(SqlFileError, match="its header lists names"):
        sql.parse("one", HEADER.format(header) + "SELECT {{lead.id}}, {{lead.email}} FROM {{lead}}")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"email": "Email, 1); DROP TABLE x; --"}, "columns.email"),
        ({"email": "Lead.Email"}, "columns.email"),
        ({"email": "`Email`"}, "columns.email"),
        ({"email": "1st"}, "columns.email"),
        ({"email": ""}, "columns.email"),
        ({"email": "Email\n"}, "columns.email"),
        ({"email": "Group"}, "Group is a reserved keyword of GoogleSQL"),
        ({"email": "company"}, "company is named for two columns"),
        ({"phone": "Phone"}, "columns.phone"),
    ],
)
def test_a_column_is_named_by_one_plain_identifier(columns: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        Rollout.model_validate({**CONTENT, "sources": {"lead": {"columns": columns}}})


def test_a_file_without_the_mapping_reads_the_columns_by_their_salesforce_names() -> None:
    without = Rollout.model_validate({key: value for key, value in CONTENT.items() if key != "sources"})
    assert without == Rollout.model_validate(CONTENT)
    assert without.catalogue.lead_columns == {key: column.name for key, column in source_columns.LEAD_COLUMNS.items()}
