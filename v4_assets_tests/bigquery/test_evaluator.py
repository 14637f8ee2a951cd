"""What DuckDB makes of our GoogleSQL is what Google's reference evaluator makes of it, cell by cell.

Worlds made for the features and for the evaluation reach their borders. Random rows in every table reach the rest: each
file of sql/ that asks is compared, whatever it is for, as soon as it is there.
"""

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from v4_assets import sql, tables
from v4_assets.clock import cutoff
from v4_assets.evaluation import assets, lift_before_contact
from v4_assets.models.assets import first_morning
from v4_assets.sql import Column
from v4_assets.tables import Table
from v4_assets.warehouse.duckdb import sql as duckdb_sql
from v4_assets.warehouse.duckdb import warehouse as duckdb
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.bigquery.googlesql import bound_parameters
from v4_assets_tests.bigquery.test_googlesql import ALIASES, QUERIES
from v4_assets_tests.bigquery.twin import TwinWarehouse, answered, catalogue, new_twin
from v4_assets_tests.evaluation import test_before_contact as before_contact
from v4_assets_tests.fixtures import cohort_worlds, worlds
from v4_assets_tests.fixtures.narrow import embedded

pytestmark = pytest.mark.extended

BUILT = (*tables.SHARED, tables.SOURCE_OBSERVATIONS, "features_v40", "features_v41")
WRITTEN_AT = datetime(2025, 7, 15, 10, tzinfo=UTC)
DAYS_OF_THE_CHAIN = worlds.INTERESTING_DAYS[::2]
"""With both changes of clocks, a leap day and three ends of months."""
COHORT_DAYS = (date(2025, 4, 20), date(2025, 12, 10), date(2026, 1, 12))
"""The first two have a change of clocks between contact and call."""


# --- the daily chain and the evaluation ----------------------------------------------------------------------------


@pytest.mark.parametrize("day", DAYS_OF_THE_CHAIN, ids=str)
def test_google_agrees_on_every_table_of_the_daily_chain(tmp_path, day):
    twin = new_twin(tmp_path)
    with twin.session():
        for key, rows in worlds.tables(worlds.random_world(random.Random(f"twin {day}"), day)).items():
            twin.replace_table(catalogue()[key], rows.to_batches())
        params = {"prediction_date": day, "cutoff": cutoff(day), "retrospective": False}
        for key in BUILT:
            write = PartitionWrite(catalogue()[key].name, day, WRITTEN_AT, False, "0" * 64, "run")
            log = catalogue()[tables.PARTITION_WRITES]
            twin.replace_partition(catalogue()[key], write, catalogue().query(key, params), log)
        twin.read(first_morning(catalogue(), day, 43))
    compared = dict(answered(twin.path))
    assert set(compared) == {*BUILT, tables.TRAINING_SET}
    assert compared["features_v40"] == compared["features_v41"] == compared[tables.SCORED_LEADS] > 10


def given_before(day: date) -> list[before_contact.GivenList]:
    """Lists of advisor 7 in the months about the contacts: one edition replaced by another, the next without it."""
    made = day - timedelta(days=70)
    month, following = made.replace(day=1), made.replace(day=1) + timedelta(days=31)
    first = before_contact.GivenList(month, cohort_worlds.at(made))
    second = before_contact.GivenList(month, cohort_worlds.at(made + timedelta(days=16)), 70, edition=2)
    return [first, second, before_contact.GivenList(following, cohort_worlds.at(made + timedelta(days=30)), None)]


@pytest.mark.parametrize("day", COHORT_DAYS, ids=str)
def test_google_agrees_on_everything_the_evaluation_asks(tmp_path, monkeypatch, day):
    cohorts = cohort_worlds.cohort_warehouse(tmp_path, engine=TwinWarehouse)
    with cohorts.warehouse.session():
        rng = random.Random(f"twin {day}")
        world = cohort_worlds.random_world(rng, day, cohorts.rollout.evaluation, leads=40)
        before_contact.put_scores(cohorts, before_contact.scored_months(rng, world, day - timedelta(days=57)))
        before_contact.put_lists(cohorts, given_before(day))
        for one in world.leads[::2]:
            one.crd = "7"
        cohorts.fill(world)
        evaluator = cohorts.evaluator(day)
        evidence = evaluator.compare()
        reading = lift_before_contact.write_reading(evaluator, assets.write_evidence(evaluator))
    assert len(evidence) == len(reading) == 4
    assert max(row["leads"] for row in reading) > 0
    assert {row["chosen_percentile"] for row in cohorts.all(tables.LEAD_OUTCOMES)} >= {90, 70, None}
    compared = dict(answered(embedded(cohorts.warehouse).path))
    assert {"lead_outcomes", "cohort_leads", "cohort_scores", "call_days", "top_decile_churn"} <= set(compared)
    assert {"scores_before_contact", "lift_before_contact"} <= set(compared)
    assert max(rows for name, rows in answered(embedded(cohorts.warehouse).path) if name == "cohort_leads") > 10


# --- random rows in every table ------------------------------------------------------------------------------------

DAYS = tuple(date(2026, 1, 1) + timedelta(days=number) for number in range(6))
INSTANTS = (*(cutoff(day) for day in DAYS), *(cutoff(day) - timedelta(microseconds=1) for day in DAYS))
WORDS = ("a", "b", "c")
SCORES = "daily_scores_v41"
SOURCE_WORDS = {
    "Id": [*(f"00Q{number:05d}aBcDeFG" for number in range(4)), "00QZZZZZZZZZZZZ", "00Q000000000001EAA", "00Q1", ""],
    "FA_CRD__c": [*filter(None, (*worlds.UNREADABLE_CRDS, *worlds.ABSENT_CRDS)), "3", "3.0", "CRD 10", "1,000", "03"],
}
"""Texts of columns whose values are read by rules of their own."""
ASKS_THE_SESSION = "time_zones"
"""The one query whose answer depends on the session on purpose; the evaluator's is in Los Angeles."""
_LITERAL = re.compile(r"'([^'\n]{1,40})'")


def words_of(file: str, columns: tuple[Column, ...]) -> list[str]:
    """Texts that a query may look for: those it names itself, and the categories of its columns."""
    named = _LITERAL.findall(sql.load(file).body)
    return [*WORDS, *named, *(word for column in columns for word in column.categories)]


def random_value(rng: random.Random, kind: str, words: list[str]) -> Any:
    if kind == "STRING":
        return rng.choice(words)
    if kind == "DATE":
        return rng.choice(DAYS)
    if kind == "TIMESTAMP":
        return rng.choice(INSTANTS)
    if kind == "BOOL":
        return rng.random() < 0.5
    return rng.choice((0, 1, 2, 3, 10)) if kind == "INT64" else rng.choice((0.0, 0.25, 0.5, 1.0, rng.random()))


def random_rows(rng: random.Random, file: str, table: Table) -> pa.Table:
    """Rows that keep the grain the table's contract declares: columns of the grain are never NULL and never repeat."""
    contract = sql.load(contract_of(table)) if not table.is_source else None
    grain = [one.name for one in table.columns if contract and re.search(rf"\b{one.name}\b", contract.grain)]
    rows = dict[tuple[Any, ...], dict[str, Any]]()
    for number in range(30):
        row = {
            one.name: None
            if one.name not in grain and rng.random() < 0.15
            else random_value(rng, one.type, SOURCE_WORDS.get(one.name, words_of(file, (one,))))
            for one in table.columns
        }
        one_row = contract is not None and contract.grain == "one row"
        rows[tuple(row[name] for name in grain) if grain else (0 if one_row else number,)] = row
    return pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(table))


def contract_of(table: Table) -> str:
    """The file whose header the columns of a table come from."""
    [*files] = [name for name in (table.key, "daily_scores", "prospect_scores", "feature_profile") if name in QUERIES]
    return next(name for name in files if sql.load(name).columns == table.columns)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinWarehouse]:
    made = new_twin(tmp_path_factory.mktemp("twin"))
    with made.session():
        yield made


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", [name for name in QUERIES if name != ASKS_THE_SESSION])
def test_google_agrees_on_random_rows(twin, name, seed):
    rng, file = random.Random(f"{name} {seed}"), sql.load(name)
    aliases = {key: ALIASES.get(key, SCORES) for key in file.inputs if key not in catalogue()}
    aliases |= {"actual": "daily_scores_v40"} if "actual" in aliases else {}
    used = [catalogue()[aliases.get(key, key)] for key in file.inputs]
    for table in used:
        twin.replace_table(table, random_rows(rng, name, table).to_batches())
    words = words_of(name, tuple(column for table in used for column in table.columns))
    declared = bound_parameters(name)
    params = {key: random_value(rng, kind, words) for key, kind in sorted(declared.items())}
    days = sorted(key for key, kind in declared.items() if kind == "DATE")
    params |= dict(zip(days, sorted(params[key] for key in days), strict=True))
    twin.read(catalogue().query(name, params, **aliases))


def test_a_session_that_is_not_in_utc_is_noticed_and_new_york_is_the_same_to_google(twin):
    query = catalogue().query(ASKS_THE_SESSION, {"cutoff": cutoff(DAYS[0])})
    new_york = {"new_york_hour": 0, "new_york_date": DAYS[0]}
    assert twin.google(query).to_pylist() == [{"session_hour": 21, **new_york}]
    assert DuckDBWarehouse.read(twin, query).to_pylist() == [{"session_hour": 5, **new_york}]


def test_the_comparison_tells_types_cells_and_rows_apart():
    table = pa.table({"n": pa.array([1, 2]), "x": pa.array([0.5, None])})
    assert_same(table, table.take([1, 0]), "turned round")
    wrong = {
        "another number": table.set_column(0, "n", pa.array([1, 3])),
        "another type": table.set_column(0, "n", pa.array([1.0, 2.0])),
        "no null": table.set_column(1, "x", pa.array([0.5, 0.0])),
        "a row more": pa.concat_tables([table, table.slice(0, 1)]),
        "another name": table.rename_columns(["m", "x"]),
    }
    for what, other in wrong.items():
        with pytest.raises(AssertionError, match=what):
            assert_same(table, other, what)


def test_a_query_that_means_something_else_on_duckdb_is_noticed(twin, monkeypatch):
    def mistaken(text: str) -> str:
        return duckdb_sql.to_duckdb(text).replace("COUNT(*)", "COUNT(*) + 1")

    monkeypatch.setattr(duckdb, "to_duckdb", mistaken)
    query = catalogue().query(
        "top_decile_churn", {"prediction_date": DAYS[1], "day_before": DAYS[0]}, daily_scores=SCORES
    )
    with pytest.raises(AssertionError, match="top_decile_churn, row 0, top_count"):
        twin.read(query)
