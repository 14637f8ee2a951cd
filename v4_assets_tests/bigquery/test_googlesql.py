"""Every statement this project sends is GoogleSQL to Google's own analyzer, against the declared tables."""

import re
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import cache

import pytest

from v4_assets import sql, tables
from v4_assets.models.assets import first_morning
from v4_assets.sources import types as source_columns
from v4_assets.sql import Column, Query
from v4_assets.tables import Catalogue, Datasets, Table
from v4_assets.warehouse.bigquery.scripts import LOGGED, parameters, partition_script, statements_script, table_script
from v4_assets.warehouse.bigquery.tables import add_columns_ddl
from v4_assets.warehouse.protocol import Statement
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.bigquery.googlesql import GoogleSQL, bound_parameters, declared_parameters
from v4_assets_tests.bigquery.twin import catalogue, parameter_types
from v4_assets_tests.fixtures.lead_columns import RENAMED
from v4_assets_tests.fixtures.sql_files import FILES

pytestmark = pytest.mark.extended

DAY = date(2026, 1, 5)
AT = datetime(2026, 1, 5, 11, 30, tzinfo=UTC)
SAMPLES = {"DATE": DAY, "TIMESTAMP": AT, "INT64": 1, "FLOAT64": 0.5, "BOOL": True, "STRING": None}
"""A value for a parameter of each type; a text may be NULL."""
WRITE = PartitionWrite("scores", DAY, AT, False, "0" * 64, None, None)
ALIASES = {"features": "features_v41", "feature_profile": "feature_profile_v41", "undated": "production"}
ALIASES["prospect_scores"] = "prospect_scores_v41"
"""Which table a placeholder stands for that no table is called; any other is one of scores."""


@cache
def google() -> GoogleSQL:
    return GoogleSQL(tuple(catalogue().values()))


@cache
def renamed() -> Catalogue:
    """The tables of a firm that calls every Lead column otherwise."""
    ours = catalogue()
    return Catalogue(Datasets(), ours.versions, RENAMED, "WEEK(SATURDAY)")


def bound(name: str) -> Query:
    """sql/NAME.sql with values of the declared types."""
    file = sql.load(name)
    unnamed = [key for key in file.inputs if key not in catalogue()]
    aliases = {key: ALIASES.get(key, "daily_scores_v41") for key in unnamed}
    return catalogue().query(name, {key: SAMPLES[kind] for key, kind in bound_parameters(name).items()}, **aliases)


def leading(name: str) -> str:
    """The body without the comments it begins with."""
    return re.sub(r"\A(\s*--[^\n]*\n)+", "", sql.load(name).body).lstrip()


QUERIES = [name for name in FILES if leading(name).startswith(("SELECT", "WITH"))]
CHANGES = [name for name in FILES if name not in QUERIES]


@pytest.mark.parametrize("name", FILES)
def test_the_header_gives_every_parameter_a_type_that_is_the_same_in_every_file(name):
    declared = declared_parameters(name)
    assert set(declared) == set(sql.load(name).params)
    assert {key: parameter_types()[key] for key in declared} == declared


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_gives_the_columns_and_types_its_header_declares(name):
    file, found = sql.load(name), google().columns(bound(name).text, bound_parameters(name))
    said = [(column.name, column.type) for column in file.columns]
    # Where the query takes all columns of a table, the header names the first ones.
    assert found == said or (
        re.search(r"SELECT \*|\w\.\*", file.body) and [one for one in found if one in said] == said
    )


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_fits_the_table_it_changes(name):
    resolved = google().analyzed(bound(name).text, bound_parameters(name))
    target = resolved.table_scan.table.name
    [table] = [table for table in catalogue().values() if target in (table.name, table.full_name.replace("`", ""))]
    said = [(column.name, column.type) for column in sql.load(name).columns]
    assert set(said) <= {(column.name, column.type) for column in table.columns}


@pytest.mark.parametrize("view", (*catalogue().views, *renamed().views), ids=lambda view: view.name)
def test_a_view_is_googlesql(view):
    assert google().columns(view.query.text, {}) != []


@pytest.mark.parametrize("name", [name for name in FILES if tables.LEAD in sql.load(name).inputs])
def test_a_query_of_renamed_lead_columns_gives_what_its_header_declares(name):
    file = sql.load(name)
    aliases = {key: ALIASES[key] for key in file.inputs if key not in renamed()}
    query = renamed().query(name, {key: SAMPLES[kind] for key, kind in bound_parameters(name).items()}, **aliases)
    found = GoogleSQL(tuple(renamed().values())).columns(query.text, bound_parameters(name))
    assert found == [(column.name, column.type) for column in file.columns]
    assert file.names
    assert not {column.name for column in source_columns.LEAD_COLUMNS.values()} & set(re.findall(r"\w+", query.text))


def test_adding_columns_is_googlesql():
    table = catalogue()[tables.DEPLOYMENTS]
    added = (Column("note", "STRING", 'a "note"'), Column("count", "INT64", "how many"))
    resolved = google().analyzed(add_columns_ddl(table, added), {})
    found = [(action.is_if_not_exists, action.column_definition) for action in resolved.alter_action_list]
    assert [(once, column.name, column.annotations.not_null) for once, column in found] == [
        (True, "note", False),
        (True, "count", False),
    ]
    [described] = found[0][1].annotations.option_list
    assert (described.name, described.value.value.value.string_value) == ("description", 'a "note"')


def test_the_composed_training_day_is_googlesql():
    query = first_morning(catalogue(), DAY, 43)
    found = google().columns(query.text, {name: parameter_types()[name] for name in query.params})
    assert found == [(column.name, column.type) for column in catalogue()[tables.TRAINING_SET].columns]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("SELECT nothing FROM {lead}", "Unrecognized name: nothing", id="column"),
        pytest.param("SELECT Id FROM {lead} WHERE CreatedDate < @day", "No matching signature", id="type"),
        pytest.param("SELECT Id FROM nowhere.v4_leads", "Table not found", id="table"),
        pytest.param("SELECT Id::INT64 FROM {lead}", "Syntax error", id="dialect"),
        pytest.param("SELECT epoch_ms(1)", "Function not found: epoch_ms", id="function"),
    ],
)
def test_the_analyzer_would_notice(text, message):
    with pytest.raises(Exception, match=message):
        google().columns(text.format(lead=catalogue()[tables.LEAD].full_name), {"day": "DATE"})


# --- the scripts of the warehouse ----------------------------------------------------------------------------------

_SET = re.compile(r"SET (\w+) = (.+)", re.DOTALL)
_IF = re.compile(r"IF (.+?) THEN RAISE USING MESSAGE = (.+)", re.DOTALL)


def analyze(script: Query) -> None:
    """Each statement of a script with the script's variables as parameters, for the analyzer knows no scripts."""
    declared, *statements = re.split(r";\n|;$", script.text)
    names = declared.removeprefix("DECLARE ").removesuffix(" INT64").split(", ")
    types = {one.name: one.type_ for one in parameters(script.params)} | dict.fromkeys(names, "INT64")
    for statement in filter(None, (part.replace(" END IF", "").strip() for part in statements)):
        if statement in ("BEGIN TRANSACTION", "COMMIT TRANSACTION"):
            google().analyzed(statement, {})
        elif found := _SET.fullmatch(statement):
            assert found[1] in names
            assert result_types(found[2], names, types) == ["INT64"]
        elif found := _IF.fullmatch(statement):
            assert result_types(f"{found[1]}, {found[2]}", names, types) == ["BOOL", "STRING"]
        else:
            google().analyzed(as_parameters(statement, names), types)


def result_types(expressions: str, names: list[str], types: dict[str, str]) -> list[str]:
    text = as_parameters(expressions, names).replace("@@row_count", "CAST(1 AS INT64)")
    return [kind for _, kind in google().columns(f"SELECT {text}", types)]


def as_parameters(text: str, names: list[str]) -> str:
    return re.sub(rf"(?<![@\w`])({'|'.join(names)})\b", r"@\1", text)


def rows_of(table: Table) -> Query:
    return Query(table.key, f"SELECT * FROM {table.full_name}")


@pytest.mark.parametrize("key", [name for name in QUERIES if name in catalogue() and catalogue()[name].is_partitioned])
def test_what_a_query_makes_can_be_written_into_the_table_of_its_name(key):
    script = partition_script(catalogue()[key], WRITE, bound(key), catalogue()[tables.PARTITION_WRITES])
    assert asdict(WRITE).keys() - {*LOGGED} == {
        name.removeprefix("v4_") for name in script.params if name.startswith("v4_")
    }
    analyze(script)


def test_a_table_and_a_slice_can_be_replaced():
    table = catalogue()[tables.SALESFORCE_STATE]
    analyze(table_script(table, rows_of(table)))
    analyze(table_script(table, rows_of(table), {"org_id": "00D"}))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_can_be_made_in_a_transaction_beside_another(name):
    analyze(statements_script([Statement(bound(name), 1), Statement(bound(CHANGES[0]))]))


def test_a_script_that_puts_a_text_into_a_number_is_noticed():
    table = catalogue()[tables.PARTITION_WRITES]
    columns = ", ".join("'1' AS sequence" if one.name == "sequence" else one.name for one in table.columns)
    with pytest.raises(Exception, match="has type STRING which cannot be inserted into column sequence"):
        analyze(table_script(table, Query("log", f"SELECT {columns} FROM {table.full_name}")))
