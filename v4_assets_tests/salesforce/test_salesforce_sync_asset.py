"""The sync as an asset of Dagster: what it refuses, what it answers, what it shows; the dry run and the preview."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest

from salesforce_stand_in import OrgField, StandInOrg
from v4_assets import tables
from v4_assets.errors import RowsMissingError, SettingsError
from v4_assets.partitions import daily_partitions
from v4_assets.production.recorded_orders import large_change_of, permit_large_change
from v4_assets.salesforce.assets import salesforce_sync
from v4_assets.salesforce.client.org import CRM, Org
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
    spread,
)

MANY = 60
ALWAYS = {"fields_exist", "values_in_range", "distribution_as_expected", "count_as_scored", "changes_within_limit"}
CHECKS = ALWAYS | {"all_accounted_for", "failure_rate", "read_back_equals_warehouse", "coverage", "delivered"}


@pytest.fixture(scope="module")
def prepared(prepared: Path) -> Path:
    """Scored by V4.1.0, too."""
    CrmWorld(prepared).score(NEW, spread(leads(MANY), seed=2))
    return prepared


class Untouchable:
    """An org nobody may ask anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the org was asked for {name}")


def run(world: CrmWorld, org: Org | None, day: date | None = None, **tags: Any) -> dg.ExecuteInProcessResult:
    """The asset, as a job of Dagster runs it."""
    rollout = world.rollout
    days = daily_partitions(rollout.first_day)
    asset = salesforce_sync(rollout, days, sends=org is not None)
    others = [dg.AssetSpec("production_alias"), dg.AssetSpec("daily_scores_v40"), dg.AssetSpec("daily_scores_v41")]
    crm = CRM("dry-run" if org is None else "local", org, world.home / "salesforce", world.timer.wait)
    return dg.materialize(
        [asset, *others],
        selection=[asset],
        partition_key=(day or world.day).isoformat(),
        resources={"store": world.store, "clock": world.clock, "salesforce": crm},
        tags=tags,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def crm(world: CrmWorld, org: StandInOrg | None = None, org_id: str | None = None) -> CRM:
    """The CRM of a preview: with an org, or only with the id of one."""
    client = client_of(org) if org else None
    return CRM("local" if org else "dry-run", client, world.home / "salesforce", world.timer.wait, org_id)


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def error(result: dg.ExecuteInProcessResult) -> str:
    [failure] = [event for event in result.all_events if event.is_step_failure]
    said = failure.step_failure_data.error
    assert said is not None
    return (said.cause or said).message


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [event] = result.asset_materializations_for_node("salesforce_sync")
    return {name: value.value for name, value in event.metadata.items()}


def test_the_day_is_sent_and_every_check_answers(world: CrmWorld, org: StandInOrg) -> None:
    result = run(world, client_of(org))
    assert result.success
    assert verdicts(result) == dict.fromkeys(CHECKS, True)
    assert carried(org) == world.expected(OLD)
    shown = metadata(result)
    assert (shown["version"], shown["sent"], shown["confirmed"], shown["jobs"]) == (OLD, MANY, MANY, 1)
    assert (shown["limit_not_applied"], shown["full"]) == ("–", True)


def test_after_a_switch_the_same_asset_sends_the_other_version_and_again_after_the_way_back(world, org) -> None:
    run(world, client_of(org))
    for version in (NEW, OLD):
        world.go_live(version)
        result = run(world, client_of(org))
        assert verdicts(result) == dict.fromkeys(CHECKS, True)
        assert (metadata(result)["version"], metadata(result)["other_version"]) == (version, MANY)
        assert carried(org) == world.expected(version)


@pytest.mark.parametrize("ago", [-1, 1, 30])
def test_any_day_but_today_refuses_before_the_org_is_asked(world: CrmWorld, ago: int) -> None:
    world.day += timedelta(days=1)
    day, world.day = world.day - timedelta(days=ago), world.day
    if ago < 0:
        day, world.day = DAY + timedelta(days=1), DAY
    result = run(world, Untouchable(), day)
    assert not result.success
    said = error(result)
    assert "in New York" in said or "has not begun" in said
    assert verdicts(result) == {}


def test_a_day_without_scores_or_without_passed_checks_refuses_before_the_org_is_asked(world: CrmWorld) -> None:
    world.day = NEXT_DAY
    result = run(world, Untouchable())
    assert "v4_daily_scores has no rows of 2026-01-13" in error(result)
    world.score(OLD, spread(leads(MANY)), passed=False)
    assert "checks have not passed" in error(run(world, Untouchable()))


def test_all_unfit_fields_are_named_at_once_before_anything_is_written(world: CrmWorld, org: StandInOrg) -> None:
    org.drop("V4_Score__c")
    org.define(OrgField(name="V4_Score_Percentile__c", type="string", length=10))
    org.define(OrgField(name="V4_Deprioritize__c", type="boolean", updateable=False))
    org.define(OrgField(name="V4_Model_Version__c", type="string", length=3))
    result = run(world, client_of(org))
    assert not result.success
    said = error(result)
    for name in ("V4_Score__c", "V4_Score_Percentile__c", "V4_Deprioritize__c", "V4_Model_Version__c"):
        assert name in said
    [evaluation] = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed) == ("fields_exist", False)
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR
    assert org.requests["create"] == 0


def test_absent_optional_fields_warn_and_the_ledger_serves(world: CrmWorld, org: StandInOrg) -> None:
    org.drop("V4_Model_Version__c")
    org.drop("V4_Scored_At__c")
    result = run(world, client_of(org))
    assert result.success
    assert verdicts(result) == dict.fromkeys(CHECKS, True) | {"fields_exist": False}
    [fields] = [one for one in result.get_asset_check_evaluations() if one.check_name == "fields_exist"]
    assert fields.severity == dg.AssetCheckSeverity.WARN
    assert "V4_Scored_At__c" in str(fields.metadata["details"].value)
    world.go_live(NEW)
    assert metadata(run(world, client_of(org)))["other_version"] == MANY


def test_refusals_beyond_the_limit_fail_the_asset_after_its_checks_have_answered(world, org) -> None:
    org.faults.row("FIELD_CUSTOM_VALIDATION_EXCEPTION", leads(4), times=9)
    result = run(world, client_of(org))
    assert not result.success
    assert "were rejected permanently" in error(result)
    [seen] = [
        event.asset_observation_data.asset_observation for event in result.all_events if event.is_asset_observation
    ]
    listed: Any = seen.metadata["refused_leads"]
    count: Any = seen.metadata["refused"].value
    assert len(listed.records) == count > 0
    assert listed.records[0].data["reason"] not in ("", "–")
    found = verdicts(result)
    assert (found["failure_rate"], found["coverage"], found["all_accounted_for"]) == (False, False, True)
    assert found["delivered"] is False
    [owed] = [row["owed"] for row in world.all(tables.SALESFORCE_SYNCS)]
    assert owed in error(result)
    assert len([row for row in world.log() if row["outcome"] == "quarantined"]) == 4
    assert len(world.all(tables.SALESFORCE_STATE)) == MANY


def test_refused_leads_are_shown_with_the_orgs_words(world: CrmWorld, org: StandInOrg) -> None:
    org.faults.row("FIELD_CUSTOM_VALIDATION_EXCEPTION", [lead(7)], message="check the phone:Phone --", times=9)
    result = run(world, client_of(org))
    assert result.success
    [record] = metadata(result)["refused_leads"].records
    assert (record.data["lead"], record.data["code"]) == (lead(7), "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert "check the phone" in record.data["reason"]
    assert verdicts(result) == dict.fromkeys(CHECKS, True)  # one lead is within the tolerance


def test_rows_without_an_account_fail_the_asset(world: CrmWorld, org: StandInOrg) -> None:
    org.faults.job("lose", rows=3)
    result = run(world, client_of(org))
    assert "3 of 60 rows" in error(result)
    assert verdicts(result)["all_accounted_for"] is False


def test_a_bulk_edit_in_the_org_is_repaired_by_the_next_sync_and_shown(world: CrmWorld, org: StandInOrg) -> None:
    run(world, client_of(org))
    org.store.update(["V4_Score_Percentile__c"], [[True, 1, one] for one in leads(30)])
    result = run(world, client_of(org))
    assert verdicts(result) == dict.fromkeys(CHECKS, True)
    assert metadata(result)["repaired"] >= 29  # one of them may have percentile 1 by right
    assert carried(org) == world.expected(OLD)


def test_what_a_flow_overwrites_again_and_again_is_owed(world: CrmWorld, org: StandInOrg) -> None:
    org.faults.set(overwrites={"V4_Score_Percentile__c": 1})
    result = run(world, client_of(org))
    assert not result.success
    assert "show other values than they confirmed after they were sent again" in error(result)
    found = verdicts(result)
    assert not any(found[name] for name in ("read_back_equals_warehouse", "distribution_as_expected", "delivered"))
    org.faults.clear()
    assert verdicts(run(world, client_of(org))) == dict.fromkeys(CHECKS, True)
    assert carried(org) == world.expected(OLD)


def test_too_many_changes_hold_and_are_allowed_for_these_scores_once(world: CrmWorld, org: StandInOrg) -> None:
    world.rules["full_sync_days"] = 1
    run(world, client_of(org))
    world.day = NEXT_DAY
    world.score(OLD, spread(leads(MANY), seed=9))
    held = run(world, client_of(org))
    assert "Nothing was sent" in error(held)
    # The scores themselves are as expected.
    assert verdicts(held) == dict.fromkeys(ALWAYS, True) | {"changes_within_limit": False}
    tagged: dict[str, Any] = {"v4/allow_changes": "features were mended"}
    assert "Nothing was sent" in error(run(world, client_of(org), **tagged))
    assert permit_large_change(world.store, NEXT_DAY, OLD, "features were mended", world.clock.now(), "ada") == 1
    # It is for the scores that were there, not for those of another write.
    world.score(OLD, spread(leads(MANY), seed=8), sequence=2)
    assert "Nothing was sent" in error(run(world, client_of(org)))
    assert permit_large_change(world.store, NEXT_DAY, OLD, "features were mended", world.clock.now(), "ada") == 2
    # An attempt that fails halfway leaves it open; the next one goes on.
    org.faults.set(overwrites={"V4_Score_Percentile__c": 1})
    assert not run(world, client_of(org)).success
    org.faults.clear()
    assert large_change_of(world.store, NEXT_DAY, OLD) is not None
    allowed = run(world, client_of(org))
    assert metadata(allowed)["limit_not_applied"] == "allowed: features were mended"
    assert carried(org) == world.expected(OLD)
    assert large_change_of(world.store, NEXT_DAY, OLD) is None


# --- scores that are not as they must be, sent or not -----------------------------------------------------------------


def spoil(world: CrmWorld, change: str) -> None:
    """Change the day's scores in the warehouse."""
    with world.warehouse._connection() as connection:
        connection.execute(f'UPDATE "ml_features"."v4_daily_scores" {change}')


SENDS = pytest.mark.parametrize("sends", [True, False], ids=["sync", "dry run"])


@SENDS
@pytest.mark.parametrize(
    "change",
    [
        f"SET score = 1.5 WHERE lead_id = '{lead(3)}'",
        f"SET percentile = 101 WHERE lead_id = '{lead(3)}'",
        f"SET deprioritize = NOT deprioritize WHERE lead_id = '{lead(3)}'",
    ],
    ids=["score", "percentile", "deprioritize"],
)
def test_values_out_of_range_fail_their_check_and_nothing_is_sent(world, org, change, sends) -> None:
    spoil(world, change)
    result = run(world, client_of(org) if sends else None)
    assert verdicts(result) == {"values_in_range": False}
    assert "1 leads have a score outside 0..1, a percentile outside 1..100 or a wrong deprioritize" in error(result)
    assert lead(3) in error(result)
    assert (org.requests["create"], list((world.home / "salesforce").glob("*.csv"))) == (0, [])
    [owed] = [row["owed"] for row in world.all(tables.SALESFORCE_SYNCS)]
    assert owed in error(result)


@SENDS
def test_scores_of_other_leads_than_the_listed_ones_fail_the_count(world, org, sends) -> None:
    writes = world.all(tables.PARTITION_WRITES)
    listed = world.rollout.catalogue[tables.SCORED_LEADS].name
    world.put(
        tables.PARTITION_WRITES,
        [row | {"row_count": MANY + 5} if row["table_name"] == listed else row for row in writes],
    )
    found = verdicts(run(world, client_of(org) if sends else None))
    assert [name for name, passed in found.items() if not passed] == ["count_as_scored"]


@SENDS
def test_scores_that_crowd_into_one_decile_fail_the_distribution(world, org, sends) -> None:
    spoil(world, "SET percentile = 55 WHERE percentile BETWEEN 31 AND 90")
    result = run(world, client_of(org) if sends else None)
    assert [name for name, passed in verdicts(result).items() if not passed] == ["distribution_as_expected"]
    [shown] = [one for one in result.get_asset_check_evaluations() if one.check_name == "distribution_as_expected"]
    assert "decile 6: 36 leads" in str(shown.metadata["details"].value)


def test_a_dry_run_that_would_be_held_fails_the_limit(world, org) -> None:
    run(world, client_of(org))
    world.day = NEXT_DAY
    world.score(OLD, spread(leads(MANY), seed=9))
    found = verdicts(run(world, None))
    assert found == dict.fromkeys(ALWAYS, True) | {"changes_within_limit": False}


@pytest.mark.parametrize("fault", ["request_limit", "refused"])
def test_a_sync_that_breaks_off_still_answers_for_the_scores(world, org, fault) -> None:
    org.faults.request(fault, on="create")
    result = run(world, client_of(org))
    assert not result.success
    assert verdicts(result) == dict.fromkeys(ALWAYS, True)


# --- dry run -------------------------------------------------------------------------------------------------------


def test_a_dry_run_writes_the_very_csv_and_changes_nothing(world: CrmWorld, org: StandInOrg) -> None:
    world.rules["rows_per_job"] = 40
    keys = (tables.SALESFORCE_STATE, tables.SALESFORCE_JOBS, tables.SALESFORCE_SYNC_LOG)
    result = run(world, None)
    assert result.success
    assert verdicts(result) == dict.fromkeys(ALWAYS, True)
    assert [world.all(key) for key in keys] == [[], [], []]
    [recorded] = world.all(tables.SALESFORCE_SYNCS)
    assert (recorded["target"], recorded["org_id"], recorded["leads"], recorded["owed"]) == (
        "dry-run",
        None,
        MANY,
        None,
    )
    folder = world.home / "salesforce"
    first, second = sorted(folder.glob("*.csv"))
    sent: list[bytes] = []
    client = client_of(org)
    upload = client.upload

    def kept(job_id: str, csv: bytes) -> None:
        sent.append(csv)
        upload(job_id, csv)

    with patch.object(client, "upload", kept):
        run(world, client)
    assert sent == [first.read_bytes(), second.read_bytes()]
    summary = json.loads((folder / "2026-01-12_v4.0.0_summary.json").read_text())
    assert (summary["to_send"], summary["unknown"], summary["compared_with_org"]) == (MANY, MANY, None)
    assert metadata(result)["target"] == "dry-run: nothing was sent and nothing changed"


def test_a_dry_run_after_a_sync_shows_the_difference_only_and_whether_it_would_be_held(world, org) -> None:
    run(world, client_of(org))
    run(world, None)
    assert list((world.home / "salesforce").glob("*.csv")) == []
    world.day = NEXT_DAY
    world.score(OLD, spread(leads(MANY), seed=9))
    shown = metadata(run(world, None))
    assert (shown["would_be_held"], shown["would_send"] > MANY / 2) == (True, True)


# --- preview -------------------------------------------------------------------------------------------------------


def test_the_preview_tells_who_enters_and_leaves_and_touches_nothing(world: CrmWorld, org: StandInOrg) -> None:
    run(world, client_of(org))
    before = [world.all(key) for key in world.rollout.catalogue if not world.rollout.catalogue[key].is_source]
    found = preview(world.store, world.rollout, world.clock, crm(world), NEW, DAY)
    old, new = world.expected(OLD), world.expected(NEW)

    def top(rows: dict[str, dict[str, Any]]) -> set[str]:
        return {one for one, row in rows.items() if row["V4_Score_Percentile__c"] > 90}

    def low(rows: dict[str, dict[str, Any]]) -> set[str]:
        return {one for one, row in rows.items() if row["V4_Deprioritize__c"]}

    assert set(found.enters_top_decile) == top(new) - top(old)
    assert set(found.leaves_top_decile) == top(old) - top(new)
    assert set(found.enters_deprioritized) == low(new) - low(old)
    assert set(found.leaves_deprioritized) == low(old) - low(new)
    assert len(found.enters_top_decile) == len(found.leaves_top_decile) > 0
    assert (found.leads, found.counts["to_send"], found.counts["other_version"]) == (MANY, MANY, MANY)
    assert "has confirmed" in found.compared_with
    after = [world.all(key) for key in world.rollout.catalogue if not world.rollout.catalogue[key].is_source]
    assert after == before


def test_the_preview_compares_with_the_live_versions_scores_while_nothing_was_sent(world: CrmWorld) -> None:
    found = preview(world.store, world.rollout, world.clock, crm(world), NEW, DAY)
    assert found.compared_with == "v4.0.0's scores of 2026-01-12: no single org is on record"
    assert found.counts["other_version"] == MANY
    assert preview(world.store, world.rollout, world.clock, crm(world), OLD, DAY).counts["to_send"] == 0


def test_a_preview_of_what_is_not_there_says_so(world: CrmWorld) -> None:
    with pytest.raises(SettingsError, match="v9 is not among the versions"):
        preview(world.store, world.rollout, world.clock, crm(world), "v9", DAY)
    with pytest.raises(RowsMissingError, match="has no rows of 2026-01-13"):
        preview(world.store, world.rollout, world.clock, crm(world), NEW, NEXT_DAY)
