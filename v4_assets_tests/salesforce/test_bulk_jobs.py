"""Bulk jobs carry exactly what changed, in the configured fields, and the org then shows what the warehouse has."""

from collections import Counter
from pathlib import Path

import pytest

from salesforce_stand_in import OrgField, SeedLead, StandInOrg
from v4_assets import tables
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets_tests.fixtures.crm_world import (
    NEW,
    NEXT_DAY,
    OLD,
    CrmWorld,
    carried,
    client_of,
    jobs,
    leads,
    org_of,
    spread,
)

MANY = 60


def test_every_lead_carries_what_the_warehouse_has(world: CrmWorld, org: StandInOrg, client: SalesforceClient) -> None:
    report = world.sync(client)
    assert carried(org) == world.expected(OLD)
    assert {row["V4_Scored_At__c"] for row in org.rows().values()} == {"2026-01-12T11:30:00.000+0000"}
    assert (report.jobs, report.leads("confirmed"), report.uncovered, report.problems) == (1, MANY, 0, ())
    assert (report.read_back.asked, len(report.read_back.differing)) == (MANY, 0)
    assert set(org.updates().values()) == {1}


def test_a_second_sync_of_the_day_makes_no_job(world: CrmWorld, org: StandInOrg, client: SalesforceClient) -> None:
    world.sync(client)
    before = org.requests["create"]
    report = world.sync(client_of(org))
    assert (org.requests["create"], report.jobs, len(report.plan.rows)) == (before, 0, 0)
    assert (report.plan.unchanged, report.uncovered) == (MANY, 0)


def test_a_score_that_changes_beyond_the_second_decimal_is_not_sent(world, org, client) -> None:
    scores = {one: round(score, 2) for one, score in spread(leads(MANY)).items()}
    world.score(OLD, scores)
    world.sync(client)
    world.day = NEXT_DAY
    world.score(OLD, {one: score + 0.0049 for one, score in scores.items()})
    assert world.sync(client).jobs == 0
    world.score(OLD, {one: score + 0.006 for one, score in scores.items()})
    assert world.sync(client).jobs == 0  # a hundredth is too little
    world.score(OLD, {one: score + 0.016 for one, score in scores.items()})
    assert len(world.sync(client).plan.rows) == MANY


def test_only_what_changed_is_sent(world: CrmWorld, org: StandInOrg, client: SalesforceClient) -> None:
    world.sync(client)
    world.day = NEXT_DAY
    scores = spread(leads(MANY))
    highest = max(scores, key=scores.__getitem__)
    world.score(OLD, scores | {highest: scores[highest] + 0.2})
    report = world.sync(client)
    assert (len(report.plan.rows), report.plan.other_values) == (1, 1)
    assert {one for one, count in org.updates().items() if count == 2} == {highest}
    assert carried(org) == world.expected(OLD)


def test_a_switch_touches_every_lead_also_where_the_org_has_no_field_for_the_version(tmp_path, world) -> None:
    fields = ("V4_Model_Version__c", "V4_Scored_At__c")
    with org_of(tmp_path / "bare", list(leads(MANY))) as (org, client):
        for name in fields:
            org.drop(name)
        world.sync(client)
        world.score(NEW, spread(leads(MANY)))
        world.go_live(NEW)
        report = world.sync(client)
        assert (report.plan.other_version, report.exempt, report.jobs) == (MANY, None, 1)
        assert set(org.updates().values()) == {2}
        shown = {one: {name: row[name] for name in row if name not in fields} for one, row in carried(org).items()}
        wanted = world.expected(NEW)
        assert shown == {one: {name: row[name] for name in row if name not in fields} for one, row in wanted.items()}


def test_rollback_takes_everything_back(world: CrmWorld, org: StandInOrg, client: SalesforceClient) -> None:
    world.score(NEW, spread(leads(MANY), seed=2))
    world.sync(client)
    for version in (NEW, OLD):
        world.go_live(version)
        report = world.sync(client)
        assert carried(org) == world.expected(version)
        assert report.uncovered == 0
    assert set(org.updates().values()) == {3}


@pytest.mark.extended
def test_a_switch_of_all_50925_leads_makes_one_job(tmp_path: Path) -> None:
    world = CrmWorld(tmp_path / "home", {"read_back": "sample"}).prepare()
    ids = leads(50_925)
    world.score(OLD, spread(ids))
    world.score(NEW, spread(ids, seed=2))
    with world.warehouse.session(), org_of(tmp_path / "org", list(ids)) as (org, client):
        world.sync(client)
        world.go_live(NEW)
        before = sum(org.requests.values())
        report = world.sync(client)
        assert (report.jobs, report.leads("confirmed"), report.uncovered) == (1, 50_925, 0)
        assert sum(org.requests.values()) - before <= 12
        assert carried(org) == world.expected(NEW)


def test_many_rows_go_in_jobs_of_bounded_size(world: CrmWorld, org: StandInOrg, client: SalesforceClient) -> None:
    world.rules["rows_per_job"] = 25
    report = world.sync(client)
    assert [job.row_count for job in jobs(world)] == [25, 25, 10]
    assert (report.jobs, report.leads("confirmed")) == (3, MANY)
    assert carried(org) == world.expected(OLD)


def test_what_the_org_carried_before_is_read_and_not_sent_again(world: CrmWorld, tmp_path: Path) -> None:
    wanted = world.expected(OLD)
    scored_at = {"V4_Scored_At__c": "2026-01-12T11:30:00.000+0000"}
    seeded = [
        SeedLead(one, {**row, **scored_at, "V4_Score__c": row["V4_Score__c"] + 0.001}) for one, row in wanted.items()
    ]
    with org_of(tmp_path / "used", [*seeded[:50], *leads(MANY)[50:]]) as (org, client):
        report = world.sync(client)
        assert (report.plan.unchanged, len(report.plan.rows)) == (50, 10)
        assert set(org.updates()) == set(leads(MANY)[50:])
        assert (report.exempt, report.plan.comparable) == (None, 50)


def test_another_org_is_not_taken_for_this_one(world: CrmWorld, org: StandInOrg, client: SalesforceClient) -> None:
    world.sync(client)
    for row in (state := world.all(tables.SALESFORCE_STATE)):
        row["org_id"] = "00D000000000000EAA"
    world.put(tables.SALESFORCE_STATE, state)
    report = world.sync(client)
    assert (report.plan.unchanged, report.jobs) == (MANY, 0)  # read from the org anew
    assert Counter(row["org_id"] for row in world.all(tables.SALESFORCE_STATE)).most_common() == [
        ("00D000000000000EAA", MANY),
        (report.identity.org_id, MANY),
    ]


def test_leads_that_left_are_emptied_when_rollout_yaml_says_so(world, org, client) -> None:
    world.sync(client)
    world.day, world.rules["leads_that_left"] = NEXT_DAY, "clear"
    scores = spread(leads(MANY))
    gone = sorted(scores, key=scores.__getitem__)[:2]
    world.score(OLD, {one: score for one, score in scores.items() if one not in gone})
    report = world.sync(client, allowed="two left")
    assert report.plan.cleared == 2
    shown = carried(org)
    for one in gone:
        assert shown[one]["V4_Deprioritize__c"] is False
        assert {value for name, value in shown[one].items() if name != "V4_Deprioritize__c"} == {None}
    assert world.sync(client).jobs == 0


def test_a_field_of_another_name_is_written_where_rollout_yaml_says(world, tmp_path) -> None:
    fields = world.rollout.salesforce.fields.model_copy(update={"score": "Rank__c"})
    world.rules["fields"] = fields
    with org_of(tmp_path / "renamed", list(leads(MANY))) as (org, client):
        org.define(OrgField(name="Rank__c", type="double", precision=18, scale=2))
        world.sync(client)
        assert {one: row["Rank__c"] for one, row in org.rows().items()} == {
            one: row["V4_Score__c"] for one, row in world.expected(OLD).items()
        }
