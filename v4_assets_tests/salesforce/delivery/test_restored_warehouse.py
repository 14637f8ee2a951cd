"""A warehouse that was restored from an older copy is noticed, and the org ends with the warehouse's values."""

import shutil

import pytest

from salesforce_stand_in import SeedLead
from v4_assets_tests.fixtures.crm_mornings import EMPTIED, KEPT, MANY, NOTHING, leave, move, owed
from v4_assets_tests.fixtures.crm_world import NEW, OLD, carried, client_of, leads, spread


@pytest.mark.parametrize("with_field", [True, False])
def test_a_warehouse_restored_from_yesterdays_copy_ends_with_the_org_as_the_warehouse(world, org, client, with_field):
    if not with_field:
        org.drop("V4_Scored_At__c")
    world.sync(client)
    copy = shutil.copy(world.home / "warehouse.duckdb", world.home / "copy")
    move(world)
    world.sync(client)
    shutil.copy(copy, world.home / "warehouse.duckdb")
    world.messages.clear()
    world.score(OLD, spread(leads(MANY)))  # today's scores are as those of the copy: the ledger sees no difference
    result = world.sync(client_of(org))
    assert any("the warehouse is an older copy" in line for line in world.messages) == with_field
    assert (result.problems, result.uncovered, owed(world)) == ((), 0, None)
    assert result.repaired == (0 if with_field else MANY)
    assert carried(org) == world.expected(OLD)


@pytest.mark.extended
@pytest.mark.parametrize("with_fields", [True, False])
@pytest.mark.parametrize(("before", "after"), [(OLD, NEW), (NEW, OLD)], ids=["promotion", "rollback"])
def test_a_warehouse_restored_from_before_the_days_switch_ends_with_the_org_as_the_warehouse(
    world, org, client, before, after, with_fields
) -> None:
    """The scores that a switch sends were made before the morning's job, so that none is newer than the ledger."""
    if not with_fields:
        org.drop("V4_Scored_At__c")
        org.drop("V4_Model_Version__c")
    world.score(NEW, spread(leads(MANY), seed=2))
    world.go_live(before)
    world.sync(client)
    copy = shutil.copy(world.home / "warehouse.duckdb", world.home / "copy")
    world.go_live(after)
    world.sync(client)
    shutil.copy(copy, world.home / "warehouse.duckdb")
    world.messages.clear()
    result = world.sync(client_of(org))
    assert any("the warehouse is an older copy" in line for line in world.messages) == with_fields
    assert (result.problems, result.uncovered) == ((), 0)
    shown = {one: row | {"V4_Model_Version__c": before} for one, row in carried(org).items()}
    assert shown == world.expected(before)
    assert with_fields == (carried(org) == shown)  # without the field, no version is shown
    world.messages.clear()
    assert world.sync(client_of(org)).jobs == 0
    assert not any("older copy" in line for line in world.messages)


def test_a_warehouse_restored_from_before_its_first_job_is_noticed(world, org, client) -> None:
    scored_at = {"V4_Scored_At__c": "2026-01-12T11:30:00.000+0000"}
    org.seed([SeedLead(one, row | scored_at) for one, row in world.expected(OLD).items()])
    assert world.sync(client).jobs == 0  # the org shows the scores already
    copy = shutil.copy(world.home / "warehouse.duckdb", world.home / "copy")
    move(world)
    world.sync(client)
    shutil.copy(copy, world.home / "warehouse.duckdb")
    world.score(OLD, spread(leads(MANY)))
    result = world.sync(client_of(org), allowed="the scores of the copy")
    assert any("the warehouse is an older copy" in line for line in world.messages)
    assert (result.repaired, result.problems) == (0, ())
    assert carried(org) == world.expected(OLD)


def test_a_restored_warehouse_still_knows_what_leads_that_left_must_show(world, org, client) -> None:
    world.sync(client)
    leave(world)
    world.sync(client)
    kept = carried(org)[KEPT]
    copy = shutil.copy(world.home / "warehouse.duckdb", world.home / "copy")
    move(world)
    world.sync(client)
    shutil.copy(copy, world.home / "warehouse.duckdb")
    move(world)
    org.store.update(["V4_Score_Percentile__c"], [[True, 99, one] for one in (EMPTIED, KEPT)])
    result = world.sync(client_of(org))
    assert any("the warehouse is an older copy" in line for line in world.messages)
    assert (result.repaired, result.problems) == (2, ())
    assert [carried(org)[one] for one in (EMPTIED, KEPT)] == [NOTHING, kept]
