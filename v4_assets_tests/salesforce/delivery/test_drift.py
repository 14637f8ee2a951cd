"""Values that were edited or set back in the org are found by reading back and repaired by the same sync."""

from typing import Any

import pytest

from v4_assets_tests.fixtures.crm_mornings import EMPTIED, KEPT, MANY, leave, move
from v4_assets_tests.fixtures.crm_world import OLD, carried, lead, leads


def test_an_org_that_was_set_back_shows_the_days_values_after_the_next_sync(world, org, client) -> None:
    world.sync(client)
    older = [[True, row["V4_Score__c"], True, row["V4_Score_Percentile__c"], one] for one, row in carried(org).items()]
    leave(world)
    world.sync(client)
    before = carried(org)
    org.store.update(["V4_Score__c", "V4_Score_Percentile__c"], older)
    result = world.sync(client)
    assert (result.read_back.everything, result.problems) == (True, ())
    assert EMPTIED in [row["lead_id"] for row in world.log() if row["code"] == "READ_BACK_DIFFERS"]
    assert carried(org) == before


def test_a_bulk_edit_of_almost_all_leads_is_repaired_by_the_next_sync(world, org, client) -> None:
    world.sync(client)
    edited = [[True, 0.99, True, 100, True, False, one] for one in leads(MANY)[4:]]
    org.store.update(["V4_Score__c", "V4_Score_Percentile__c", "V4_Deprioritize__c"], edited)
    move(world, by=0.0)
    result = world.sync(client)
    assert (result.read_back.everything, result.problems) == (True, ())
    assert carried(org) == world.expected(OLD)


@pytest.mark.parametrize("version", ["by hand", None])
def test_an_edit_of_the_versions_is_repaired_and_not_taken_for_a_restored_warehouse(
    world, org, client, version
) -> None:
    world.sync(client)
    leave(world)
    world.sync(client)
    before = carried(org)
    edited = [[True, version, True, not before[one]["V4_Deprioritize__c"], one] for one in [*leads(MANY)[20:], KEPT]]
    org.store.update(["V4_Model_Version__c", "V4_Deprioritize__c"], edited)
    result = world.sync(client)
    assert not any("older copy" in line for line in world.messages)
    assert (result.repaired, result.problems) == (len(edited), ())
    shown, scored = carried(org), world.expected(OLD)
    assert [shown[one] for one in leads(MANY)[20:]] == [scored[one] for one in leads(MANY)[20:]]
    assert shown[KEPT] == before[KEPT]


@pytest.mark.extended
@pytest.mark.parametrize("edited", [lead(7), KEPT], ids=["scored", "left"])
def test_every_lead_is_read_back_within_a_week(world, org, client, edited) -> None:
    world.rules["read_back_leads"] = 1
    world.sync(client)
    leave(world)
    world.sync(client)
    before = carried(org)[edited]
    org.store.update(["V4_Score__c"], [[True, 0.01, edited]])
    repaired = []
    for _ in range(7):
        move(world, by=0.0)
        repaired.append(world.sync(client).repaired)
    assert sum(repaired) == 1
    assert carried(org)[edited]["V4_Score__c"] == before["V4_Score__c"]


def test_an_edit_of_the_times_of_scoring_is_repaired(world, org, client) -> None:
    world.sync(client)
    leave(world)
    world.sync(client)
    world.rules["read_back"] = "all"
    before = org.rows()
    org.store.update(["V4_Scored_At__c"], [[True, None, lead(0)], [True, before[lead(0)]["V4_Scored_At__c"], EMPTIED]])
    result = world.sync(client)
    assert (result.repaired, result.problems) == (2, ())
    assert [org.rows()[one]["V4_Scored_At__c"] is None for one in (lead(0), EMPTIED)] == [False, True]
    assert world.sync(client).jobs == 0


def test_two_syncs_of_a_day_do_not_read_the_same_sample(world, org, client) -> None:
    world.sync(client)
    asked = []
    read = client.read_leads

    def kept(fields: list[str], where: str = "") -> Any:
        asked.append(where)
        return read(fields, where)

    client.read_leads = kept
    world.sync(client)
    world.sync(client)
    samples = [where for where in asked if where.startswith("Id IN")]
    assert len(samples) == len(set(samples)) == 2


def test_a_full_sync_comes_once_a_week_also_after_missed_days(world, org, client) -> None:
    full = []
    for days in (0, 1, 5, 3, 1, 6):
        move(world, days, by=0.0)
        full.append(world.sync(client).terms.full)
    assert full == [True, False, False, True, False, True]
