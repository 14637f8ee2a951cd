"""A rejected row is sent again, quarantined or left to the next sync, by its cause; the others are delivered."""

from collections import Counter
from pathlib import Path

import pytest

from salesforce_stand_in import SeedLead, StandInOrg
from v4_assets import tables
from v4_assets.errors import SalesforceSetupError
from v4_assets_tests.fixtures.crm_world import (
    NEW,
    NEXT_DAY,
    OLD,
    CrmWorld,
    carried,
    jobs,
    lead,
    leads,
    org_of,
    spread,
)

MANY = 60


def outcomes(world: CrmWorld) -> Counter[tuple[str, str | None]]:
    return Counter((row["outcome"], row["code"]) for row in world.log() if row["attempt"] > 0)


def test_converted_and_deleted_leads_are_kept_back_at_the_first_sync_and_quarantined_later(world, tmp_path) -> None:
    ids = leads(MANY)
    seeds: list[str | SeedLead] = [SeedLead(ids[0], is_converted=True), SeedLead(ids[1], is_deleted=True), *ids[2:]]
    with org_of(tmp_path / "some", seeds) as (org, client):
        report = world.sync(client)
        assert (len(report.plan.rows), report.leads("confirmed"), report.uncovered) == (MANY - 2, MANY - 2, 0)
        assert {row["code"] for row in world.log() if row["attempt"] == 0} == {
            "CANNOT_UPDATE_CONVERTED_LEAD",
            "NOT_IN_ORG",
        }
        org.seed([SeedLead(ids[2], is_converted=True), SeedLead(ids[3], is_deleted=True)])
        world.day = NEXT_DAY
        world.score(OLD, {one: score + 0.02 for one, score in spread(ids).items()})
        report = world.sync(client)
        assert outcomes(world)["quarantined", "CANNOT_UPDATE_CONVERTED_LEAD"] == 1
        assert outcomes(world)["quarantined", "ENTITY_IS_DELETED"] == 1
        assert (report.leads("quarantined"), report.uncovered, report.problems) == (2, 0, ())
        assert world.sync(client).jobs == 0


def test_a_production_org_without_most_of_the_leads_is_not_ours(world: CrmWorld, tmp_path: Path) -> None:
    with org_of(tmp_path / "foreign", leads(MANY)[:20], sandbox=False) as (org, client):
        with pytest.raises(SalesforceSetupError, match="40 of 60 scored leads are not visible in org"):
            world.sync(client)
        assert org.updates() == {}
        assert org.requests["create"] == 0
    with org_of(tmp_path / "sandbox", leads(MANY)[:20]) as (org, client):
        assert world.sync(client).leads("confirmed") == 20
        assert len(org.updates()) == 20


def test_15_character_ids_and_duplicates_reach_the_org_once(world: CrmWorld, org: StandInOrg, client) -> None:
    scores = spread(leads(MANY))
    short = {one[:15] if number < 5 else one: score for number, (one, score) in enumerate(scores.items())}
    world.score(OLD, short | {lead(5)[:15]: 0.99, "no id": 0.5})
    report = world.sync(client)
    assert report.leads("confirmed") == MANY
    assert set(org.updates().values()) == {1}
    shown = carried(org)
    by_18 = {one: row for one, row in world.expected(OLD).items() if len(one) == 18}
    assert all(shown[one] == row for one, row in by_18.items())
    assert {row["code"] for row in world.log("no id")} == {"MALFORMED_ID"}


TRANSIENT = [
    ("UNABLE_TO_LOCK_ROW", None),
    ("TooManyLockFailure", None),
    ("SERVER_UNAVAILABLE", None),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "a trigger met UNABLE_TO_LOCK_ROW:--"),
    ("UNABLE_TO_LOCK_ROW", "again:--"),
]


def test_locked_rows_alone_are_sent_again_until_they_are_taken(world, org, client) -> None:
    for one, (code, message) in zip(leads(5), TRANSIENT, strict=True):
        org.faults.row(code, [one], message=message, times=3)
    report = world.sync(client)
    assert [job.row_count for job in jobs(world)] == [MANY, 5, 5, 5]
    assert carried(org) == world.expected(OLD)
    assert (report.leads("confirmed"), report.failure_rate, report.problems) == (MANY, 0.0, ())
    pauses = [pause for pause in world.timer.pauses if pause >= 9]
    assert len(pauses) == 3
    assert all(20 * 2**at * 0.5 <= pause <= 20 * 2**at * 1.5 for at, pause in enumerate(pauses))
    assert set(org.updates().values()) == {1}


def test_rows_still_locked_are_carried_over_to_the_next_run(world, org, client) -> None:
    org.faults.row("UNABLE_TO_LOCK_ROW", leads(5), times=4)
    report = world.sync(client)
    assert (report.leads("pending"), report.leads("confirmed"), report.uncovered) == (5, MANY - 5, 5)
    [problem] = report.problems
    assert problem.startswith("5 of 60 leads are pending, limit 1.0%: 5 UNABLE_TO_LOCK_ROW (unable to obtain")
    report = world.sync(client)
    assert (len(report.plan.rows), report.uncovered) == (5, 0)
    assert carried(org) == world.expected(OLD)


def test_some_refusals_are_tried_once_more_and_then_left_to_the_next_run(world, org, client) -> None:
    for at, code in enumerate(("UNKNOWN_EXCEPTION", "REQUEST_RUNNING_TOO_LONG")):
        org.faults.row(code, [lead(at)], times=1)
        org.faults.row(code, [lead(at + 2)], times=9)
    report = world.sync(client)
    assert [job.row_count for job in jobs(world)] == [MANY, 4]
    assert (report.leads("quarantined"), report.leads("pending"), report.leads("confirmed")) == (0, 2, MANY - 2)
    for at in (2, 3):
        assert [row["outcome"] for row in world.log(lead(at))] == ["pending", "pending"]
    org.faults.clear()
    assert world.sync(client).plan.rows["lead_id"].to_pylist() == [lead(2), lead(3)]
    assert carried(org) == world.expected(OLD)


PERMANENT = [
    "ENTITY_IS_DELETED",
    "INVALID_CROSS_REFERENCE_KEY",
    "CANNOT_UPDATE_CONVERTED_LEAD",
    "MALFORMED_ID",
    "STRING_TOO_LONG",
    "NUMBER_OUTSIDE_VALID_RANGE",
    "INVALID_TYPE_ON_FIELD_IN_RECORD",
    "DUPLICATE_VALUE",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "REQUIRED_FIELD_MISSING",
    "INSUFFICIENT_ACCESS_OR_READONLY",
]


def test_a_lead_refused_for_itself_is_quarantined_with_the_orgs_words(world, org, client) -> None:
    world.rules["max_failure_rate"] = 1.0
    for one, code in zip(leads(len(PERMANENT)), PERMANENT, strict=True):
        org.faults.row(code, [one], message=f"because {code}: it is so:--", times=9)
    report = world.sync(client)
    for one, code in zip(leads(len(PERMANENT)), PERMANENT, strict=True):
        [row] = world.log(one)
        assert (row["outcome"], row["code"], row["in_doubt"]) == ("quarantined", code, False)
        assert row["message"] == f"because {code}: it is so"
    assert (report.jobs, report.leads("confirmed"), report.problems) == (1, MANY - len(PERMANENT), ())
    again = world.sync(client)  # which leaves them alone
    assert (again.jobs, len(again.pending.quarantined)) == (0, len(PERMANENT))


def test_a_quarantined_lead_is_tried_again_when_another_version_goes_live(world, org, client) -> None:
    world.score(NEW, spread(leads(MANY), seed=2))
    org.faults.row("FIELD_CUSTOM_VALIDATION_EXCEPTION", [lead(3)], times=1)
    world.sync(client)
    world.go_live(NEW)
    assert world.sync(client).uncovered == 0
    assert carried(org) == world.expected(NEW)


@pytest.mark.parametrize("code", ["INVALID_CROSS_REFERENCE_KEY", "INSUFFICIENT_ACCESS_OR_READONLY"])
def test_a_refusal_of_most_rows_fails_the_sync_and_quarantines_no_lead(world, org, client, code) -> None:
    org.seed(leads(200))
    world.score(OLD, spread(leads(200)))
    org.faults.row(code, leads(110), times=1)
    report = world.sync(client)
    assert any(
        "110 rows were refused for a reason that is not about the leads" in problem for problem in report.problems
    )
    assert (report.leads("failed"), report.leads("quarantined")) == (110, 0)
    assert world.sync(client).uncovered == 0
    assert carried(org) == world.expected(OLD)


def test_a_refusal_that_shows_over_several_jobs_releases_the_leads_of_the_first(world, org, client) -> None:
    world.rules["rows_per_job"] = 80
    org.seed(leads(240))
    world.score(OLD, spread(leads(240)))
    org.faults.row("FIELD_CUSTOM_VALIDATION_EXCEPTION", times=1)
    report = world.sync(client)
    assert [job.row_count for job in jobs(world)] == [80, 80]  # the second shows that it is not about the leads
    assert (report.leads("failed"), report.leads("quarantined"), len(report.pending.quarantined)) == (160, 0, 0)
    assert world.sync(client).uncovered == 80  # too few to be the org's: quarantined
    assert world.sync(client).jobs == 0
    assert world.ledger.release(report.identity.org_id, code="FIELD_CUSTOM_VALIDATION_EXCEPTION") == 80
    assert world.sync(client).uncovered == 0
    assert carried(org) == world.expected(OLD)


def test_a_refusal_for_the_fields_stops_the_sync(world, org, client) -> None:
    world.rules["rows_per_job"] = 20
    org.faults.row("INVALID_FIELD", [lead(0)], times=1)
    report = world.sync(client)
    assert len(jobs(world)) == 1
    assert "INVALID_FIELD" in report.problems[0]


def test_too_many_refusals_fail_the_sync_after_everything_is_recorded(world, org, client) -> None:
    org.faults.row("FIELD_CUSTOM_VALIDATION_EXCEPTION", leads(4), times=1)
    report = world.sync(client)
    assert "4 of 60 leads (6.7%) were rejected permanently, limit 5%" in report.problems[0]
    assert (report.leads("confirmed"), report.leads("quarantined")) == (MANY - 4, 4)
    assert len(world.all(tables.SALESFORCE_STATE)) == MANY
