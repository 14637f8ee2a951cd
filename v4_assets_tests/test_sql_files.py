"""Every file of sql/ is executed on every engine and does what its header says; a header that disagrees is refused."""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

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
from v4_assets.warehouse.protocol import ARROW_TYPES, Statement
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures import deployment_sql, evaluation_sql, prospects_sql, reference, salesforce_sql, worlds
from v4_assets_tests.fixtures.sql_files import FILES
from v4_assets_tests.fixtures.warehouses import EVERY_ENGINE, ProjectWarehouse, default_catalogue, emulated

if TYPE_CHECKING:
    from v4_assets_tests.bigquery.emulator import Emulator

BUILT = (*tables.SHARED, tables.SOURCE_OBSERVATIONS, "features_v40", "features_v41")
"""The files that fill a partition of the table of the same name, each after what it reads."""
REMOVED = ("industry_tenure_months", "tenure_bucket_x_mobility", "independent_ria_x_ia_rep", "recent_mover_x_bleeding")

OLD, NEW = "00Q000000000001AAA", "00Q000000000002AAA"
DAY = date(2025, 7, 15)
YESTERDAY = DAY - timedelta(days=1)
WRITTEN_AT = datetime(2025, 7, 15, 10, tzinfo=UTC)


def stored(project: ProjectWarehouse, table: Table, day: date = DAY) -> list[dict[str, Any]]:
    """A partition's rows, by what identifies them."""
    query = Query("stored", f"SELECT * FROM {table.full_name} WHERE prediction_date = @day", {"day": day})
    return by_key(project.warehouse.read(query).to_pylist())


def by_key(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [str(value) for value in list(row.values())[:3]])


def of_day(day: date) -> dict[str, Any]:
    return {"prediction_date": day, "cutoff": cutoff(day), "retrospective": False}


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


# --- every file is executed ----------------------------------------------------------------------------------------


def scores(project: ProjectWarehouse) -> pa.Table:
    row = {
        **{"prediction_date": DAY, "lead_id": "a", "advisor_crd": None, "score": 0.25, "percentile": 7, "decile": 1},
        **{"deprioritize": True, "reason_1": None, "reason_2": None, "reason_3": None, "model_version": "v4.1.0"},
        **{"model_sha256": "0" * 64, "bundle_sha256": "1" * 64, "scored_at": WRITTEN_AT, "retrospective": False},
    }
    project.put("daily_scores_v41", [row | {"prediction_date": YESTERDAY}, row])
    rows = project.read("daily_scores", {"daily_scores": "daily_scores_v41"}, prediction_date=DAY)
    assert rows.to_pylist() == [row]
    return rows


def ranks(project: ProjectWarehouse) -> pa.Table:
    [row] = scores(project).to_pylist()
    rows = project.read("score_ranks", {"daily_scores": "daily_scores_v41"}, prediction_date=DAY)
    assert rows.to_pylist() == [{"score": row["score"], "percentile": row["percentile"]}]
    return rows


def profile(project: ProjectWarehouse) -> pa.Table:
    row = {"feature": "tenure_months", "row_count": 4, "missing_count": 1, "mean": 2.5, "psi": None}
    stored = [{"prediction_date": DAY - timedelta(days=age), **row, "retrospective": False} for age in range(4)]
    project.put("feature_profile_v40", stored)
    window = {"first_day": DAY - timedelta(days=2), "last_day": YESTERDAY}
    rows = project.read("feature_profile", {"feature_profile": "feature_profile_v40"}, **window)
    assert by_key(rows.to_pylist()) == by_key(stored[1:3])
    return rows


def features_of_day(project: ProjectWarehouse) -> pa.Table:
    rows = project.read("features_of_day", {"features": "features_v41"}, prediction_date=YESTERDAY)
    assert by_key(rows.to_pylist()) == stored(project, project.catalogue["features_v41"], YESTERDAY)
    return rows


def rows_of_days(project: ProjectWarehouse) -> pa.Table:
    table = project.catalogue["features_v41"]
    names, days = {"dated": table.full_name}, {"first_day": DAY, "last_day": DAY}
    rows = project.warehouse.read(sql.bind(sql.load("rows_of_days"), names, days))
    assert by_key(rows.to_pylist()) == stored(project, table)
    return rows


def rows_of_table(project: ProjectWarehouse) -> pa.Table:
    rows = [{"version": "v4.0.0", "model_sha256": "0" * 64}]
    project.put(tables.PRODUCTION, rows)
    names = {"undated": project.catalogue[tables.PRODUCTION].full_name}
    found = project.warehouse.read(sql.bind(sql.load("rows_of_table"), names, {}))
    assert found.select(["version", "model_sha256"]).to_pylist() == rows
    return found


def latest_features(project: ProjectWarehouse) -> pa.Table:
    rows = project.read("production_features", {"features": "features_v40"})
    assert by_key(rows.to_pylist()) == stored(project, project.catalogue["features_v40"])
    view = next(view for view in project.catalogue.views if view.name == "v4_production_features")
    viewed = project.warehouse.read(Query("view", f"SELECT * FROM `{view.dataset}`.`{view.name}`"))
    assert by_key(viewed.to_pylist()) == by_key(rows.to_pylist())
    return rows


def legacy_features(project: ProjectWarehouse) -> pa.Table:
    """The same rows, each with the firm of its advisor, and the day's first write."""
    rows = project.read("legacy_features", {"features": "features_v40"})
    extra = ("firm_crd", "firm_name", "has_fintrx_match", "feature_extraction_timestamp")
    plain = [{name: value for name, value in row.items() if name not in extra} for row in rows.to_pylist()]
    assert by_key(plain) == stored(project, project.catalogue["features_v40"])
    firms = {row["advisor_crd"]: row for row in stored(project, project.catalogue[tables.ADVISOR_FIRMS])}
    for row in rows.to_pylist():
        firm = firms.get(row["advisor_crd"], {})
        assert (row["firm_crd"], row["firm_name"]) == (firm.get("firm_crd"), firm.get("firm_name"))
        assert row["has_fintrx_match"] >= (row["firm_crd"] is not None)
        assert row["feature_extraction_timestamp"] == WRITTEN_AT
    assert {row["has_fintrx_match"] for row in rows.to_pylist()} == {0, 1}
    return rows


def contacted_yesterday(project: ProjectWarehouse) -> pa.Table:
    rows = project.read("leads_contacted_yesterday", prediction_date=DAY)
    assert set(rows["contacted_on"].to_pylist()) == {YESTERDAY}
    assert set(rows["prediction_date"].to_pylist()) == {DAY}
    return rows


def coverage(project: ProjectWarehouse) -> pa.Table:
    project.put("daily_scores_v40", [score_of(lead) for lead in ("extra", "twice", "twice")])
    project.put("daily_scores_v41", [score_of(lead) for lead in ("twice", "missing", "also missing")])
    aliases = {"expected": "daily_scores_v41", "actual": "daily_scores_v40"}
    rows = project.read("lead_coverage", aliases, prediction_date=DAY)
    assert rows.to_pylist() == [
        {"expected_count": 3, "actual_count": 3, "distinct_count": 2, "missing_count": 2, "extra_count": 1}
    ]
    nothing = project.read("lead_coverage", aliases, prediction_date=YESTERDAY).to_pylist()
    assert [set(row.values()) for row in nothing] == [{0}]
    return rows


def score_of(lead_id: str) -> dict[str, Any]:
    return {"prediction_date": DAY, "lead_id": lead_id}


def pruned(project: ProjectWarehouse) -> pa.Table:
    """The rows of the days named go, and the writes of that table on these days say so, once."""
    key = "feature_profile_v40"
    table = project.catalogue[key]
    row = dict.fromkeys(column.name for column in table.columns)
    project.put(key, [row | {"prediction_date": day} for day in (YESTERDAY, YESTERDAY, DAY)])
    written = {"sequence": 1, "written_at": WRITTEN_AT, "row_count": 2, "retrospective": False, "pruned_at": None}
    written |= {"definition_sha256": "0" * 64, "run_id": None, "replace_reason": None}
    names = {"table_name": table.name, "prediction_date": YESTERDAY}, {"table_name": table.name, "prediction_date": DAY}
    project.put(tables.PARTITION_WRITES, [written | one for one in (*names, names[0] | {"table_name": "u"})])
    days = {"days": json.dumps([str(YESTERDAY), str(YESTERDAY - timedelta(days=1))])}
    removed = project.catalogue.query("prune_partitions", days, pruned=key)
    for removed_at, changes in ((WRITTEN_AT, (2, 1)), (WRITTEN_AT + timedelta(days=1), (0, 0))):
        noted = days | {"pruned_table": table.name, "removed_at": removed_at}
        statements = (removed, project.catalogue.query("record_pruned", noted))
        project.warehouse.transact([Statement(*one) for one in zip(statements, changes, strict=True)])
    assert stored(project, table, YESTERDAY) == []
    assert len(stored(project, table)) == 1
    rows = project.read(tables.PARTITION_WRITES, first_day=YESTERDAY, last_day=DAY)
    found = {(one["table_name"], one["prediction_date"]): one["pruned_at"] for one in rows.to_pylist()}
    assert found == {(table.name, YESTERDAY): WRITTEN_AT, (table.name, DAY): None, ("u", YESTERDAY): None}
    return rows


def latest_writes(project: ProjectWarehouse) -> pa.Table:
    base = {"table_name": "t", "prediction_date": DAY, "sequence": 1, "written_at": WRITTEN_AT, "row_count": 9}
    base |= {
        "retrospective": True,
        "definition_sha256": "0" * 64,
        "run_id": None,
        "replace_reason": None,
        "pruned_at": None,
    }
    writes = [base | {"sequence": sequence} for sequence in (1, 3, 2)]
    writes += [base | {"table_name": "u"}, base | {"prediction_date": YESTERDAY}]
    project.put(tables.PARTITION_WRITES, writes)
    rows = project.read(tables.PARTITION_WRITES, first_day=DAY, last_day=DAY)
    assert by_key(rows.to_pylist()) == [writes[1], writes[3]]
    return rows


def observations(project: ProjectWarehouse) -> pa.Table:
    rows = project.read("recent_source_observations", first_day=YESTERDAY, last_day=YESTERDAY)
    columns = [column.name for column in sql.load("recent_source_observations").columns]
    of_yesterday = stored(project, project.catalogue[tables.SOURCE_OBSERVATIONS], YESTERDAY)
    assert by_key(rows.to_pylist()) == [{name: row[name] for name in columns} for row in of_yesterday]
    return rows


def trained(project: ProjectWarehouse) -> pa.Table:
    rows = project.warehouse.read(first_morning(project.catalogue, DAY, 43))
    waiting = {row["lead_id"] for row in stored(project, project.catalogue[tables.SCORED_LEADS])}
    assert set(rows["lead_id"].to_pylist()) <= waiting
    assert set(rows["contacted_on"].to_pylist()) == {YESTERDAY}
    project.put(tables.TRAINING_SET, rows.to_pylist())
    return rows


CONTACTS: dict[str, Any] = {"first_contact": DAY - timedelta(days=100), "last_contact": YESTERDAY}
COHORT = CONTACTS | {"first_scored": DAY - timedelta(days=99), "last_scored": DAY + timedelta(days=2)}


def outcomes(project: ProjectWarehouse) -> pa.Table:
    window: dict[str, Any] = {
        "first_contact": CONTACTS["first_contact"],
        "last_matured": DAY - timedelta(days=44),
        "window_days": 43,
    }
    rows = project.read(tables.LEAD_OUTCOMES, **of_day(DAY), **window)
    found = rows.to_pylist()
    assert {row["converted"] for row in found if (row["contacted_on"] or DAY) > window["last_matured"]} == {None}
    assert {row["converted"] for row in found if (row["contacted_on"] or DAY) <= window["last_matured"]} == {
        True,
        False,
    }
    assert max(row["called_on"] for row in found if row["called_on"]) <= YESTERDAY
    project.put(tables.LEAD_OUTCOMES, found)
    return rows


def calls(project: ProjectWarehouse) -> pa.Table:
    known = {row["called_on"] for row in outcomes(project).to_pylist()}
    first = DAY - timedelta(days=50)
    rows = project.read("call_days", prediction_date=DAY, first_day=first)
    assert sorted(rows["called_on"].to_pylist()) == sorted(day for day in known if day and day >= first)
    return rows


def in_time(project: ProjectWarehouse) -> list[dict[str, Any]]:
    """Rows of scored_leads 1 to 3 days after contact."""
    rows = [row for day in (YESTERDAY, DAY) for row in stored(project, project.catalogue[tables.SCORED_LEADS], day)]
    return [row for row in rows if 1 <= (row["prediction_date"] - row["contacted_on"]).days <= 3]


def cohort_leads(project: ProjectWarehouse) -> pa.Table:
    known = {row["lead_id"]: row for row in outcomes(project).to_pylist()}
    rows = project.read("cohort_leads", prediction_date=DAY, **COHORT)
    found = {row["lead_id"]: row for row in rows.to_pylist()}
    listed = {row["lead_id"]: row["contacted_on"] for row in reversed(in_time(project))}
    assert {lead for lead, row in found.items() if row["is_listed"]} == set(listed)
    for lead, row in found.items():
        assert row["called_on"] == (known[lead]["called_on"] if lead in known else None)
        if not row["is_listed"]:
            assert (known[lead]["has_crd"], known[lead]["is_own"]) == (True, False)
            assert row["contacted_on"] == known[lead]["contacted_on"]
    return rows


def cohort_scores(project: ProjectWarehouse) -> pa.Table:
    [base] = scores(project).to_pylist()
    listed = in_time(project)
    made = [base | {key: row[key] for key in ("prediction_date", "lead_id")} for row in listed]
    project.put("daily_scores_v41", [*made, base | {"lead_id": "nobody"}])
    rows = project.read("cohort_scores", {"daily_scores": "daily_scores_v41"}, **COHORT)
    keys = ("lead_id", "contacted_on", "prediction_date")
    assert sorted(tuple(row.values())[:3] for row in rows.to_pylist()) == sorted(
        tuple(row[key] for key in keys) for row in listed
    )
    assert {tuple(row.values())[3:] for row in rows.to_pylist()} == {(0.25, 1, True, "0" * 64, False)}
    return rows


def cohort_bundles(project: ProjectWarehouse) -> pa.Table:
    """Each artifact of a day once, rows that name no bundle too; other days are not asked."""
    [base] = scores(project).to_pylist()
    made = [base | {"lead_id": str(number)} for number in range(3)]
    made += [one | {"prediction_date": YESTERDAY, "bundle_sha256": None} for one in made]
    made += [base | {"prediction_date": YESTERDAY, "model_sha256": "2" * 64}]
    made += [base | {"prediction_date": DAY + timedelta(days=1)}]
    project.put("daily_scores_v41", made)
    days = {"first_scored": YESTERDAY, "last_scored": DAY}
    rows = project.read("cohort_bundles", {"daily_scores": "daily_scores_v41"}, **days)
    assert sorted(map(str, rows.to_pylist())) == sorted(
        str({"scored_on": day, "model_sha256": model * 64, "bundle_sha256": bundle})
        for day, model, bundle in ((DAY, "0", "1" * 64), (YESTERDAY, "0", None), (YESTERDAY, "2", "1" * 64))
    )
    return rows


def churn(project: ProjectWarehouse) -> pa.Table:
    [base] = scores(project).to_pylist()
    today = {"stayed": 10, "new in it": 10, "new to all": 10, "elsewhere": 9}
    before = {"stayed": 10, "new in it": 9, "elsewhere": 10}
    made = [base | {"lead_id": lead, "decile": decile} for lead, decile in today.items()]
    made += [base | {"lead_id": lead, "decile": one, "prediction_date": YESTERDAY} for lead, one in before.items()]
    project.put("daily_scores_v41", made)
    names = {"daily_scores": "daily_scores_v41"}
    rows = project.read("top_decile_churn", names, prediction_date=DAY, day_before=YESTERDAY)
    assert rows.to_pylist() == [{"top_count": 3, "known_count": 2, "new_count": 1}]
    return rows


def compared(project: ProjectWarehouse) -> pa.Table:
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
    project.put(tables.LIFT_COMPARISON, stored[::-1])
    assert project.read(tables.LIFT_COMPARISON, first_day=DAY, last_day=DAY).to_pylist() == stored[2:]
    rows = project.read(tables.LIFT_COMPARISON, first_day=YESTERDAY, last_day=DAY)
    assert rows.to_pylist() == stored
    return rows


def decile_row(day: date, decile: int) -> dict[str, Any]:
    return {
        **{"prediction_date": day, "question": "rollback", "version": "v4.1.0", "ranking": "cohort", "decile": decile},
        **{"leads": 10.0, "conversions": 1.0, "conversion_rate": 0.1, "conversion_rate_low": None},
        **{"conversion_rate_high": None, "lift": 1.5, "retrospective": False},
    }


def by_decile(project: ProjectWarehouse) -> pa.Table:
    stored = [decile_row(day, decile) for day in (YESTERDAY, DAY) for decile in (1, 10)]
    project.put(tables.LIFT_BY_DECILE, stored[::-1])
    rows = project.read(tables.LIFT_BY_DECILE, first_day=DAY, last_day=DAY)
    assert rows.to_pylist() == stored[2:]
    return rows


def weekly(project: ProjectWarehouse) -> pa.Table:
    # A Sunday and the Monday after it; DAY is a Tuesday.
    monday = DAY - timedelta(days=1)
    stored = [decile_row(monday - timedelta(days=age), 10) for age in (-2, 0, 1, 3, 7)]
    project.put(tables.LIFT_BY_DECILE, stored)
    rows = project.read("weekly_lift_by_decile")
    found = sorted((row["week_from"], row["prediction_date"], row["is_closed"]) for row in rows.to_pylist())
    last = monday - timedelta(days=7)
    assert found == [(last, monday - timedelta(days=1), True), (monday, monday + timedelta(days=2), False)]
    view = next(view for view in project.catalogue.views if view.name == "v4_weekly_lift_by_decile")
    viewed = project.warehouse.read(Query("view", f"SELECT * FROM `{view.dataset}`.`{view.name}`"))
    assert by_key(viewed.to_pylist()) == by_key(rows.to_pylist())
    datasets = project.catalogue.datasets
    to_monday = Catalogue(datasets, project.catalogue.versions, week=Weeks(end_on="monday").date_part)
    others = project.warehouse.read(to_monday.query("weekly_lift_by_decile"))
    assert sorted({(row["week_from"], row["prediction_date"], row["is_closed"]) for row in others.to_pylist()}) == [
        (monday - timedelta(days=13), monday - timedelta(days=7), True),
        (monday - timedelta(days=6), monday, True),
        (monday + timedelta(days=1), monday + timedelta(days=2), False),
    ]
    return rows


def zones(project: ProjectWarehouse) -> pa.Table:
    rows = project.read("time_zones", cutoff=cutoff(DAY))
    assert rows.to_pylist() == [{"session_hour": cutoff(DAY).hour, "new_york_hour": 0, "new_york_date": DAY}]
    return rows


def built(name: str, project: ProjectWarehouse) -> pa.Table:
    rows = project.read(name, **{key: value for key, value in of_day(DAY).items() if key in sql.load(name).params})
    assert by_key(rows.to_pylist()) == stored(project, project.catalogue[name])
    return rows


def read_source(name: str, project: ProjectWarehouse) -> pa.Table:
    """A source as every other file reads it: value for value what the reference makes of the world."""
    world = reference.readable(worlds.random_world(random.Random(2), DAY, leads=120), DAY)
    rows = project.read(name, **of_day(DAY))
    if name == tables.LEAD:
        stamps = ("entered_contacting", "entered_call_scheduled", "created_at")
        names = dict(zip(stamps, STAMPS, strict=True)) | {"id": "Id"}
        found = [row for row in rows.to_pylist() if row["id"]]
        expected = [
            {key: row[column] for key, column in names.items()}
            | {
                "advisor_crd": reference.advisor_crd(row["FA_CRD__c"]),
                "has_crd": reference.is_present(row["FA_CRD__c"]),
            }
            for row in world.leads
        ]
        assert len(found) < rows.num_rows
    else:
        found = rows.to_pylist()
        expected = {
            tables.CONTACTS: world.contacts,
            tables.HISTORY: world.history,
            tables.PROTOCOL: world.protocol,
        }[name]
    keys = list(expected[0])
    as_texts = [sorted(" ".join(str(row[key]) for key in keys) for row in side) for side in (found, expected)]
    assert as_texts[0] == as_texts[1]
    return rows


STAMPS = ("stage_entered_contacting__c", "Stage_Entered_Call_Scheduled__c", "CreatedDate")
EXECUTIONS: dict[str, Callable[[ProjectWarehouse], pa.Table]] = {
    name: partial(read_source, name) for name in tables.SOURCES
}
EXECUTIONS |= {name: partial(built, name) for name in BUILT} | {
    "call_days": calls,
    "cohort_bundles": cohort_bundles,
    "cohort_leads": cohort_leads,
    "cohort_scores": cohort_scores,
    "daily_scores": scores,
    "feature_profile": profile,
    "features_of_day": features_of_day,
    "lead_coverage": coverage,
    "lead_outcomes": outcomes,
    "legacy_features": legacy_features,
    "leads_contacted_yesterday": contacted_yesterday,
    "lift_by_decile": by_decile,
    "lift_comparison": compared,
    "partition_writes": latest_writes,
    "production_features": latest_features,
    "prune_partitions": pruned,
    "recent_source_observations": observations,
    "record_pruned": pruned,
    "rows_of_days": rows_of_days,
    "rows_of_table": rows_of_table,
    "score_ranks": ranks,
    "time_zones": zones,
    "top_decile_churn": churn,
    "training_set": trained,
    "weekly_lift_by_decile": weekly,
}
EXECUTIONS |= deployment_sql.EXECUTIONS | evaluation_sql.EXECUTIONS | salesforce_sql.EXECUTIONS
EXECUTIONS |= prospects_sql.EXECUTIONS
"""File to a function that executes it, asserts its rows and returns them."""
ABRIDGED = {"features_of_day", "leads_contacted_yesterday", "legacy_features", "production_features"}
ABRIDGED |= {"prune_partitions", "record_pruned", "rows_of_days", "rows_of_table"}
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


def test_an_unknown_table_and_a_missing_parameter_are_named():
    file = sql.parse("counted", GOOD)
    with pytest.raises(SqlFileError, match=r"reads \['lead'\], which has no name\. Known: \['leads'\]"):
        sql.bind(file, {"leads": "`crm`.`Lead`"}, {"day": DAY})
    with pytest.raises(SqlFileError, match=r"needs a value for @day; got \['date'\]"):
        sql.bind(file, {"lead": "`crm`.`Lead`"}, {"date": DAY})


def test_a_query_carries_exactly_the_parameters_of_its_header():
    query = sql.bind(sql.parse("counted", GOOD), {"lead": "`crm`.`Lead`"}, {"day": DAY, "cutoff": cutoff(DAY)})
    assert query.params == {"day": DAY}
    assert query.text.endswith("FROM `crm`.`Lead`")
