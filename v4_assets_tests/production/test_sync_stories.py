"""Stories of a sync through the graph: real jobs, sensors and stand-in org; each ends delivered, or owed in words."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from salesforce_stand_in import StandInOrg
from v4_assets.config.record_ids import is_record_id, to_18
from v4_assets.operations import operate
from v4_assets.operations.status import status
from v4_assets.operations.status_text import as_text
from v4_assets_tests.fixtures.stories import BEFORE, FALLEN, GOOD, NEW, OLD, SINCE, Story, tell

VALIDATION = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
MAINTENANCE = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
SWITCHES = pytest.mark.parametrize(
    ("name", "switch", "version"), [("seventh", "promotion", NEW), ("watched", "rollback", OLD)], ids=["up", "back"]
)


@contextmanager
def stage(name: str, tmp_path) -> Iterator[tuple[Story, StandInOrg, list[str]]]:
    """A prepared home with an org that has every lead; a promotion is due where the home is `seventh`, a rollback where
    it is `watched`."""
    told = tell(name, tmp_path / "home", V4_SALESFORCE="local")
    for day in BEFORE if name == "seventh" else ():
        told.write(day, GOOD, retrospective=True)
    for day in SINCE[1:] if name == "watched" else ():
        told.write(day, FALLEN)
    rows = told.read("SELECT DISTINCT Id FROM `SavvyGTMData`.`Lead`")  # those of later days, too
    leads = sorted({to_18(row["Id"]) for row in rows if is_record_id(row["Id"] or "")})
    with StandInOrg(told.home / "org", leads) as org:
        if name == "watched":
            assert operate.run_job(told.settings, "sync_salesforce", partition=told.day).success
            assert versions(org) == {NEW}
        yield told, org, leads


def shown(told: Story) -> dict[str, Any]:
    """The Salesforce part of `v4 status`."""
    found: dict[str, Any] = status(told.settings)["salesforce"]
    return found


def versions(org: StandInOrg) -> set[Any]:
    return {row["V4_Model_Version__c"] for row in org.rows().values()} - {None}


def scored(told: Story, version: str) -> dict[str, tuple[int, bool]]:
    """Decile and call flag of today's leads, as the warehouse has them."""
    table = told.settings.rollout.versions[version].scores_table
    rows = told.read(f"SELECT * FROM `ml_features`.`{table}` WHERE prediction_date = DATE '{told.day}'")
    return {row["lead_id"]: (row["decile"], row["deprioritize"]) for row in rows}


def carried(org: StandInOrg, leads: Any) -> dict[str, tuple[int, bool]]:
    rows: dict[str, dict[str, Any]] = org.rows()
    return {
        one: (-int(-rows[one]["V4_Score_Percentile__c"] // 10), bool(rows[one]["V4_Deprioritize__c"])) for one in leads
    }


@SWITCHES
def test_a_switch_with_one_refused_lead_is_delivered(tmp_path, name, switch, version) -> None:
    with stage(name, tmp_path) as (told, org, _):
        wanted = scored(told, version)
        [one, *rest] = wanted
        org.faults.row(VALIDATION, [one], times=99)
        [outcome] = told.tick().outcomes
        assert outcome.success, outcome.errors
        assert told.happened[-1] == f"{switch}_completed"
        assert (shown(told)["today_done"], shown(told)["owed"]) == (True, None)
        found = org.rows()
        assert {found[lead]["V4_Model_Version__c"] for lead in rest} == {version}
        assert carried(org, rest) == {lead: wanted[lead] for lead in rest}
        assert "1 quarantined" in as_text(status(told.settings))


@SWITCHES
def test_a_switch_with_a_hundred_leads_refused_for_one_reason_is_owed_until_the_rule_is_off(
    tmp_path, name, switch, version
) -> None:
    with stage(name, tmp_path) as (told, org, _):
        assert len(scored(told, version)) >= 100
        org.faults.row(VALIDATION, sorted(scored(told, version))[:100], times=1)
        [outcome] = told.tick().outcomes
        assert not outcome.success
        assert (told.happened[-1], told.live) == (f"{switch}_started", version)
        assert f"100 rows were refused for a reason that is not about the leads: {VALIDATION}" in shown(told)["owed"]
        [again] = told.tick().outcomes  # the rule was on for an hour
        assert again.success, again.errors
        assert (told.happened[-1], shown(told)["owed"]) == (f"{switch}_completed", None)
        assert carried(org, scored(told, version)) == scored(told, version)


@SWITCHES
def test_a_switch_during_an_hour_of_maintenance_is_owed_and_then_delivered(tmp_path, name, switch, version) -> None:
    with stage(name, tmp_path) as (told, org, _):
        org.faults.set(maintenance=True)
        [outcome] = told.tick().outcomes
        assert not outcome.success
        assert told.happened[-1] == f"{switch}_started"
        assert MAINTENANCE in shown(told)["owed"]
        assert "today's scores are not delivered" in as_text(status(told.settings))
        org.faults.clear()
        [again] = told.tick().outcomes
        assert again.success, again.errors
        assert (told.happened[-1], shown(told)["today_done"], versions(org)) == (f"{switch}_completed", True, {version})


def test_a_warehouse_restored_from_two_days_ago_is_noticed_and_the_org_repaired(tmp_path) -> None:
    with stage("promoted", tmp_path) as (told, org, _):
        told.goes_on(date(2026, 1, 12))
        assert told.run().success
        file = told.settings.duckdb_file
        copy = shutil.copy(file, tmp_path / "copy")
        told.goes_on(date(2026, 1, 13))
        assert told.run().success
        shutil.copy(copy, file)
        told.goes_on(date(2026, 1, 14))
        outcome = told.run()
        assert outcome.success, outcome.errors
        assert (shown(told)["owed"], shown(told)["today_done"], versions(org)) == (None, True, {NEW})
        assert carried(org, scored(told, NEW)) == scored(told, NEW)
        assert OLD not in versions(org)


def test_a_day_whose_rows_stay_locked_is_owed_everywhere_and_repeated_by_the_sensor(tmp_path) -> None:
    with stage("promoted", tmp_path) as (told, org, leads):
        told.goes_on(date(2026, 1, 12))
        org.faults.row("UNABLE_TO_LOCK_ROW", leads, times=4)
        outcome = told.run()
        assert not outcome.success
        assert "are pending, limit 1.0%" in shown(told)["owed"]
        told.goes_on(time="08:00")
        assert "Salesforce has not received v4.1.0's scores of 2026-01-12" in told.alerts()
        [again] = told.tick().outcomes
        assert again.success, again.errors
        assert shown(told)["owed"] is None
        assert carried(org, scored(told, NEW)) == scored(told, NEW)
