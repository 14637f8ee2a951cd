"""Leads that left the scored set are emptied, or keep their values after a call; an edit of them is repaired."""

from datetime import time
from typing import Any

import pytest

from salesforce_stand_in import SeedLead
from v4_assets import tables
from v4_assets.errors import ApiLimitError, SyncHeldError
from v4_assets.salesforce.checks import distribution
from v4_assets.salesforce.ledger import Ledger
from v4_assets_tests.fixtures.crm_mornings import (
    EMPTIED,
    KEPT,
    MANY,
    NOTHING,
    VALIDATION,
    leave,
    left_and_edited,
    move,
    owed,
)
from v4_assets_tests.fixtures.crm_world import OLD, carried, client_of, lead, leads, spread


def test_leads_that_left_are_repaired_by_the_sync_whose_sample_shows_them(world, org, client) -> None:
    world.sync(client)
    leave(world)
    world.sync(client)
    before, scored_at = carried(org), org.rows()[KEPT]["V4_Scored_At__c"]
    assert before[EMPTIED] == NOTHING
    assert None not in before[KEPT].values()
    names = ["V4_Score__c", "V4_Score_Percentile__c"]
    org.store.update(names, [[True, 0.9, True, 99, one] for one in (EMPTIED, KEPT)])
    move(world, by=0.0)
    result = world.sync(client)
    assert (result.repaired, result.read_back.everything, result.problems, owed(world)) == (2, True, (), None)
    assert carried(org) == before
    # The values were scored when they were, and not today.
    assert [org.rows()[one]["V4_Scored_At__c"] for one in (KEPT, EMPTIED)] == [scored_at, None]
    world.messages.clear()
    assert world.sync(client).jobs == 0
    assert not any("older copy" in line for line in world.messages)


def test_any_field_written_into_an_emptied_lead_is_emptied_again(world, org, client) -> None:
    world.sync(client)
    leave(world, emptied=leads(4), kept=[])
    world.sync(client)
    written = {"V4_Score__c": 0.4, "V4_Score_Percentile__c": 100, "V4_Deprioritize__c": True}
    for one, (field, value) in zip(leads(4), (written | {"V4_Model_Version__c": OLD}).items(), strict=True):
        org.store.update([field], [[True, value, one]])
    assert world.sync(client).repaired == 4
    assert [carried(org)[one] for one in leads(4)] == [NOTHING] * 4


def test_leads_that_left_and_are_deleted_merged_or_converted_stop_nothing(world, org, client) -> None:
    world.sync(client)
    leave(world, emptied=leads(4), kept=leads(8)[4:])
    world.sync(client)
    values = {"V4_Score__c": 0.9}
    gone = [SeedLead(lead(0), values, is_deleted=True), SeedLead(lead(4), values, is_deleted=True)]
    org.seed([*gone, SeedLead(lead(1), values, is_converted=True), SeedLead(lead(5), values, is_converted=True)])
    org.store.db.execute("DELETE FROM lead WHERE Id IN (?, ?)", (lead(2), lead(6)))
    for full in (False, True):
        world.rules["read_back"] = "all" if full else "sample"
        result = world.sync(client)
        assert (result.jobs, result.repaired, result.problems, result.uncovered) == (0, 0, (), 0)
        assert (result.read_back.everything, result.read_back.absent > 0) == (full, True)
        assert distribution(
            result.plan.scores.rows,
            result.read_back.deciles,
            result.read_back.deprioritized,
            result.read_back.mean_score,
        ).passed
    assert result.read_back.absent == 6
    org.store.update(["V4_Score__c"], [[True, 0.9, one] for one in (lead(3), lead(7))])
    assert world.sync(client).repaired == 2  # the others are still repaired


def test_leads_that_left_and_cannot_be_emptied_keep_their_values_and_stop_nothing(world, org, client) -> None:
    """They are converted, merged or deleted in the org, and the warehouse's copy of the leads does not say so."""
    world.sync(client)
    values = carried(org)[lead(1)]
    org.seed([SeedLead(lead(0), is_deleted=True), SeedLead(lead(1), values, is_converted=True)])
    leave(world, emptied=leads(2), kept=[])
    result = world.sync(client)
    assert (result.plan.cleared, result.leads("quarantined"), result.refused, result.problems) == (2, 2, 0, ())
    for days in (1, 7):
        move(world, days, by=0.0)
        result = world.sync(client)
        assert (result.plan.cleared, result.repaired, result.problems) == (0, 0, ())
    assert carried(org)[lead(1)] == values


def test_a_lead_that_left_and_refuses_its_repair_is_held_back_and_repaired_after_the_quarantine(
    world, org, client
) -> None:
    before = left_and_edited(world, org, client)
    org.faults.row(VALIDATION, [EMPTIED, KEPT], times=1)
    move(world, by=0.0)
    result = world.sync(client)
    assert (result.leads("quarantined"), result.problems, owed(world)) == (2, (), None)
    assert carried(org)[KEPT] != before[KEPT]
    assert world.sync(client).jobs == 0
    move(world, days=7, by=0.0)
    assert world.sync(client).repaired == 2
    assert [carried(org)[one] for one in (EMPTIED, KEPT)] == [before[one] for one in (EMPTIED, KEPT)]


@pytest.mark.extended
@pytest.mark.parametrize("release", [False, True])
def test_many_leads_that_refuse_to_be_emptied_are_held_back_and_emptied_later(world, org, client, release) -> None:
    world.rules |= {"max_changed_share": 1.0, "max_failure_rate": 2.0}
    world.sync(client)
    gone = leads(120)
    leave(world, emptied=gone, kept=[])
    org.faults.row(VALIDATION, gone, times=1)
    result = world.sync(client)
    assert (result.leads("quarantined"), result.leads("failed"), owed(world)) == (120, 0, None)
    world.rules["read_back"] = "all"
    result = world.sync(client)
    assert (result.jobs, result.repaired, result.problems) == (0, 0, ())  # no emptying was confirmed
    if release:
        assert world.ledger.release(result.identity.org_id, code=VALIDATION) == 120
    else:
        move(world, days=7, by=0.0)
    result = world.sync(client)
    assert (result.plan.cleared, result.repaired, result.problems) == (120, 0, ())
    assert [carried(org)[one] for one in gone] == [NOTHING] * 120


def test_many_leads_that_left_and_refuse_their_repair_do_not_owe_the_day(world, org, client) -> None:
    world.rules |= {"max_changed_share": 1.0, "max_failure_rate": 2.0}
    world.sync(client)
    leave(world, emptied=leads(60), kept=leads(120)[60:])
    world.sync(client)
    org.store.update(["V4_Score__c"], [[True, 0.9, one] for one in leads(120)])
    org.faults.row(VALIDATION, leads(120), times=1)
    result = world.sync(client)
    assert (result.leads("quarantined"), result.leads("failed"), owed(world)) == (120, 0, None)
    assert world.sync(client).jobs == 0


def test_a_refused_repair_is_counted_after_an_emptying_that_took_two_attempts(world, org, client) -> None:
    world.sync(client)
    leave(world, kept=[])
    world.rules["read_back"] = "all"
    org.faults.row("UNABLE_TO_LOCK_ROW", [EMPTIED], times=1)
    read = client.read_leads

    def edited(fields: list[str], where: str = "") -> Any:
        if not where and carried(org)[EMPTIED] == NOTHING:
            org.store.update(["V4_Score__c"], [[True, 0.9, EMPTIED]])
            org.faults.row(VALIDATION, [EMPTIED], times=1)
        return read(fields, where)

    client.read_leads = edited
    result = world.sync(client)
    assert (result.plan.cleared, result.repaired, result.leads("quarantined")) == (1, 1, 1)


def test_a_released_lead_that_left_is_repaired_by_the_next_full_comparison(world, org, client) -> None:
    before = left_and_edited(world, org, client)
    org.faults.row(VALIDATION, [EMPTIED, KEPT], times=1)
    result = world.sync(client)
    assert world.ledger.release(result.identity.org_id, code=VALIDATION) == 2
    world.rules["read_back"] = "all"
    assert world.sync(client).repaired == 2
    assert carried(org) == before


@pytest.mark.extended
@pytest.mark.parametrize("how", ["maintenance", "limit", "lost"])
def test_a_repair_of_leads_that_left_that_does_not_succeed_is_owed_and_finished_by_the_next_sync(
    world, org, client, how
) -> None:
    before = left_and_edited(world, org, client)
    world.rules["read_back_leads"] = 8  # two of them are leads that left
    if how == "maintenance":
        org.faults.set(maintenance=True)
        world.sync(client)
    elif how == "lost":
        org.faults.job("lose", rows=2)
        world.sync(client)
    else:
        org.faults.request("request_limit", on="poll")
        with pytest.raises(ApiLimitError):
            world.sync(client)
    if how != "limit":
        assert owed(world) is not None
    org.faults.clear()
    world.rules["read_back_leads"] = 1  # a sample of one would not see them
    result = world.sync(client_of(org))
    assert (result.read_back.everything, result.problems, owed(world)) == (True, (), None)
    assert carried(org) == before


def test_a_sync_that_dies_before_it_restores_leads_that_left_is_finished_by_the_next(
    world, org, client, monkeypatch
) -> None:
    world.sync(client)
    leave(world)
    world.sync(client)
    before = [carried(org)[one] for one in (EMPTIED, KEPT)]
    move(world)
    org.store.update(["V4_Score__c"], [[True, 0.9, one] for one in (EMPTIED, KEPT)])
    plan = Ledger.plan

    def dying(ledger: Ledger, *args: Any, restores: bool = False) -> Any:
        if restores:
            raise KeyboardInterrupt
        return plan(ledger, *args, restores=restores)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Ledger, "plan", dying)
        world.sync(client)
    assert all(row["settled_at"] for row in world.all(tables.SALESFORCE_JOBS))
    world.rules["read_back_leads"] = 1  # a sample of one would not see them
    move(world, by=0.0)
    result = world.sync(client)
    assert (result.repaired, result.problems) == (2, ())
    assert [carried(org)[one] for one in (EMPTIED, KEPT)] == before
    move(world, by=0.0)
    assert not world.sync(client).read_back.everything


def test_a_bulk_edit_of_leads_that_left_is_repaired_whatever_the_limit_on_changes(world, org, client) -> None:
    world.sync(client)
    leave(world, emptied=leads(30), kept=leads(60)[30:])
    world.sync(client)
    before = carried(org)
    world.rules["max_changed_share"] = 0.01
    org.store.update(["V4_Score__c"], [[True, 0.9, one] for one in leads(60)])
    result = world.sync(client)
    assert (result.repaired, result.problems) == (60, ())
    assert carried(org) == before


@pytest.mark.parametrize("what", ["a repair of leads that left", "earlier scores of the day"])
def test_a_job_left_over_that_carried_other_rows_does_not_lift_the_limit_on_changes(world, org, client, what) -> None:
    world.rules["read_back"] = "all"
    world.sync(client)
    leave(world)
    if what.startswith("a repair"):
        world.sync(client)
        org.store.update(["V4_Score__c"], [[True, 0.9, KEPT]])
    org.faults.request("request_limit", on="poll")
    with pytest.raises(ApiLimitError):
        world.sync(client)
    org.faults.clear()
    [left_over] = [row for row in world.all(tables.SALESFORCE_JOBS) if row["settled_at"] is None]
    assert left_over["row_count"] == 1
    world.at = world.at if what.startswith("a repair") else time(12, 30)
    world.score(OLD, spread(leads(MANY)[10:], seed=3))
    with pytest.raises(SyncHeldError, match="Nothing was sent"):
        world.sync(client_of(org))


def test_values_of_other_origin_on_leads_that_were_never_sent_are_nobodys_drift(world, org, client) -> None:
    by_hand = SeedLead(KEPT, {"V4_Score__c": 0.5, "V4_Score_Percentile__c": 50})
    org.seed([by_hand])
    leave(world, emptied=[])
    world.sync(client)
    org.store.update(["V4_Score__c"], [[True, 0.9, KEPT]])
    world.rules["read_back"] = "all"
    result = world.sync(client)
    assert (result.jobs, result.repaired, result.problems) == (0, 0, ())
    assert carried(org)[KEPT]["V4_Score__c"] == 0.9
