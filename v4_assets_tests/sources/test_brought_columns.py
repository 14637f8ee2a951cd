"""A source column that only one version needs is declared with it, delivered by the sample world, and checked."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from v4_assets import tables
from v4_assets.checks import Finding
from v4_assets.config.environment import Settings, load
from v4_assets.errors import SettingsError
from v4_assets.partitions import Day
from v4_assets.project_files import PROJECT
from v4_assets.resources import store, warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets.sources import checks
from v4_assets.sql import Query

CONTENT = yaml.safe_load((PROJECT / "rollout.yaml").read_text(encoding="utf-8"))
DAY = date(2026, 1, 12)
WORLD = WorldSpec(scale=0.002, leads_per_week=5, seed=5, through=date(2026, 1, 18))
AGE = {"table": tables.CONTACTS, "type": "STRING", "sample": ["18-34", "35-49", None]}
OTHERS = {
    "Score__c": {"table": tables.LEAD, "type": "FLOAT64", "sample": [0.5, 1]},
    "Seen__c": {"table": tables.LEAD, "type": "TIMESTAMP", "sample": [datetime(2026, 1, 5, tzinfo=UTC)]},
    "LEVEL": {"table": tables.HISTORY, "type": "INT64", "sample": [1, 2, None]},
    "SINCE": {"table": tables.PROTOCOL, "type": "DATE", "sample": [date(2020, 1, 1)]},
    "IS_TEAM": {"table": tables.CONTACTS, "type": "BOOL", "sample": [True, False]},
}


def at(folder: Path, columns: dict[str, Any], older: dict[str, Any] | None = None) -> Settings:
    versions = {version: dict(entry) for version, entry in CONTENT["versions"].items()}
    versions["v4.1.0"]["source_columns"] = columns
    versions["v4.0.0"]["source_columns"] = older or {}
    path = folder / "rollout.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, "versions": versions}), encoding="utf-8")
    return load({"V4_HOME": str(folder / "home"), "V4_ROLLOUT": str(path), "V4_NOW": f"{DAY}T06:30"})


@pytest.mark.parametrize(
    ("columns", "older", "said"),
    [
        ({"AGE_RANGE": {**AGE, "type": "TEXT"}}, {}, "AGE_RANGE.type"),
        ({"AGE_RANGE": {**AGE, "table": "employees"}}, {}, "AGE_RANGE.table"),
        ({"AGE_RANGE": {**AGE, "sample": []}}, {}, "AGE_RANGE.sample"),
        ({"AGE_RANGE": {**AGE, "sample": [None]}}, {}, "sample needs values of type STRING"),
        ({"AGE_RANGE": {**AGE, "sample": ["18-34", 35]}}, {}, "sample needs values of type STRING"),
        ({"YEARS": {**AGE, "type": "INT64", "sample": [True]}}, {}, "sample needs values of type INT64"),
        ({"select": AGE}, {}, "reserved keyword"),
        ({"rep_type": AGE}, {}, "rep_type of ria_contacts_current is read for every version"),
        ({"email": {**AGE, "table": "lead"}}, {}, "email of lead is read for every version"),
        ({"AGE_RANGE": AGE}, {"age_range": {**AGE, "sample": ["0-99"]}}, "is declared otherwise by another version"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(tmp_path, columns, older, said):
    with pytest.raises(SettingsError, match="cannot be used") as refused:
        at(tmp_path, columns, older)
    assert said in str(refused.value)


def observed(settings: Settings) -> dict[tuple[str, str], tuple[int, int]]:
    """Rows and NULLs by source and column, as the day's SQL counts them."""
    query = settings.rollout.catalogue.query(tables.SOURCE_OBSERVATIONS, Day(DAY, settings.clock).params)
    rows = warehouse(settings).read(query).to_pylist()
    return {(row["source"], row["column_name"]): (row["row_count"], row["null_count"]) for row in rows}


def delivered(settings: Settings, table: str) -> pa.Table:
    found = settings.rollout.catalogue[table]
    return warehouse(settings).read(Query(table, f"SELECT * FROM {found.full_name}"))


def test_every_source_can_bring_columns_of_every_type(tmp_path):
    settings = at(tmp_path, OTHERS | {"AGE_RANGE": AGE})
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    ages = delivered(settings, tables.CONTACTS)["AGE_RANGE"].to_pylist()
    shares = [ages.count(value) / len(ages) for value in AGE["sample"]]
    assert min(shares) > 0.25
    assert delivered(settings, tables.PROTOCOL)["SINCE"].to_pylist().count(date(2020, 1, 1)) > 0
    seen = observed(settings)
    contacts, nulls = seen[tables.CONTACTS, "AGE_RANGE"]
    assert (contacts, nulls) == (len(ages), ages.count(None))
    assert seen[tables.LEAD, "Score__c"][1] == seen[tables.LEAD, "Seen__c"][1] == 0
    assert seen[tables.HISTORY, "LEVEL"][1] > 0
    assert {(tables.PROTOCOL, "SINCE"), (tables.CONTACTS, "IS_TEAM")} <= seen.keys()


def test_two_versions_may_declare_one_column_alike(tmp_path):
    settings = at(tmp_path, {"AGE_RANGE": AGE}, {"AGE_RANGE": AGE})
    names = [column.name for column in settings.rollout.catalogue[tables.CONTACTS].columns]
    assert names.count("AGE_RANGE") == 1


def judged(settings: Settings, check: Any) -> Finding:
    record, day = store(settings), Day(DAY, settings.clock)
    rows = record.warehouse.read(record.catalogue.query(tables.SOURCE_OBSERVATIONS, day.params)).to_pylist()
    found = checks.judge(
        declared=[(table, record.warehouse.columns(table)) for table in record.catalogue.sources],
        observations=rows,
        day=DAY,
        known_at=datetime(2026, 1, 12, 5, tzinfo=UTC),
        limits=settings.rollout.checks,
    )
    return next(one for one in found if one.check == check)


def test_a_column_that_is_not_there_is_named(tmp_path):
    fill(warehouse(at(tmp_path, {})), at(tmp_path, {}).rollout.catalogue, build(WORLD))
    settings = at(tmp_path, {"AGE_RANGE": AGE})
    found = checks.columns((table, warehouse(settings).columns(table)) for table in settings.rollout.catalogue.sources)
    assert not found.passed
    assert found.details == ("ria_contacts_current.AGE_RANGE is missing, expected STRING",)


def test_a_column_that_is_null_throughout_stops_its_first_day(tmp_path):
    settings = at(tmp_path, {"AGE_RANGE": AGE})
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD))
    assert judged(settings, checks.FILLED).passed
    fill(warehouse(settings), settings.rollout.catalogue, build(WORLD), silent={tables.CONTACTS: "AGE_RANGE"})
    found = judged(settings, checks.FILLED)
    assert (found.passed, found.details) == (False, ("ria_contacts_current.AGE_RANGE",))
