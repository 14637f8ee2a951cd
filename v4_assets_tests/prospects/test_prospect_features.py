"""An advisor who is a lead and a prospect on one day has the same features, but for the two that come from FinTrx."""

import random
import re
from datetime import date
from pathlib import Path

import pytest

from v4_assets import sql, tables
from v4_assets.clock import cutoff
from v4_assets.prospects import contracts
from v4_assets.sql import Query
from v4_assets_tests.bigquery import twin
from v4_assets_tests.features.test_features_against_reference import computed_rows, differences, fill, new_project
from v4_assets_tests.fixtures import prospect_worlds, reference, worlds
from v4_assets_tests.fixtures.prospect_worlds import FEATURES
from v4_assets_tests.fixtures.reference import Row
from v4_assets_tests.fixtures.warehouses import ProjectWarehouse

SEEDS = range(4)
FROM_FINTRX = ("has_email", "has_linkedin")


def monthly_rows(project: ProjectWarehouse, key: str, day: date) -> dict[int, Row]:
    """A table of the month by CRD number. Every advisor must come once."""
    text = f"SELECT * FROM {project.catalogue[key].full_name} WHERE prediction_date = @day"
    found = project.warehouse.read(Query("month", text, {"day": day})).to_pylist()
    by_crd = {row["advisor_crd"]: row for row in found}
    assert len(by_crd) == len(found)
    return by_crd


@pytest.mark.parametrize("day", [*worlds.QUICK, *worlds.OTHERS], ids=str)
def test_a_prospect_has_the_features_of_the_lead_and_of_the_reference(tmp_path: Path, day: date) -> None:
    project, compared = new_project(tmp_path), 0
    with project.warehouse.session():
        for seed in SEEDS:
            late = seed % 2 == 1
            world, ids = prospect_worlds.led_world(random.Random(f"prospects {day} {seed}"), day, late)
            fill(project, world)
            prospect_worlds.write_month(project.warehouse, project.catalogue, day, late)
            assert set(monthly_rows(project, contracts.PROSPECTS, day)) == set(ids.values()), f"seed {seed}"
            for version, key in FEATURES.items():
                table = contracts.features_key(key)
                found = monthly_rows(project, table, day)
                by_lead = {lead: found[advisor] for lead, advisor in ids.items()}
                assert differences(by_lead, reference.features(world, day, version, late)) == [], f"{table}, {seed}"
                leads = computed_rows(project, f"features_{key}", day, late)
                own = [column.name for column in sql.load(f"features_{key}").features]
                as_leads = {lead: {name: row[name] for name in own} for lead, row in leads.items()}
                assert differences(by_lead, as_leads) == [], f"{table} and the leads', seed {seed}"
            compared += len(ids)
    assert compared > len(SEEDS) * 3


def test_only_the_two_fields_of_fintrx_differ_where_the_lead_says_otherwise(tmp_path: Path) -> None:
    project, day = new_project(tmp_path), worlds.INTERESTING_DAYS[0]
    world, ids = prospect_worlds.led_world(random.Random("other fields"), day, False)
    for row in world.leads:
        row["Email"] = None if reference.is_present(row["Email"]) else "a@example.com"
        row["LinkedIn_Profile_Apollo__c"] = None if reference.is_present(row["LinkedIn_Profile_Apollo__c"]) else "in/a"
    with project.warehouse.session():
        fill(project, world)
        prospect_worlds.write_month(project.warehouse, project.catalogue, day)
        for key in FEATURES.values():
            found = monthly_rows(project, contracts.features_key(key), day)
            leads = computed_rows(project, f"features_{key}", day)
            for lead, advisor in ids.items():
                differing = {
                    column.name
                    for column in sql.load(f"features_{key}").features
                    if found[advisor][column.name] != leads[lead][column.name]
                }
                assert differing == set(FROM_FINTRX)


def test_a_sample_computed_on_the_spot_has_the_features_of_the_month(tmp_path: Path) -> None:
    project, day = new_project(tmp_path), worlds.INTERESTING_DAYS[5]
    world, ids = prospect_worlds.led_world(random.Random("sample"), day, False)
    params = {"prediction_date": day, "cutoff": cutoff(day), "retrospective": False, "sample_rows": 3}
    with project.warehouse.session():
        fill(project, world)
        samples = {
            key: project.warehouse.read(
                contracts.sample_query(f"features_{key}", project.catalogue.names(), params)
            ).to_pylist()
            for key in FEATURES.values()
        }
        prospect_worlds.write_month(project.warehouse, project.catalogue, day)
        for key, rows in samples.items():
            found = monthly_rows(project, contracts.features_key(key), day)
            assert len(rows) == min(3, len(ids))
            for row in rows:
                assert {name: value for name, value in row.items() if name != "lead_id"} == found[row["advisor_crd"]]


def test_the_prospects_choose_among_an_advisors_rows_as_the_features_do() -> None:
    rule = re.compile(r"ORDER BY\n(.*?)\n  \) = 1", re.DOTALL)
    prospects, firms = (
        [line.strip(" ,") for line in rule.findall(sql.load(name).body)[0].splitlines()]
        for name in (contracts.PROSPECTS, tables.ADVISOR_FIRMS)
    )
    assert len(firms) > 5
    assert prospects[: len(firms)] == firms


@pytest.mark.extended
@pytest.mark.parametrize("day", worlds.INTERESTING_DAYS[::3], ids=str)
def test_google_agrees_on_every_table_of_the_month(tmp_path: Path, day: date) -> None:
    warehouse = twin.new_twin(tmp_path)
    world, ids = prospect_worlds.led_world(random.Random(f"twin prospects {day}"), day, False)
    with warehouse.session():
        for key, rows in worlds.tables(world).items():
            warehouse.replace_table(twin.catalogue()[key], rows.to_batches())
        prospect_worlds.write_month(warehouse, twin.catalogue(), day)
    compared = dict(twin.answered(warehouse.path))
    made = {contracts.PROSPECTS, *contracts.SNAPSHOT, "features_v40", "features_v41"}
    assert made <= set(compared)
    assert {compared[name] for name in (contracts.PROSPECTS, "advisor_firms", "features_v41")} == {len(ids)}
