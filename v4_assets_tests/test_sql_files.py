"""Every file of sql/ is executed on every engine and makes the columns, grain and domains that its header states."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from v4_assets import sql, tables
from v4_assets.clock import cutoff
from v4_assets.config.environment import load
from v4_assets.models.assets import first_morning
from v4_assets.sql import Query
from v4_assets.tables import Catalogue, Datasets
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import ARROW_TYPES, Statement
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures import (
    cohorts_sql,
    daily_sql,
    deployment_sql,
    evaluation_sql,
    partitions_sql,
    prospects_sql,
    reference,
    salesforce_sql,
    worlds,
)
from v4_assets_tests.fixtures.daily_sql import BUILT, DAY, WRITTEN_AT, YESTERDAY, by_key, of_day, stored
from v4_assets_tests.fixtures.sql_files import FILES
from v4_assets_tests.fixtures.warehouses import EVERY_ENGINE, ProjectWarehouse, default_catalogue, emulated

if TYPE_CHECKING:
    from v4_assets_tests.bigquery.emulator import Emulator


OLD, NEW = "00Q000000000001AAA", "00Q000000000002AAA"


def chain_of_two_days(project: ProjectWarehouse) -> None:
    """Write the daily chain of YESTERDAY and DAY from one random world."""
    project.warehouse.create(project.catalogue.values(), project.catalogue.views)
    for key, rows in worlds.tables(worlds.random_world(random.Random(2), DAY, leads=120)).items():
        project.warehouse.replace_table(project.catalogue[key], rows.to_batches())
    for day in (YESTERDAY, DAY):
        for key in BUILT:
            table = project.catalogue[key]
            write = PartitionWrite(table.name, day, WRITTEN_AT, False, "0" * 64, "run")
            query = project.catalogue.query(key, of_day(day))
            project.warehouse.replace_partition(table, write, query, project.catalogue[tables.PARTITION_WRITES])


def on_bigquery(emulator: "Emulator") -> ProjectWarehouse:
    """In datasets of its own."""
    datasets = Datasets("sql_files_crm", "sql_files_advisors", "sql_files_features")
    for name in asdict(datasets).values():
        emulator.client().create_dataset(name)
    return ProjectWarehouse(emulated(emulator), Catalogue(datasets, default_catalogue().versions))


@pytest.fixture(scope="module", params=EVERY_ENGINE)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectWarehouse]:
    if request.param == "duckdb":
        file = tmp_path_factory.mktemp("project") / "warehouse.duckdb"
        project = ProjectWarehouse(DuckDBWarehouse(path=str(file)), default_catalogue())
    else:
        project = on_bigquery(request.getfixturevalue("emulator"))
    with project.warehouse.session():
        chain_of_two_days(project)
        yield project


def asked(monkeypatch: pytest.MonkeyPatch, project: ProjectWarehouse) -> set[str]:
    """The names of the queries and changes that the engine is given from now on."""
    engine, names = type(project.warehouse), set[str]()
    read, transact = engine.read, engine.transact

    def reading(self: Any, query: Query) -> pa.Table:
        names.add(query.name)
        return read(self, query)

    def changing(self: Any, statements: Sequence[Statement]) -> None:
        names.update(one.query.name for one in statements)
        transact(self, statements)

    monkeypatch.setattr(engine, "read", reading)
    monkeypatch.setattr(engine, "transact", changing)
    return names


KINDS = (daily_sql, cohorts_sql, partitions_sql, deployment_sql, evaluation_sql, salesforce_sql, prospects_sql)
EXECUTIONS = {name: execute for kind in KINDS for name, execute in kind.EXECUTIONS.items()}
"""File to a function that executes it, asserts its rows and returns them."""
ABRIDGED = daily_sql.ABRIDGED | partitions_sql.ABRIDGED
ABRIDGED |= deployment_sql.ABRIDGED | evaluation_sql.ABRIDGED | salesforce_sql.ABRIDGED | prospects_sql.ABRIDGED
"""Files whose header names their first columns and says in words which others follow."""


def test_every_file_of_sql_is_executed_here():
    assert sorted(EXECUTIONS) == list(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_makes_exactly_the_columns_of_its_header_in_its_types(project, name, monkeypatch):
    names = asked(monkeypatch, project)
    file, rows = sql.load(name), EXECUTIONS[name](project)
    assert name in names
    assert rows.num_rows > 0
    said = [column.name for column in file.columns]
    assert [found for found in rows.column_names if found in said or name not in ABRIDGED] == said
    for column in file.columns:
        found, wanted = rows.schema.field(column.name).type, ARROW_TYPES[column.type]
        # DuckDB's literals are narrower integers until they are stored.
        assert found == wanted or (pa.types.is_integer(found) and wanted == pa.int64()), column.name


@pytest.mark.parametrize("name", [*BUILT, tables.TRAINING_SET, tables.PRODUCTION, tables.DEPLOYMENTS])
def test_a_stored_table_has_the_contract_of_its_header(project, name):
    file = sql.load(name)
    found = list(project.warehouse.columns(project.catalogue[name]).items())
    assert found == [(column.name, column.type) for column in file.columns]


@pytest.mark.parametrize("name", [*BUILT, tables.TRAINING_SET])
def test_a_file_keeps_the_grain_and_the_domains_its_header_promises(project, name):
    file, rows = sql.load(name), EXECUTIONS[name](project)
    grain = [word for word in re.split(r", | and ", file.grain.removeprefix("one row per ")) if word]
    assert rows.group_by(grain).aggregate([]).num_rows == rows.num_rows
    for column in file.columns:
        values = rows[column.name]
        if column.categories:
            assert set(values.to_pylist()) <= set(column.categories), column.name
        if column.low is not None:
            assert (pc.min(values).as_py() or 0) >= column.low, column.name
        if column.high is not None:
            assert (pc.max(values).as_py() or 0) <= column.high, column.name


def test_observations_count_rows_nulls_and_the_newest_entry_before_the_cutoff(project):
    known = cutoff(DAY)
    lead = dict.fromkeys(worlds.SCHEMAS["lead"].names)
    leads = [
        lead | {"Id": OLD, "CreatedDate": known - timedelta(hours=1), "stage_entered_contacting__c": known},
        lead | {"Id": NEW, "CreatedDate": known, "Email": "a@example.com"},
    ]
    kept = project.warehouse.read(Query("leads", f"SELECT * FROM {project.catalogue[tables.LEAD].full_name}"))
    try:
        project.put(tables.LEAD, leads)
        found = project.read(tables.SOURCE_OBSERVATIONS, **of_day(DAY)).to_pylist()
    finally:
        project.warehouse.replace_table(project.catalogue[tables.LEAD], kept.to_batches())
    of_leads = {row["column_name"]: (row["row_count"], row["null_count"]) for row in found if row["source"] == "lead"}
    assert (of_leads["Id"], of_leads["Email"], of_leads["stage_entered_contacting__c"]) == ((1, 0), (1, 1), (1, 1))
    assert {row["latest_at"] for row in found if row["source"] == "lead"} == {known - timedelta(hours=1)}


@pytest.mark.parametrize(
    ("called", "converted"),
    [
        pytest.param(None, False, id="never"),
        pytest.param(datetime(2025, 7, 15, 4, tzinfo=UTC), True, id="at-the-first-cutoff"),
        pytest.param(datetime(2025, 8, 27, 3, 59, tzinfo=UTC), True, id="last-minute-of-day-43"),
        pytest.param(datetime(2025, 8, 27, 4, tzinfo=UTC), False, id="day-44"),
        pytest.param(datetime(2025, 7, 15, 3, 59, tzinfo=UTC), None, id="before-it-could-be-scored"),
    ],
)
def test_a_training_lead_converted_within_43_new_york_days_of_contact(tmp_path, called, converted):
    catalogue = load({"V4_HOME": str(tmp_path)}).rollout.catalogue
    warehouse = DuckDBWarehouse(path=str(tmp_path / "warehouse.duckdb"))
    lead = dict.fromkeys(worlds.SCHEMAS["lead"].names) | {"Id": OLD, "FA_CRD__c": "1"}
    lead |= {
        "stage_entered_contacting__c": datetime(2025, 7, 14, 20, tzinfo=UTC),
        "Stage_Entered_Call_Scheduled__c": called,
    }
    with warehouse.session():
        warehouse.create(catalogue.sources)
        for key, rows in worlds.tables(reference.SourceRows(leads=[lead])).items():
            warehouse.replace_table(catalogue[key], rows.to_batches())
        found = warehouse.read(first_morning(catalogue, DAY, 43)).to_pylist()
    assert [row["converted"] for row in found] == ([] if converted is None else [converted])


@pytest.mark.parametrize("name", BUILT)
def test_a_composed_query_equals_the_chain_written_table_by_table(project, name):
    query = sql.compose(name, [(key, key) for key in tables.SHARED], project.catalogue.names(), of_day(DAY))
    assert by_key(project.warehouse.read(query).to_pylist()) == stored(project, project.catalogue[name])
