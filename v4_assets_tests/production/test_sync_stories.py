"""Stories of a sync through the graph: real jobs, sensors and stand-in org; each ends delivered, or owed in words."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from salesforce_stand_in import StandInOrg
from v4_assets.config.salesforce import is_record_id, to_18
from v4_assets.names import ROLLOUT_PAGE
from v4_assets.operations import local_runs, operator_actions
from v4_assets.operations.status import status
from v4_assets.operations.status_text import as_text
from v4_assets_tests.fixtures.stories import BEFORE, FALLEN, GOOD, NEW, OLD, SINCE, Story, tell

pytestmark = pytest.mark.extended

VALIDATION = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
MAINTENANCE = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
UP, BACK = ("seventh", "promotion", NEW), ("watched", "rollback", OLD)
SWITCHES = pytest.mark.parametrize(("name", "switch", "version"), [UP, BACK], ids=["up", "back"])


@contextmanager
def stage(name: str, tmp_path) -> Iterator[tuple[Story, StandInOrg, list[str]]]:
    """A prepared home with an org that has every lead; a promotion is due where the home is `seventh`, a rollback where
    it is `watched`."""
    story = tell(name, tmp_path / "home", V4_SALESFORCE="local")
    for day in BEFORE if name == "seventh" else ():
        story.write(day, GOOD, retrospective=True)
    for day in SINCE[1:] if name == "watched" else ():
        story.write(day, FALLEN)
    rows = story.read("SELECT DISTINCT Id FROM `SavvyGTMData`.`Lead`")  # those of later days, too
    leads = sorted({to_18(row["Id"]) for row in rows if is_record_id(row["Id"] or "")})
    with StandInOrg(story.home / "org", leads) as org:
        if name == "watched":
            assert local_runs.run_job(story.settings, "sync_salesforce", partition=story.day).success
            assert versions(org) == {NEW}
        yield story, org, leads


def shown(story: Story) -> dict[str, Any]:
    """The Salesforce part of `v4 status`."""
    found: dict[str, Any] = status(story.settings)["salesforce"]
    return found


def page(story: Story) -> str:
    """The rollout page as it stands."""
    return (story.settings.places.reports / ROLLOUT_PAGE).read_text(encoding="utf-8")


def versions(org: StandInOrg) -> set[Any]:
    return {row["V4_Model_Version__c"] for row in org.rows().values()} - {None}


def scored(story: Story, version: str) -> dict[str, tuple[int, bool]]:
    """Decile and call flag of today's leads, as the warehouse has them."""
    table = story.settings.rollout.versions[version].scores_table
    rows = story.read(f"SELECT * FROM `ml_features`.`{table}` WHERE prediction_date = DATE '{story.day}'")
    return {row["lead_id"]: (row["decile"], row["deprioritize"]) for row in rows}


def carried(org: StandInOrg, leads: Any) -> dict[str, tuple[int, bool]]:
    rows: dict[str, dict[str, Any]] = org.rows()
    return {
        one: (-int(-rows[one]["V4_Score_Percentile__c"] // 10), bool(rows[one]["V4_Deprioritize__c"])) for one in leads
    }


def test_a_promotion_with_one_refused_lead_is_delivered(tmp_path) -> None:
    name, switch, version = UP
    with stage(name, tmp_path) as (story, org, _):
        wanted = scored(story, version)
        [one, *rest] = wanted
        org.faults.row(VALIDATION, [one], times=99)
        [outcome] = story.tick().outcomes
        assert outcome.success, outcome.errors
        assert story.happened[-1] == f"{switch}_completed"
        assert (shown(story)["today_done"], shown(story)["owed"]) == (True, None)
        found = org.rows()
        assert {found[lead]["V4_Model_Version__c"] for lead in rest} == {version}
        assert carried(org, rest) == {lead: wanted[lead] for lead in rest}
        assert "1 quarantined" in as_text(status(story.settings))


def test_a_rollback_with_a_hundred_leads_refused_for_one_reason_is_owed_until_the_rule_is_off(tmp_path) -> None:
    name, switch, version = BACK
    with stage(name, tmp_path) as (story, org, _):
        assert len(scored(story, version)) >= 100
        org.faults.row(VALIDATION, sorted(scored(story, version))[:100], times=1)
        [outcome] = story.tick().outcomes
        assert not outcome.success
        assert (story.happened[-1], story.live) == (f"{switch}_started", version)
        assert f"100 rows were refused for a reason that is not about the leads: {VALIDATION}" in shown(story)["owed"]
        [again] = story.tick().outcomes  # the rule was on for an hour
        assert again.success, again.errors
        assert (story.happened[-1], shown(story)["owed"]) == (f"{switch}_completed", None)
        assert carried(org, scored(story, version)) == scored(story, version)


def test_a_promotion_during_an_hour_of_maintenance_is_owed_and_then_delivered(tmp_path) -> None:
    name, switch, version = UP
    with stage(name, tmp_path) as (story, org, _):
        org.faults.set(maintenance=True)
        [outcome] = story.tick().outcomes
        assert not outcome.success
        assert story.happened[-1] == f"{switch}_started"
        assert MAINTENANCE in shown(story)["owed"]
        assert "today's scores are not delivered" in as_text(status(story.settings))
        org.faults.clear()
        [again] = story.tick().outcomes
        assert again.success, again.errors
        assert (story.happened[-1], shown(story)["today_done"], versions(org)) == (
            f"{switch}_completed",
            True,
            {version},
        )


def test_a_warehouse_restored_from_two_days_ago_is_noticed_and_the_org_repaired(tmp_path) -> None:
    with stage("promoted", tmp_path) as (story, org, _):
        story.goes_on(date(2026, 1, 12))
        assert story.run().success
        file = story.settings.duckdb_file
        copy = shutil.copy(file, tmp_path / "copy")
        story.goes_on(date(2026, 1, 13))
        assert story.run().success
        shutil.copy(copy, file)
        story.goes_on(date(2026, 1, 14))
        outcome = story.run()
        assert outcome.success, outcome.errors
        assert (shown(story)["owed"], shown(story)["today_done"], versions(org)) == (None, True, {NEW})
        assert carried(org, scored(story, NEW)) == scored(story, NEW)
        assert OLD not in versions(org)


def test_a_day_whose_rows_stay_locked_is_owed_everywhere_and_repeated_by_the_sensor(tmp_path) -> None:
    with stage("promoted", tmp_path) as (story, org, leads):
        story.goes_on(date(2026, 1, 12))
        org.faults.row("UNABLE_TO_LOCK_ROW", leads, times=4)
        outcome = story.run()
        assert not outcome.success
        assert "are pending, limit 1.0%" in shown(story)["owed"]
        assert "are pending, limit 1.0%" in page(story)  # before any sensor has looked
        story.goes_on(time="08:00")
        assert "Salesforce has not received v4.1.0's scores of 2026-01-12" in story.alerts()
        [again] = story.tick().outcomes
        assert again.success, again.errors
        assert shown(story)["owed"] is None
        assert "are pending, limit 1.0%" not in page(story)
        assert carried(org, scored(story, NEW)) == scored(story, NEW)


@SWITCHES
def test_a_warehouse_restored_from_yesterday_across_a_switch_sets_the_org_back_and_switches_again(
    tmp_path, name, switch, version
) -> None:
    """The copy knows nothing of the switch: its own version is live again, until the sensor decides anew."""
    before = NEW if version == OLD else OLD
    with stage(name, tmp_path) as (story, org, _):
        if name == "seventh":
            assert local_runs.run_job(story.settings, "sync_salesforce", partition=story.day).success
        assert versions(org) == {before}
        story.candidate = GOOD if version == NEW else FALLEN
        copy = shutil.copy(story.settings.duckdb_file, tmp_path / "copy")
        story.goes_on(story.day + timedelta(days=1))
        assert story.run().success
        [outcome] = story.tick().outcomes
        assert outcome.success, outcome.errors
        assert (story.happened[-1], versions(org)) == (f"{switch}_completed", {version})

        shutil.copy(copy, story.settings.duckdb_file)
        story.deliver()
        assert story.live == before
        assert "today's scores are not delivered" in as_text(status(story.settings))
        outcome = story.run()
        assert outcome.success, outcome.errors
        assert (shown(story)["owed"], shown(story)["today_done"]) == (None, True)
        assert carried(org, scored(story, before)) == scored(story, before)
        rows = org.rows()
        assert {rows[lead]["V4_Model_Version__c"] for lead in scored(story, before)} == {before}

        [again] = story.tick().outcomes
        assert again.success, again.errors
        assert (story.happened[-1], story.live) == (f"{switch}_completed", version)
        assert (shown(story)["owed"], shown(story)["today_done"], versions(org)) == (None, True, {version})
        assert carried(org, scored(story, version)) == scored(story, version)


@pytest.mark.parametrize(
    ("name", "switch", "version", "owes"), [(*UP, True), (*BACK, False)], ids=["owed promotion", "completed rollback"]
)
def test_a_restored_dagster_instance_repeats_no_switch_and_finishes_an_owed_one(
    tmp_path, name, switch, version, owes
) -> None:
    """The instance is of before the switch: it knows no run of it. The ledger and the events are in the warehouse."""
    with stage(name, tmp_path) as (story, org, _):
        instance = story.settings.dagster_home
        shutil.copytree(instance, tmp_path / "instance")
        org.faults.set(maintenance=owes)
        [outcome] = story.tick().outcomes
        assert outcome.success != owes
        shutil.rmtree(instance)
        shutil.copytree(tmp_path / "instance", instance)
        org.faults.clear()
        sent = org.requests["create"]
        outcomes = story.tick().outcomes
        assert [one.success for one in outcomes] == ([True] if owes else [])
        assert story.happened.count(f"{switch}_completed") == 1
        assert (story.live, shown(story)["owed"], versions(org)) == (version, None, {version})
        assert carried(org, scored(story, version)) == scored(story, version)
        assert (org.requests["create"] > sent) == owes


def test_an_org_that_is_set_back_to_before_a_switch_is_repaired_by_the_next_sync(tmp_path) -> None:
    with stage("seventh", tmp_path) as (story, org, _):
        assert local_runs.run_job(story.settings, "sync_salesforce", partition=story.day).success
        older = org.rows()
        [outcome] = story.tick().outcomes
        assert (outcome.success, versions(org)) == (True, {NEW})
        names = [name for name in next(iter(older.values())) if name.startswith("V4_")]
        org.store.update(
            names,
            [[*(cell for name in names for cell in (True, row[name])), lead] for lead, row in older.items()],
        )
        assert versions(org) == {OLD}
        outcome = local_runs.run_job(story.settings, "sync_salesforce", partition=story.day)
        assert outcome.success, outcome.errors
        assert (story.live, shown(story)["owed"], versions(org)) == (NEW, None, {NEW})
        assert carried(org, scored(story, NEW)) == scored(story, NEW)


def turn_over(story: Story) -> None:
    """The best leads of the day become the worst, in the same write of the scores."""
    table = story.settings.rollout.versions[NEW].scores_table
    story.change(
        f'UPDATE "ml_features"."{table}" SET percentile = 101 - percentile, decile = 11 - decile, '
        f"deprioritize = (101 - percentile <= 20) WHERE prediction_date = DATE '{story.day}'"
    )


def test_a_permission_for_a_large_change_does_not_travel_with_a_re_execution(tmp_path) -> None:
    with stage("promoted", tmp_path) as (story, org, _):
        story.goes_on(date(2026, 1, 12))
        assert story.run().success
        turn_over(story)
        held = local_runs.run_job(story.settings, "sync_salesforce", partition=story.day)
        assert "Nothing was sent" in held.errors[0]
        assert "Nothing was sent" in shown(story)["owed"]
        operator_actions.allow_changes(story.settings, "the features were repaired")
        # The permitted run fails halfway; what repeats it sends the rest, and then nothing is permitted any more.
        org.faults.set(maintenance=True)
        first = local_runs.run_job(story.settings, "sync_salesforce", partition=story.day)
        assert not first.success
        org.faults.clear()
        assert story.execute_again(first.run_id).success
        assert carried(org, scored(story, NEW)) == scored(story, NEW)
        assert shown(story)["owed"] is None
        delivered = org.rows()
        turn_over(story)
        assert not story.execute_again(first.run_id).success
        assert org.rows() == delivered
        assert "Nothing was sent" in shown(story)["owed"]
