"""Every file of sql/ is executed on DuckDB and does what its header says; a header that does not agree is refused."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from v4_assets import sql, tables
from v4_assets.clock import cutoff
from v4_assets.config.environment import load
from v4_assets.config.rollout_policy import Weeks
from v4_assets.errors import SqlFileError
from v4_assets.models.assets import first_morning
from v4_assets.sql import Query, SqlFile
from v4_assets.tables import Catalogue, Datasets, Table
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import ARROW_TYPES, arrow_schema
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures import deployment_sql, reference, salesforce_sql, worlds

FILES = tuple(sql.files())
assert len(FILES) == 51, "a file of sql/ was added, removed or not found"
BUILT = (*tables.SHARED, tables.SOURCE_OBSERVATIONS, "features_v40", "features_v41")
"""The files that fill a partition of the table of the same name, each after what it reads."""
REMOVED = ("industry_tenure_months", "tenure_bucket_x_mobility", "independent_ria_x_ia_rep", "recent_mover_x_bleeding")

DAY = date(2025, 7, 15)
YESTERDAY = DAY - timedelta(days=1)
WRITTEN_AT = datetime(2025, 7, 15, 10, tzinfo=UTC)


@dataclass(frozen=True)
class House:
    """A warehouse in which the daily chain of two days was written from one random world."""

    warehouse: DuckDBWarehouse
    catalogue: Catalogue

    def read(self, file: str, aliases: dict[str, str] | None = None, **params: Any) -> pa.Table:
        return self.warehouse.read(self.catalogue.query(file, params, **(aliases or {})))

    def stored(self, table: Table, day: date = DAY) -> list[dict[str, Any]]:
        """A partition's rows, by what identifies them."""
        query = Query("stored", f"SELECT * FROM {table.full_name} WHERE prediction_date = @day", {"day": day})
        return by_key(self.warehouse.read(query).to_pylist())

    def put(self, key: str, rows: list[dict[str, Any]]) -> None:
        table = self.catalogue[key]
        self.warehouse.replace_table(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)).to_batches())


def by_key(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [str(value) for value in list(row.values())[:3]])


def of_day(day: date) -> dict[str, Any]:
    return {"prediction_date": day, "cutoff": cutoff(day), "retrospective": False}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    catalogue = load({"V4_HOME": str(folder)}).rollout.catalogue
    house = House(DuckDBWarehouse(path=str(folder / "warehouse.duckdb")), catalogue)
    with house.warehouse.session():
        house.warehouse.create(catalogue.values(), catalogue.views)
        for key, rows in worlds.tables(worlds.random_world(random.Random(2), DAY, leads=120)).items():
            house.warehouse.replace_table(catalogue[key], rows.to_batches())
        for day in (YESTERDAY, DAY):
            for key in BUILT:
                table = catalogue[key]
                write = PartitionWrite(table.name, day, WRITTEN_AT, False, "0" * 64, "run")
                query = catalogue.query(key, of_day(day))
                house.warehouse.replace_partition(table, write, query, catalogue[tables.PARTITION_WRITES])
        yield house


# --- every file is executed ----------------------------------------------------------------------------------------


def scores(house: House) -> pa.Table:
    row = {
        **{"prediction_date": DAY, "lead_id": "a", "advisor_crd": None, "score": 0.25, "percentile": 7, "decile": 1},
        **{"deprioritize": True, "reason_1": None, "reason_2": None, "reason_3": None, "model_version": "v4.1.0"},
        **{"model_sha256": "0" * 64, "scored_at": WRITTEN_AT, "retrospective": False},
    }
    house.put("daily_scores_v41", [row | {"prediction_date": YESTERDAY}, row])
    rows = house.read("daily_scores", {"daily_scores": "daily_scores_v41"}, prediction_date=DAY)
    assert rows.to_pylist() == [row]
    return rows


def ranks(house: House) -> pa.Table:
    [row] = scores(house).to_pylist()
    rows = house.read("score_ranks", {"daily_scores": "daily_scores_v41"}, prediction_date=DAY)
    assert rows.to_pylist() == [{"score": row["score"], "percentile": row["percentile"]}]
    return rows


def profile(house: House) -> pa.Table:
    row = {"feature": "tenure_months", "row_count": 4, "missing_count": 1, "mean": 2.5, "psi": None}
    stored = [{"prediction_date": DAY - timedelta(days=age), **row, "retrospective": False} for age in range(4)]
    house.put("feature_profile_v40", stored)
    window = {"first_day": DAY - timedelta(days=2), "last_day": YESTERDAY}
    rows = house.read("feature_profile", {"feature_profile": "feature_profile_v40"}, **window)
    assert by_key(rows.to_pylist()) == by_key(stored[1:3])
    return rows


def features_of_day(house: House) -> pa.Table:
    rows = house.read("features_of_day", {"features": "features_v41"}, prediction_date=YESTERDAY)
    assert by_key(rows.to_pylist()) == house.stored(house.catalogue["features_v41"], YESTERDAY)
    return rows


def rows_of_days(house: House) -> pa.Table:
    table = house.catalogue["features_v41"]
    names, days = {"dated": table.full_name}, {"first_day": DAY, "last_day": DAY}
    rows = house.warehouse.read(sql.bind(sql.load("rows_of_days"), names, days))
    assert by_key(rows.to_pylist()) == house.stored(table)
    return rows


def rows_of_table(house: House) -> pa.Table:
    rows = [{"version": "v4.0.0", "model_sha256": "0" * 64}]
    house.put(tables.PRODUCTION, rows)
    names = {"undated": house.catalogue[tables.PRODUCTION].full_name}
    found = house.warehouse.read(sql.bind(sql.load("rows_of_table"), names, {}))
    assert found.select(["version", "model_sha256"]).to_pylist() == rows
    return found


def latest_features(house: House) -> pa.Table:
    rows = house.read("production_features", {"features": "features_v40"})
    assert by_key(rows.to_pylist()) == house.stored(house.catalogue["features_v40"])
    view = next(view for view in house.catalogue.views if view.name == "v4_production_features")
    viewed = house.warehouse.read(Query("view", f"SELECT * FROM `{view.dataset}`.`{view.name}`"))
    assert by_key(viewed.to_pylist()) == by_key(rows.to_pylist())
    return rows


def contacted_yesterday(house: House) -> pa.Table:
    rows = house.read("leads_contacted_yesterday", prediction_date=DAY)
    assert set(rows["contacted_on"].to_pylist()) == {YESTERDAY}
    assert set(rows["prediction_date"].to_pylist()) == {DAY}
    return rows


def coverage(house: House) -> pa.Table:
    house.put("daily_scores_v40", [score_of(lead) for lead in ("extra", "twice", "twice")])
    house.put("daily_scores_v41", [score_of(lead) for lead in ("twice", "missing", "also missing")])
    aliases = {"expected": "daily_scores_v41", "actual": "daily_scores_v40"}
    rows = house.read("lead_coverage", aliases, prediction_date=DAY)
    assert rows.to_pylist() == [
        {"expected_count": 3, "actual_count": 3, "distinct_count": 2, "missing_count": 2, "extra_count": 1}
    ]
    nothing = house.read("lead_coverage", aliases, prediction_date=YESTERDAY).to_pylist()
    assert [set(row.values()) for row in nothing] == [{0}]
    return rows


def score_of(lead_id: str) -> dict[str, Any]:
    return {"prediction_date": DAY, "lead_id": lead_id}


def latest_writes(house: House) -> pa.Table:
    base = {"table_name": "t", "prediction_date": DAY, "sequence": 1, "written_at": WRITTEN_AT, "row_count": 9}
    base |= {"retrospective": True, "definition_sha256": "0" * 64, "run_id": None, "replace_reason": None}
    writes = [base | {"sequence": sequence} for sequence in (1, 3, 2)]
    writes += [base | {"table_name": "u"}, base | {"prediction_date": YESTERDAY}]
    house.put(tables.PARTITION_WRITES, writes)
    rows = house.read(tables.PARTITION_WRITES, first_day=DAY, last_day=DAY)
    assert by_key(rows.to_pylist()) == [writes[1], writes[3]]
    return rows


def observations(house: House) -> pa.Table:
    rows = house.read("recent_source_observations", first_day=YESTERDAY, last_day=YESTERDAY)
    columns = [column.name for column in sql.load("recent_source_observations").columns]
    stored = house.stored(house.catalogue[tables.SOURCE_OBSERVATIONS], YESTERDAY)
    assert by_key(rows.to_pylist()) == [{name: row[name] for name in columns} for row in stored]
    return rows


def trained(house: House) -> pa.Table:
    rows = house.warehouse.read(first_morning(house.catalogue, DAY, 43))
    waiting = {row["lead_id"] for row in house.stored(house.catalogue[tables.SCORED_LEADS])}
    assert set(rows["lead_id"].to_pylist()) <= waiting
    assert set(rows["contacted_on"].to_pylist()) == {YESTERDAY}
    house.put(tables.TRAINING_SET, rows.to_pylist())
    return rows


CONTACTS: dict[str, Any] = {"first_contact": DAY - timedelta(days=100), "last_contact": YESTERDAY}
COHORT = CONTACTS | {"first_scored": DAY - timedelta(days=99), "last_scored": DAY + timedelta(days=2)}


def outcomes(house: House) -> pa.Table:
    window: dict[str, Any] = {
        "first_contact": CONTACTS["first_contact"],
        "last_matured": DAY - timedelta(days=44),
        "window_days": 43,
    }
    rows = house.read(tables.LEAD_OUTCOMES, **of_day(DAY), **window)
    found = rows.to_pylist()
    assert {row["converted"] for row in found if (row["contacted_on"] or DAY) > window["last_matured"]} == {None}
    assert {row["converted"] for row in found if (row["contacted_on"] or DAY) <= window["last_matured"]} == {
        True,
        False,
    }
    assert max(row["called_on"] for row in found if row["called_on"]) <= YESTERDAY
    house.put(tables.LEAD_OUTCOMES, found)
    return rows


def calls(house: House) -> pa.Table:
    known = {row["called_on"] for row in outcomes(house).to_pylist()}
    first = DAY - timedelta(days=50)
    rows = house.read("call_days", prediction_date=DAY, first_day=first)
    assert sorted(rows["called_on"].to_pylist()) == sorted(day for day in known if day and day >= first)
    return rows


def in_time(house: House) -> list[dict[str, Any]]:
    """Rows of scored_leads 1 to 3 days after contact."""
    rows = [row for day in (YESTERDAY, DAY) for row in house.stored(house.catalogue[tables.SCORED_LEADS], day)]
    return [row for row in rows if 1 <= (row["prediction_date"] - row["contacted_on"]).days <= 3]


def cohort_leads(house: House) -> pa.Table:
    known = {row["lead_id"]: row for row in outcomes(house).to_pylist()}
    rows = house.read("cohort_leads", prediction_date=DAY, **COHORT)
    found = {row["lead_id"]: row for row in rows.to_pylist()}
    listed = {row["lead_id"]: row["contacted_on"] for row in reversed(in_time(house))}
    assert {lead for lead, row in found.items() if row["is_listed"]} == set(listed)
    for lead, row in found.items():
        assert row["called_on"] == (known[lead]["called_on"] if lead in known else None)
        if not row["is_listed"]:
            assert (known[lead]["has_crd"], known[lead]["is_own"]) == (True, False)
            assert row["contacted_on"] == known[lead]["contacted_on"]
    return rows


def cohort_scores(house: House) -> pa.Table:
    [base] = scores(house).to_pylist()
    listed = in_time(house)
    made = [base | {key: row[key] for key in ("prediction_date", "lead_id")} for row in listed]
    house.put("daily_scores_v41", [*made, base | {"lead_id": "nobody"}])
    rows = house.read("cohort_scores", {"daily_scores": "daily_scores_v41"}, **COHORT)
    keys = ("lead_id", "contacted_on", "prediction_date")
    assert sorted(tuple(row.values())[:3] for row in rows.to_pylist()) == sorted(
        tuple(row[key] for key in keys) for row in listed
    )
    assert {tuple(row.values())[3:] for row in rows.to_pylist()} == {(0.25, 1, True, "0" * 64, False)}
    return rows


def churn(house: House) -> pa.Table:
    [base] = scores(house).to_pylist()
    today = {"stayed": 10, "new in it": 10, "new to all": 10, "elsewhere": 9}
    before = {"stayed": 10, "new in it": 9, "elsewhere": 10}
    made = [base | {"lead_id": lead, "decile": decile} for lead, decile in today.items()]
    made += [base | {"lead_id": lead, "decile": one, "prediction_date": YESTERDAY} for lead, one in before.items()]
    house.put("daily_scores_v41", made)
    names = {"daily_scores": "daily_scores_v41"}
    rows = house.read("top_decile_churn", names, prediction_date=DAY, day_before=YESTERDAY)
    assert rows.to_pylist() == [{"top_count": 3, "known_count": 2, "new_count": 1}]
    return rows


def compared(house: House) -> pa.Table:
    columns = sql.load(tables.LIFT_COMPARISON).columns
    base: dict[str, Any] = {
        column.name: {"INT64": 3, "FLOAT64": 0.5, "BOOL": False}.get(column.type) for column in columns
    }
    base |= {"version": "v4.1.0", "cohort_from": YESTERDAY, "cohort_to": YESTERDAY}
    stored = [
        base | {"prediction_date": day, "question": question}
        for day in (YESTERDAY, DAY)
        for question in ("promotion", "rollback")
    ]
    house.put(tables.LIFT_COMPARISON, stored[::-1])
    assert house.read(tables.LIFT_COMPARISON, first_day=DAY, last_day=DAY).to_pylist() == stored[2:]
    rows = house.read(tables.LIFT_COMPARISON, first_day=YESTERDAY, last_day=DAY)
    assert rows.to_pylist() == stored
    return rows


def decile_row(day: date, decile: int) -> dict[str, Any]:
    return {
        **{"prediction_date": day, "question": "rollback", "version": "v4.1.0", "ranking": "cohort", "decile": decile},
        **{"leads": 10.0, "conversions": 1.0, "conversion_rate": 0.1, "conversion_rate_low": None},
        **{"conversion_rate_high": None, "lift": 1.5, "retrospective": False},
    }


def by_decile(house: House) -> pa.Table:
    stored = [decile_row(day, decile) for day in (YESTERDAY, DAY) for decile in (1, 10)]
    house.put(tables.LIFT_BY_DECILE, stored[::-1])
    rows = house.read(tables.LIFT_BY_DECILE, first_day=DAY, last_day=DAY)
    assert rows.to_pylist() == stored[2:]
    return rows


def weekly(house: House) -> pa.Table:
    # A Sunday and the Monday after it; DAY is a Tuesday.
    monday = DAY - timedelta(days=1)
    stored = [decile_row(monday - timedelta(days=age), 10) for age in (-2, 0, 1, 3, 7)]
    house.put(tables.LIFT_BY_DECILE, stored)
    rows = house.read("weekly_lift_by_decile")
    found = sorted((row["week_from"], row["prediction_date"], row["is_closed"]) for row in rows.to_pylist())
    last = monday - timedelta(days=7)
    assert found == [(last, monday - timedelta(days=1), True), (monday, monday + timedelta(days=2), False)]
    view = next(view for view in house.catalogue.views if view.name == "v4_weekly_lift_by_decile")
    viewed = house.warehouse.read(Query("view", f"SELECT * FROM `{view.dataset}`.`{view.name}`"))
    assert by_key(viewed.to_pylist()) == by_key(rows.to_pylist())
    to_monday = Catalogue(Datasets(), house.catalogue.versions, week=Weeks(end_on="monday").date_part)
    others = house.warehouse.read(to_monday.query("weekly_lift_by_decile"))
    assert sorted({(row["week_from"], row["prediction_date"], row["is_closed"]) for row in others.to_pylist()}) == [
        (monday - timedelta(days=13), monday - timedelta(days=7), True),
        (monday - timedelta(days=6), monday, True),
        (monday + timedelta(days=1), monday + timedelta(days=2), False),
    ]
    return rows


def zones(house: House) -> pa.Table:
    rows = house.read("time_zones", cutoff=cutoff(DAY))
    assert rows.to_pylist() == [{"session_hour": cutoff(DAY).hour, "new_york_hour": 0, "new_york_date": DAY}]
    return rows


def built(name: str, house: House) -> pa.Table:
    rows = house.read(name, **{key: value for key, value in of_day(DAY).items() if key in sql.load(name).params})
    assert by_key(rows.to_pylist()) == house.stored(house.catalogue[name])
    return rows


EXECUTIONS = {name: partial(built, name) for name in BUILT} | {
    "call_days": calls,
    "cohort_leads": cohort_leads,
    "cohort_scores": cohort_scores,
    "daily_scores": scores,
    "feature_profile": profile,
    "features_of_day": features_of_day,
    "lead_coverage": coverage,
    "lead_outcomes": outcomes,
    "leads_contacted_yesterday": contacted_yesterday,
    "lift_by_decile": by_decile,
    "lift_comparison": compared,
    "partition_writes": latest_writes,
    "production_features": latest_features,
    "recent_source_observations": observations,
    "rows_of_days": rows_of_days,
    "rows_of_table": rows_of_table,
    "score_ranks": ranks,
    "time_zones": zones,
    "top_decile_churn": churn,
    "training_set": trained,
    "weekly_lift_by_decile": weekly,
}
EXECUTIONS |= deployment_sql.EXECUTIONS | salesforce_sql.EXECUTIONS
"""File to a function that executes it, asserts its rows and returns them."""
ABRIDGED = {"features_of_day", "leads_contacted_yesterday", "production_features", "rows_of_days", "rows_of_table"}
ABRIDGED |= deployment_sql.ABRIDGED | salesforce_sql.ABRIDGED
"""Files whose header names their first columns and says in words which others follow."""


def test_every_file_of_sql_is_executed_here():
    assert sorted(EXECUTIONS) == list(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_makes_exactly_the_columns_of_its_header_in_its_types(house, name):
    file, rows = sql.load(name), EXECUTIONS[name](house)
    assert rows.num_rows > 0
    said = [column.name for column in file.columns]
    assert [found for found in rows.column_names if found in said or name not in ABRIDGED] == said
    for column in file.columns:
        found, wanted = rows.schema.field(column.name).type, ARROW_TYPES[column.type]
        # DuckDB's literals are narrower integers until they are stored.
        assert found == wanted or (pa.types.is_integer(found) and wanted == pa.int64()), column.name


@pytest.mark.parametrize("name", [*BUILT, tables.TRAINING_SET, tables.PRODUCTION, tables.DEPLOYMENTS])
def test_a_stored_table_has_the_contract_of_its_header(house, name):
    file = sql.load(name)
    found = list(house.warehouse.columns(house.catalogue[name]).items())
    assert found == [(column.name, column.type) for column in file.columns]


@pytest.mark.parametrize("name", [*BUILT, tables.TRAINING_SET])
def test_a_file_keeps_the_grain_and_the_domains_its_header_promises(house, name):
    file, rows = sql.load(name), EXECUTIONS[name](house)
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


def test_observations_count_rows_nulls_and_the_newest_entry_before_the_cutoff(house):
    known = cutoff(DAY)
    lead = dict.fromkeys(worlds.SCHEMAS["lead"].names)
    leads = [
        lead | {"Id": "old", "CreatedDate": known - timedelta(hours=1), "stage_entered_contacting__c": known},
        lead | {"Id": "new", "CreatedDate": known, "Email": "a@example.com"},
    ]
    kept = house.warehouse.read(Query("leads", f"SELECT * FROM {house.catalogue[tables.LEAD].full_name}"))
    try:
        house.put(tables.LEAD, leads)
        found = house.read(tables.SOURCE_OBSERVATIONS, **of_day(DAY)).to_pylist()
    finally:
        house.warehouse.replace_table(house.catalogue[tables.LEAD], kept.to_batches())
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
    lead = dict.fromkeys(worlds.SCHEMAS["lead"].names) | {"Id": "a", "FA_CRD__c": "1"}
    lead |= {
        "stage_entered_contacting__c": datetime(2025, 7, 14, 20, tzinfo=UTC),
        "Stage_Entered_Call_Scheduled__c": called,
    }
    with warehouse.session():
        warehouse.create(catalogue.sources)
        for key, rows in worlds.tables(reference.World(leads=[lead])).items():
            warehouse.replace_table(catalogue[key], rows.to_batches())
        found = warehouse.read(first_morning(catalogue, DAY, 43)).to_pylist()
    assert [row["converted"] for row in found] == ([] if converted is None else [converted])


@pytest.mark.parametrize("name", BUILT)
def test_a_composed_query_equals_the_chain_written_table_by_table(house, name):
    query = sql.compose(name, [(key, key) for key in tables.SHARED], house.catalogue.names(), of_day(DAY))
    assert by_key(house.warehouse.read(query).to_pylist()) == house.stored(house.catalogue[name])


# --- the model's features ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "version", "count"), [("features_v40", "v4.0.0", 14), ("features_v41", "v4.1.0", 22)])
def test_a_version_has_exactly_its_features_in_its_order(name, version, count):
    features = tuple(column.name for column in sql.load(name).features)
    assert (len(features), features) == (count, reference.FEATURES[version])


def test_the_removed_features_are_made_nowhere():
    for name in FILES:
        file = sql.load(name)
        text = sql.path_of(name).read_text(encoding="utf-8")
        assert [removed for removed in REMOVED if removed in text] == [], name
        assert {column.name for column in file.columns}.isdisjoint(REMOVED), name


TENURE = ("0-12", "12-24", "24-48", "48-120", "120+", "Unknown")
STABILITY = ("Unknown", "Heavy_Bleeding", "Light_Bleeding", "Stable", "Growing")


@pytest.mark.parametrize(
    ("feature", "order", "missing"),
    [
        ("tenure_bucket", TENURE, "Unknown"),
        ("experience_bucket", ("0-5", "5-10", "10-15", "15-20", "20+"), None),
        ("mobility_tier", ("Stable", "Low_Mobility", "High_Mobility"), None),
        ("firm_stability_tier", STABILITY, "Unknown"),
    ],
)
def test_categories_stand_in_their_ordinal_order(feature, order, missing):
    found = [column for name in ("features_v40", "features_v41") for column in sql.load(name).features]
    declared = {(column.categories, column.missing) for column in found if column.name == feature}
    assert declared == {(order, missing)}


# --- headers -------------------------------------------------------------------------------------------------------

GOOD = """\
-- counted: how many leads,
-- over two lines.
-- grain:   one row per day
-- inputs:  {{lead}}
-- params:  @day DATE
-- output:
--   day     DATE  the day
-- features:
--   share   FLOAT64 [0..1; missing 0]  of all
--   change  INT64 [-5..]  since then
--   size    STRING [small | large; missing small]  in this order
-- marks:
--   late    BOOL  or not

SELECT @day AS day, 0.5 AS share, 1 AS change, 'small' AS size, FALSE AS late FROM {{lead}};
"""


def test_a_header_is_read_as_a_contract():
    assert sql.parse("counted", GOOD) == SqlFile(
        name="counted",
        purpose="how many leads, over two lines.",
        grain="one row per day",
        inputs=("lead",),
        names=(),
        params=("day",),
        columns=(
            sql.Column("day", "DATE", "the day"),
            sql.Column("share", "FLOAT64", "of all", low=0.0, high=1.0, missing=0, is_feature=True),
            sql.Column("change", "INT64", "since then", low=-5.0, is_feature=True),
            sql.Column("size", "STRING", "in this order", ("small", "large"), missing="small", is_feature=True),
            sql.Column("late", "BOOL", "or not"),
        ),
        body="SELECT @day AS day, 0.5 AS share, 1 AS change, 'small' AS size, FALSE AS late FROM {{lead}}",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            "-- counted: how many leads,",
            "-- counts: how many leads,",
            "sql/counted.sql must begin with '-- counted: purpose'; it begins with ['-- counts: how many leads,'].",
            id="wrong-title",
        ),
        pytest.param(
            "--   day     DATE  the day",
            "--   day     DAY  the day",
            "sql/counted.sql: cannot read the column in '--   day     DAY  the day'.",
            id="unknown-type",
        ),
        pytest.param(
            "--   late    BOOL  or not",
            "--   late    BOOL or not",
            "Expected '--   name TYPE [domain; missing value]  meaning', two spaces before the meaning.",
            id="one-space-before-the-meaning",
        ),
        pytest.param(
            "-- inputs:  {{lead}}",
            "-- inputs:  {{lead}}, {{production}}",
            "sql/counted.sql: its header lists inputs ['lead', 'production'], its body uses ['lead'].",
            id="inputs-disagree",
        ),
        pytest.param(
            "-- inputs:  {{lead}}\n",
            "",
            "sql/counted.sql: its header lists inputs [], its body uses ['lead'].",
            id="inputs-missing",
        ),
        pytest.param(
            "-- params:  @day DATE",
            "-- params:  @date DATE",
            "sql/counted.sql: its header lists params ['date'], its body uses ['day'].",
            id="params-disagree",
        ),
        pytest.param(
            "-- params:  @day DATE",
            "-- parms:   @day DATE",
            "sql/counted.sql: '-- parms:   @day DATE' is neither an entry nor 'output:'. Correct the header.",
            id="unknown-entry",
        ),
        pytest.param(
            GOOD[GOOD.index("-- output:") : GOOD.index("\nSELECT")],
            "",
            "sql/counted.sql needs a grain, output columns and a body.",
            id="output-missing",
        ),
        pytest.param(
            "-- grain:   one row per day\n",
            "",
            "sql/counted.sql needs a grain, output columns and a body.",
            id="grain-missing",
        ),
        pytest.param(
            GOOD[GOOD.index("SELECT") :],
            "",
            "sql/counted.sql needs a grain, output columns and a body.",
            id="body-missing",
        ),
        pytest.param(GOOD, "", "it begins with [].", id="empty-file"),
    ],
)
def test_a_header_that_does_not_agree_is_refused_by_name(old, new, message):
    assert old in GOOD
    with pytest.raises(SqlFileError) as caught:
        sql.parse("counted", GOOD.replace(old, new))
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(SqlFileError, match=r"scored_deals\.sql was not found in .*/sql\. Add the file"):
        sql.load("scored_deals")


def test_a_table_nobody_knows_and_a_parameter_nobody_gave_are_named():
    file = sql.parse("counted", GOOD)
    with pytest.raises(SqlFileError, match=r"reads \['lead'\], which has no name\. Known: \['leads'\]"):
        sql.bind(file, {"leads": "`crm`.`Lead`"}, {"day": DAY})
    with pytest.raises(SqlFileError, match=r"needs a value for @day; got \['date'\]"):
        sql.bind(file, {"lead": "`crm`.`Lead`"}, {"date": DAY})


def test_a_query_carries_exactly_the_parameters_of_its_header():
    query = sql.bind(sql.parse("counted", GOOD), {"lead": "`crm`.`Lead`"}, {"day": DAY, "cutoff": cutoff(DAY)})
    assert query.params == {"day": DAY}
    assert query.text.endswith("FROM `crm`.`Lead`")
