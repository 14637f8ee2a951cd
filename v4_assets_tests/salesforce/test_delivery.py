"""Delivered or owed: drift that is repaired, refusals by cause, first syncs, other integrations, one reading."""

import json
import shutil
from collections.abc import Sequence
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from salesforce_stand_in import SeedLead
from v4_assets import tables
from v4_assets.cli.main import cli
from v4_assets.errors import ApiLimitError, SalesforceError, SalesforceSetupError, SettingsError, SyncHeldError
from v4_assets.production import overdue
from v4_assets.salesforce.checks import distribution
from v4_assets.salesforce.client.org import CRM
from v4_assets.salesforce.ledger import Ledger
from v4_assets.salesforce.preview import preview
from v4_assets_tests.fixtures.crm_world import (
    DAY,
    NEW,
    NEXT_DAY,
    OLD,
    CrmWorld,
    carried,
    client_of,
    lead,
    leads,
    org_of,
    spread,
)

MANY = 200
EMPTIED, KEPT = lead(8), lead(9)
"""Leads that leave the scored set: without a call, and with one."""
NOTHING = dict.fromkeys(("V4_Score__c", "V4_Score_Percentile__c", "V4_Model_Version__c")) | {
    "V4_Deprioritize__c": False
}
"""What an emptied lead shows."""
MAINTENANCE = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
VALIDATION = "FIELD_CUSTOM_VALIDATION_EXCEPTION"


@pytest.fixture
def world(prepared: Path, tmp_path: Path) -> CrmWorld:
    rules = {"read_back": "sample", "read_back_leads": 20, "retry_rounds": 1}
    return CrmWorld(Path(shutil.copytree(prepared, tmp_path / "home")), rules)


def move(world: CrmWorld, days: int = 1, by: float = 0.03) -> None:
    """The next morning; every score a little higher, in the same order."""
    world.day += timedelta(days=days)
    before = {row["lead_id"]: row["score"] for row in world.all("daily_scores_v40")}
    world.score(OLD, {one: score + by for one, score in before.items()})


def left_and_edited(world: CrmWorld, org: Any, client: Any) -> dict[str, Any]:
    """Leads leave and the sync follows; then their scores are edited in the org. What the leads carried before that."""
    world.sync(client)
    leave(world)
    world.sync(client)
    before = carried(org)
    org.store.update(["V4_Score__c"], [[True, 0.9, one] for one in (EMPTIED, KEPT)])
    return before


def leave(world: CrmWorld, emptied: Sequence[str] = (EMPTIED,), kept: Sequence[str] = (KEPT,)) -> None:
    """The next morning, without these leads; those that are kept got a call."""
    world.day += timedelta(days=1)
    gone = {*emptied, *kept}
    world.score(OLD, {one: score for one, score in spread(leads(MANY)).items() if one not in gone})
    columns = dict.fromkeys(column.name for column in world.rollout.catalogue[tables.LEAD].columns)
    called = {"Stage_Entered_Call_Scheduled__c": world.clock.now()}
    world.put(tables.LEAD, [columns | called | {"Id": one} for one in kept])


def owed(world: CrmWorld) -> str | None:
    return overdue.recorded_syncs(world.store).owed(world.day, OLD)


# --- drift ---------------------------------------------------------------------------------------------------------


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


# --- refusals ------------------------------------------------------------------------------------------------------


def test_an_hour_of_maintenance_is_owed_and_quarantines_no_lead(world, org, client) -> None:
    org.faults.set(maintenance=True)
    result = world.sync(client)
    assert (result.leads("failed"), result.leads("quarantined"), result.jobs) == (MANY, 0, 1)
    assert MAINTENANCE in str(owed(world))
    org.faults.clear()
    assert world.sync(client).problems == ()
    assert owed(world) is None
    assert carried(org) == world.expected(OLD)


def test_a_validation_rule_of_an_hour_is_owed_and_quarantines_no_lead(world, org, client) -> None:
    org.faults.row(VALIDATION, times=1)
    result = world.sync(client)
    assert (result.leads("failed"), result.leads("quarantined")) == (MANY, 0)
    assert f"{MANY} rows were refused for a reason that is not about the leads: {VALIDATION}" in str(owed(world))
    assert world.sync(client).problems == ()


def test_twenty_refused_leads_are_their_own_and_wait_for_release(world, org, client) -> None:
    ids = leads(2_000)
    org.seed(ids)
    world.score(OLD, spread(ids))
    org.faults.row(VALIDATION, ids[:20], times=1)
    result = world.sync(client)
    assert (result.leads("quarantined"), result.problems, owed(world)) == (20, (), None)
    assert world.sync(client).jobs == 0
    org_id = result.identity.org_id
    assert world.ledger.release(org_id, code="OTHER") == 0
    assert world.ledger.release(org_id, lead_id=ids[3]) == 1
    assert world.ledger.release(org_id, code=VALIDATION) == 19
    assert len(world.sync(client).plan.rows) == 20
    assert carried(org) == world.expected(OLD)


def retried(world: CrmWorld, *arguments: str) -> Result:
    """`v4 sync retry-refused` in the world's home, on the stand-in org."""
    environment = {"V4_HOME": str(world.home), "V4_NOW": f"{world.day}T07:30", "V4_SALESFORCE": "local"}
    return CliRunner().invoke(cli, ["sync", "retry-refused", *arguments], env=environment, prog_name="v4")


@pytest.mark.parametrize(
    ("arguments", "released"),
    [
        pytest.param(("--all",), range(20), id="all"),
        pytest.param(("--code", VALIDATION), range(12), id="a code"),
        pytest.param(("--code", "OTHER"), (), id="a code that no lead was refused with"),
        pytest.param(("--lead", lead(15)), (15,), id="a lead"),
        pytest.param(("--lead", lead(15)[:15]), (15,), id="a lead by 15 characters"),
        pytest.param(("--lead", lead(100)), (), id="a lead that was not refused"),
        pytest.param(("--lead", lead(3), "--code", VALIDATION), (3,), id="a lead and its code"),
        pytest.param(("--lead", lead(3), "--code", "STRING_TOO_LONG"), (), id="a lead and another's code"),
    ],
)
def test_retry_refused_releases_by_code_or_lead_and_the_next_sync_sends_exactly_these(
    world, org, client, arguments, released
) -> None:
    org.faults.row(VALIDATION, leads(12), times=1)
    org.faults.row("STRING_TOO_LONG", leads(20)[12:], times=1)
    assert world.sync(client).leads("quarantined") == 20
    result = retried(world, *arguments, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"released": len(released)})
    assert sorted(world.sync(client).plan.rows["lead_id"].to_pylist()) == [lead(number) for number in released]
    again = retried(world, *arguments)
    assert again.output == "No refused lead matches.\n"


def test_retry_refused_says_how_many_leads_the_next_sync_sends(world, org, client) -> None:
    org.faults.row(VALIDATION, leads(20), times=1)
    world.sync(client)
    assert retried(world, "--all").output == "Sent again by the next sync: 20 leads.\n"


def test_retry_refused_never_releases_what_another_org_refused(world, org, client) -> None:
    org.faults.row(VALIDATION, leads(20), times=1)
    world.sync(client)
    for row in (state := world.all(tables.SALESFORCE_STATE)):
        row["org_id"] = "00D000000000000EAA"
    world.put(tables.SALESFORCE_STATE, state)
    assert retried(world, "--all").output == "No refused lead matches.\n"
    assert world.all(tables.SALESFORCE_STATE) == state


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param((), "Name the leads: --code CODE, --lead ID or --all.", id="nothing"),
        pytest.param(
            ("--all", "--code", "X"), "--all releases every refused lead: leave out --code", id="all and a code"
        ),
        pytest.param(("--lead", "00Q12"), "00Q12 is not a record id. Give the lead's id of 15 or 18", id="no id"),
    ],
)
def test_retry_refused_refuses_in_a_sentence(world, arguments, sentence) -> None:
    refused = retried(world, *arguments).exception
    assert isinstance(refused, SettingsError)
    assert sentence in str(refused)


def test_leads_that_a_sandbox_does_not_have_are_counted_and_owe_nothing(world, org, client) -> None:
    world.sync(client)
    world.day = NEXT_DAY
    world.score(OLD, spread(leads(MANY + 60)))
    result = world.sync(client, allowed="sixty leads came")
    assert (result.absent, result.refused, result.uncovered, result.problems) == (60, 0, 0, ())
    [last] = [row for row in world.all(tables.SALESFORCE_SYNCS) if row["prediction_date"] == NEXT_DAY]
    assert (last["absent"], last["owed"]) == (60, None)


# --- one reading ---------------------------------------------------------------------------------------------------


def test_a_few_pending_rows_are_delivered_and_more_are_owed(world, org, client) -> None:
    org.faults.row("UNABLE_TO_LOCK_ROW", leads(2), times=9)
    assert (world.sync(client).problems, owed(world)) == ((), None)
    last = overdue.recorded_syncs(world.store).last
    assert last is not None
    assert (last.pending, last.owed) == (2, None)
    org.faults.clear()
    org.faults.row("UNABLE_TO_LOCK_ROW", leads(3), times=9)
    move(world)
    world.sync(client)
    assert str(owed(world)).startswith("3 of 200 leads are pending, limit 1.0%: 3 UNABLE_TO_LOCK_ROW")


def test_a_job_that_failed_is_owed_while_rows_are_pending(world, org, client) -> None:
    world.rules["retry_rounds"] = 0
    org.faults.job("fail", rows=199, error="InternalServerError : again later")
    world.sync(client)
    assert "ended Failed: InternalServerError" in str(owed(world))


def test_a_day_without_a_sync_is_owed(world) -> None:
    assert owed(world) == "no sync of the day has ended"


# --- polls and other integrations ----------------------------------------------------------------------------------


def test_a_poll_that_is_refused_once_does_not_cost_the_job(world, org, client) -> None:
    org.faults.request("refused", on="poll", times=4)
    result = world.sync(client)
    assert (result.problems, org.requests["create"], org.requests["abort"]) == ((), 1, 0)


def test_a_poll_that_is_always_refused_ends_the_run_and_leaves_the_job_to_the_next(world, org, client) -> None:
    org.faults.request("refused", on="poll", times=99)
    with pytest.raises(SalesforceSetupError, match="INSUFFICIENT_ACCESS"):
        world.sync(client)
    assert org.requests["poll"] == 5
    org.faults.clear()
    assert world.sync(client).problems == ()
    assert org.requests["create"] == 1


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_open_jobs_of_another_integration_of_our_user_are_never_aborted(world, org, client, kind) -> None:
    theirs = [client.create_job() for _ in range(3)]
    org.faults.request(kind, on="create")
    assert world.sync(client).problems == ()
    states = {str(job["id"]): job["state"] for job in org.jobs()}
    assert [states[job] for job in theirs] == ["Open"] * 3


def test_a_create_that_is_refused_leaves_nothing_unsettled(world, org, client) -> None:
    org.faults.request("refused", on="create")
    with pytest.raises(SalesforceError, match="INSUFFICIENT_ACCESS"):
        world.sync(client)
    [job] = world.all(tables.SALESFORCE_JOBS)
    assert (job["settled_at"] is not None, job["org_state"]) == (True, "NotCreated")
    assert world.sync(client).problems == ()


# --- the first sync into fields that hold values, and previews -----------------------------------------------------


def by_hand(world: CrmWorld, moved: int) -> list[SeedLead]:
    """Leads filled by hand: as today's scores, but `moved` of them with a flipped flag."""
    found = []
    for at, (one, row) in enumerate(world.expected(OLD).items()):
        flipped = {"V4_Deprioritize__c": not row["V4_Deprioritize__c"]} if at < moved else {}
        found.append(SeedLead(one, row | {"V4_Model_Version__c": "V4"} | flipped))
    return found


@pytest.mark.parametrize(("moved", "held"), [(30, False), (50, True)])
def test_a_first_sync_into_filled_fields_is_held_like_any_other_and_the_preview_says_so(
    world, tmp_path, moved, held
) -> None:
    with org_of(tmp_path / "filled", by_hand(world, moved)) as (org, client):
        crm = CRM("local", client, world.home / "salesforce", world.timer.wait, client.identity().org_id)
        shown = preview(world.store, world.rollout, world.clock, crm, OLD, DAY)
        assert (shown.held is not None, shown.plan.moved, shown.plan.comparable) == (held, moved, MANY)
        assert org.requests["create"] == 0
        if held:
            with pytest.raises(SyncHeldError, match="Nothing was sent"):
                world.sync(client)
            assert org.updates() == {}
        result = world.sync(client, allowed="a person has seen the numbers" if held else None)
        assert result.plan.counts == shown.plan.counts
        assert set(org.updates()) == set(shown.plan.rows["lead_id"].to_pylist())
        assert carried(org) == world.expected(OLD)


def test_a_preview_never_shows_what_another_org_confirmed(world, org, client, tmp_path) -> None:
    world.sync(client)
    with org_of(tmp_path / "other", list(leads(MANY))) as (other, stranger):
        for row in (state := world.all(tables.SALESFORCE_STATE)):
            row["org_id"] = "00D000000000000EAA"
        world.put(tables.SALESFORCE_STATE, state)
        crm = CRM("local", stranger, world.home / "salesforce", world.timer.wait, stranger.identity().org_id)
        shown = preview(world.store, world.rollout, world.clock, crm, OLD, DAY)
        assert (shown.plan.unchanged, shown.counts["to_send"]) == (0, MANY)
        assert "no sync has run there yet" in shown.compared_with
        assert other.requests["create"] == 0
