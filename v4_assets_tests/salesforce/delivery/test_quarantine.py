"""A refusal about a lead quarantines it until its release; one about the org is owed and quarantines no lead."""

import json

import pytest
from click.testing import CliRunner, Result

from v4_assets import tables
from v4_assets.cli.main import cli
from v4_assets.errors import SettingsError
from v4_assets_tests.fixtures.crm_mornings import MANY, VALIDATION, owed
from v4_assets_tests.fixtures.crm_world import (
    NEXT_DAY,
    OLD,
    CrmWorld,
    carried,
    lead,
    leads,
    spread,
)

MAINTENANCE = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"


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
