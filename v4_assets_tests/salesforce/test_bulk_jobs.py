"""Jobs over HTTP against the stand-in org, by the real client: whatever goes wrong, every row is accounted for.

Each test ends by comparing the org with the warehouse, or says which rows are still owed.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from salesforce_stand_in import OrgField, SeedLead, StandInOrg
from v4_assets import tables
from v4_assets.errors import (
    ApiLimitError,
    ModelIntegrityError,
    SalesforceError,
    SalesforceSetupError,
    StaleDecisionError,
    SyncHeldError,
)
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets.salesforce.client.org import JobResults
from v4_assets.salesforce.ledger import Job, Sync
from v4_assets_tests.fixtures.crm_world import (
    BUNDLE,
    DAY,
    NEW,
    NEXT_DAY,
    OLD,
    SHA,
    CrmWorld,
    carried,
    client_of,
    lead,
    leads,
    org_of,
    spread,
)

MANY = 60


def jobs(world: CrmWorld) -> list[Job]:
    """The ledger, oldest first, all of it settled."""
    found = [Job(**row) for row in world.all(tables.SALESFORCE_JOBS)]
    assert all(job.settled_at for job in found)
    return sorted(found, key=lambda job: (job.planned_at, job.attempt))


def outcomes(world: CrmWorld) -> Counter[tuple[str, str | None]]:
    return Counter((row["outcome"], row["code"]) for row in world.log() if row["attempt"] > 0)


# --- the ordinary --------------------------------------------------------------------------------------------------


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


# --- leads that cannot be written ----------------------------------------------------------------------------------


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


# --- jobs that go wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_a_token_that_expires_while_polling_does_not_cost_the_job(world, org, client, times) -> None:
    for at in range(times):
        org.faults.request("expired_token", on="poll", after=at)
    report = world.sync(client)
    assert (org.requests["create"], report.leads("confirmed")) == (1, MANY)
    assert carried(org) == world.expected(OLD)


def test_an_org_that_is_busy_while_polled_is_asked_again_and_the_job_never_aborted(world, org, client) -> None:
    org.faults.request("unavailable", on="poll", times=8)
    report = world.sync(client)
    assert (org.requests["create"], org.requests["abort"], report.leads("confirmed")) == (1, 0, MANY)
    assert any("could not be read" in line for line in world.messages)
    assert all(pause <= 30 for pause in world.timer.pauses)


def test_slow_answers_are_waited_for(world, org, client) -> None:
    org.faults.request("slow", seconds=0.1, times=4)
    assert world.sync(client).leads("confirmed") == MANY


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize("step", ["create", "upload", "close"])
def test_a_lost_answer_loses_no_row_and_sends_none_twice(world, org, client, kind, step) -> None:
    org.faults.request(kind, on=step)
    report = world.sync(client)
    assert carried(org) == world.expected(OLD)
    assert (report.leads("confirmed"), report.uncovered, report.problems) == (MANY, 0, ())
    # A job whose create was not answered stays Open and empty: it may be another integration's.
    open_ = [job for job in org.jobs() if job["state"] == "Open"]
    assert len(open_) == (1 if (kind, step) == ("drop_after", "create") else 0)
    assert set(org.updates().values()) == {1}
    assert jobs(world)


@pytest.mark.parametrize("kind", ["fail", "abort"])
def test_a_job_that_ends_midway_keeps_what_was_taken_and_sends_the_rest_again(world, org, client, kind) -> None:
    org.faults.job(kind, rows=20)
    report = world.sync(client)
    assert [job.row_count for job in jobs(world)] == [MANY, MANY - 20]
    assert [job.org_state for job in jobs(world)] == ["Failed" if kind == "fail" else "Aborted", "JobComplete"]
    assert (report.leads("confirmed"), report.problems) == (MANY, ())
    assert carried(org) == world.expected(OLD)
    assert set(org.updates().values()) == {1}


@pytest.mark.parametrize(
    "said",
    [
        "InvalidBatch : Field name not found : V4_Scor__c",
        "ClientInputError : LineEnding is invalid on user data",
        "ExceededQuota : batches of the day",
        "null:InvalidBatch : InvalidBatch : Field name not found : V4_Scor__c",
        "ApiBatchItems : ExceededQuota : batches of the day",
    ],
)
def test_a_job_that_would_fail_again_is_not_made_again(world, org, client, said) -> None:
    org.faults.job("fail", rows=20, error=said)
    report = world.sync(client)
    assert (org.requests["create"], report.leads("confirmed"), report.leads("pending")) == (1, 20, MANY - 20)
    assert said in report.problems[0]
    assert world.sync(client).uncovered == 0
    assert set(org.updates().values()) == {1}


def test_counts_that_lie_are_not_believed(world, org, client) -> None:
    org.faults.job("miscount", rows=7)
    report = world.sync(client)
    assert (report.leads("confirmed"), report.problems) == (MANY, ())


def test_result_rows_without_an_id_are_sent_again_by_the_next_sync(world, org, client) -> None:
    org.faults.job("nameless", rows=7)
    report = world.sync(client)
    assert (report.leads("confirmed"), report.leads("pending")) == (MANY - 7, 7)
    assert "7 rows of the result files name no lead and are ignored" in " ".join(world.messages)
    assert "ended without a result for 7 of 60 rows; they stay pending" in report.problems[0]
    assert world.sync(client).problems == ()
    assert carried(org) == world.expected(OLD)


def test_a_result_file_that_stays_cut_off_leaves_its_last_row_to_the_next_sync(world, org, client) -> None:
    org.faults.set(cut_results=95)  # most of a row
    report = world.sync(client)
    assert (report.leads("confirmed"), report.leads("pending")) == (MANY - 1, 1)
    assert report.problems
    org.faults.clear()
    assert world.sync(client).problems == ()
    assert carried(org) == world.expected(OLD)


def test_an_answer_that_is_cut_off_once_changes_nothing(world, org, client) -> None:
    for operation in ("results", "query", "describe", "poll"):
        org.faults.request("truncated", on=operation)
    report = world.sync(client)
    assert (report.leads("confirmed"), report.jobs, report.problems) == (MANY, 1, ())
    assert carried(org) == world.expected(OLD)


@pytest.mark.parametrize("kind", ["foreign", "twice"])
def test_result_rows_of_leads_that_were_never_sent_or_that_stand_twice_change_nothing(world, org, client, kind) -> None:
    org.faults.job(kind, rows=7)
    report = world.sync(client)
    assert (report.leads("confirmed"), report.jobs, report.problems) == (MANY, 1, ())
    assert {row["lead_id"] for row in world.all(tables.SALESFORCE_STATE)} == set(leads(MANY))
    assert world.sync(client).jobs == 0
    assert carried(org) == world.expected(OLD)


def test_a_result_row_of_a_stranger_does_not_stand_for_a_row_that_is_missing(world, org, client) -> None:
    # The file then has as many rows as were sent.
    ours = client.results

    def results(job_id: str, expected: int | None = None) -> JobResults:
        found = ours(job_id, expected)
        return replace(found, succeeded=[lead(MANY + 5), *found.succeeded[1:]])

    with patch.object(client, "results", results):
        report = world.sync(client)
    assert (report.leads("confirmed"), report.leads("pending")) == (MANY - 1, 1)
    assert world.sync(client).problems == ()
    assert carried(org) == world.expected(OLD)


def test_rows_no_result_file_tells_of_stay_pending_and_fail_the_sync(world, org, client) -> None:
    org.faults.job("lose", rows=7)
    report = world.sync(client)
    assert (report.leads("confirmed"), report.leads("pending")) == (MANY - 7, 7)
    assert "ended without a result for 7 of 60 rows" in report.problems[0]
    assert sum(row["in_doubt"] for row in report.accounts) == 1
    assert sum(row["score"] is not None for row in world.all(tables.SALESFORCE_STATE)) == MANY - 7
    assert world.sync(client).uncovered == 0
    assert carried(org) == world.expected(OLD)


def test_a_lost_row_is_sent_again_also_when_the_next_day_wants_the_old_values(world, org, client) -> None:
    world.sync(client)
    before = spread(leads(MANY))
    world.day = NEXT_DAY
    world.score(OLD, {one: score + 0.02 for one, score in before.items()})
    org.faults.job("lose", rows=MANY)
    assert world.sync(client).leads("pending") == MANY
    world.score(OLD, before)
    assert len(world.sync(client).plan.rows) == MANY
    assert carried(org) == world.expected(OLD)


def test_a_stuck_job_is_aborted_at_the_deadline_and_the_rest_carried_over(world, org, client) -> None:
    org.faults.job("stuck", rows=20)
    report = world.sync(client)
    assert world.timer.seconds > 3600
    assert "had not ended after 60 minutes and was aborted" in report.problems[0]
    assert (report.leads("confirmed"), report.leads("pending")) == (20, MANY - 20)
    assert world.sync(client).uncovered == 0
    assert set(org.updates().values()) == {1}


def test_an_org_that_goes_away_leaves_the_job_to_the_next_run(world, org, client) -> None:
    org.faults.request("unavailable", on="poll", times=1_000_000)
    with pytest.raises(SalesforceError, match="has not ended after 60 minutes"):
        world.sync(client)
    org.faults.clear()
    report = world.sync(client)
    assert (org.requests["create"], report.plan.unchanged, report.jobs) == (1, MANY, 0)
    assert set(org.updates().values()) == {1}


@pytest.mark.parametrize("step", ["create", "upload", "close", "poll", "results"])
def test_a_spent_request_limit_stops_and_the_next_run_goes_on(world, org, client, step) -> None:
    org.faults.request("request_limit", on=step)
    with pytest.raises(ApiLimitError, match="hour by hour"):
        world.sync(client)
    report = world.sync(client_of(org))
    assert report.uncovered == 0
    assert carried(org) == world.expected(OLD)
    assert set(org.updates().values()) == {1}
    assert jobs(world)


def test_a_job_the_org_has_forgotten_leaves_its_rows_in_doubt(world, org, client) -> None:
    org.faults.request("request_limit", on="poll")
    with pytest.raises(ApiLimitError):
        world.sync(client)
    [job] = org.jobs()
    org.store.delete_job(str(job["id"]))
    report = world.sync(client)
    assert [(job.org_state, job.row_count) for job in jobs(world)] == [("Gone", MANY), ("JobComplete", MANY)]
    assert report.uncovered == 0
    assert carried(org) == world.expected(OLD)


# --- who may send --------------------------------------------------------------------------------------------------


class Switching:
    """An org that, asked who it is, has production switched meanwhile."""

    def __init__(self, org: SalesforceClient, world: CrmWorld) -> None:
        self._org, self._world = org, world

    def __getattr__(self, name: str):
        return getattr(self._org, name)

    def identity(self):
        self._world.go_live(NEW)
        return self._org.identity()


def test_no_job_is_made_once_production_has_switched(world, org, client) -> None:
    with pytest.raises(StaleDecisionError, match=r"Production is no longer v4\.0\.0"):
        world.sync(Switching(client, world))
    assert org.requests["create"] == 0
    assert world.all(tables.SALESFORCE_JOBS) == []


def test_two_runs_cannot_both_have_a_job_under_way(world, org, client) -> None:
    org.faults.request("request_limit", on="upload")
    with pytest.raises(ApiLimitError):
        world.sync(client)
    [job] = [Job(**row) for row in world.all(tables.SALESFORCE_JOBS)]
    assert job.settled_at is None
    [live] = world.all(tables.PRODUCTION)
    other = Sync.begun(job.org_id, DAY, OLD, live["event_id"], None)
    with pytest.raises(StaleDecisionError, match="another run is writing to the org"):
        world.ledger.plan(other, 1, world.ledger.rows_of(job).select(["lead_id"]))


def test_a_run_that_was_taken_over_before_its_job_had_an_id_gives_up(world, org, client) -> None:
    class Slow(Switching):
        def identity(self):
            return self._org.identity()

        def create_job(self) -> str:
            job_id = self._org.create_job()
            self._world.sync(client_of(org))  # another run finds the job without an id
            return job_id

    with pytest.raises(StaleDecisionError, match="Another run settled job"):
        world.sync(Slow(client, world))
    assert carried(org) == world.expected(OLD)
    assert set(org.updates().values()) == {1}
    assert {job["state"] for job in org.jobs()} == {"JobComplete", "Aborted"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param({"model_sha256": "c" * 64}, "scores have model_sha256 cccc", id="another-model"),
        pytest.param({"bundle_sha256": "c" * 64}, "scores have bundle_sha256 cccc", id="another-feature-list"),
        pytest.param({"bundle_sha256": None}, "scores have bundle_sha256 None", id="no-bundle"),
        pytest.param({"model_version": NEW}, "scores have model_version v4.1.0", id="another-version"),
    ],
)
def test_scores_of_another_model_are_never_sent(world, org, client, damage, said) -> None:
    rows = world.all("daily_scores_v40")
    rows[7] |= damage
    world.put("daily_scores_v40", rows)
    with pytest.raises(Exception, match=said):
        world.sync(client)
    assert org.requests["create"] == 0


@pytest.mark.parametrize(
    ("recorded", "is_sent"), [(BUNDLE[OLD], True), ("c" * 64, False)], ids=["the live bundle", "another"]
)
def test_scores_from_before_an_upgrade_are_of_the_bundle_it_recorded(world, org, client, recorded, is_sent) -> None:
    facts = {"bundles": {OLD: {"model_sha256": SHA[OLD], "bundle_sha256": recorded}}}
    world.put("schema", [{"version": 2, "previous": 1, "facts": json.dumps(facts)}])
    world.put("daily_scores_v40", [row | {"bundle_sha256": None} for row in world.all("daily_scores_v40")])
    if is_sent:
        world.sync(client)
        assert carried(org) == world.expected(OLD)
    else:
        with pytest.raises(ModelIntegrityError, match="scores have bundle_sha256 cccc"):
            world.sync(client)
        assert org.requests["create"] == 0


def test_scores_that_failed_a_check_are_never_sent(world, org, client) -> None:
    world.score(OLD, spread(leads(MANY)), sequence=2, passed=False)
    with pytest.raises(SalesforceError, match="distinct_scores failed on the latest write"):
        world.sync(client)
    assert org.requests["create"] == 0


def test_too_many_changes_hold_and_a_person_may_allow_them(world, org, client) -> None:
    world.sync(client)
    shown = carried(org)
    world.day, world.rules["full_sync_days"] = NEXT_DAY, 1
    world.score(OLD, spread(leads(MANY), seed=9))
    with pytest.raises(SyncHeldError, match="Nothing was sent"):
        world.sync(client)
    assert (carried(org), org.requests["create"]) == (shown, 1)
    report = world.sync(client, allowed="the scores were mended")
    assert report.exempt == "allowed: the scores were mended"
    assert carried(org) == world.expected(OLD)


def test_the_rest_of_a_sync_that_was_allowed_is_not_held(world, org, client) -> None:
    world.sync(client)
    world.day = NEXT_DAY
    world.rules |= {"rows_per_job": 30, "full_sync_days": 1}
    world.score(OLD, spread(leads(MANY), seed=9))
    org.faults.request("request_limit", on="poll")
    with pytest.raises(ApiLimitError):
        world.sync(client, allowed="a person said so")
    report = world.sync(client)
    assert report.exempt == "the rest of an interrupted sync"
    assert carried(org) == world.expected(OLD)


# --- reading back --------------------------------------------------------------------------------------------------


def test_a_value_changed_in_the_org_is_repaired_by_the_same_sync(world, org, client) -> None:
    world.sync(client)
    org.store.update(["V4_Score__c"], [[True, 0.01, lead(4)]])
    report = world.sync(client)
    assert (report.repaired, len(report.read_back.differing), report.uncovered, report.problems) == (1, 0, 0, ())
    assert [row["code"] for row in world.log(lead(4)) if row["in_doubt"]] == ["READ_BACK_DIFFERS"]
    assert carried(org) == world.expected(OLD)
    assert world.sync(client).jobs == 0


def test_a_sample_is_read_by_its_ids_in_few_requests(world, org, client) -> None:
    world.rules |= {"read_back": "sample", "read_back_leads": 20}
    before = org.requests["query"]
    report = world.sync(client)
    assert (report.read_back.asked, report.read_back.everything) == (MANY, True)
    assert org.requests["query"] - before == 3  # identity, the seed, the full comparison of a first sync
    report = world.sync(client)
    assert (report.read_back.asked, report.read_back.everything) == (20, False)
    assert org.requests["query"] - before == 5  # newer scores than the ledger's, the sample


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
