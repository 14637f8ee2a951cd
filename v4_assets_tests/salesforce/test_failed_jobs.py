"""Whatever goes wrong with a job, every row is accounted for: none is lost, and none is sent twice.

Each test ends by comparing the org with the warehouse, or says which rows are still owed.
"""

from dataclasses import replace
from unittest.mock import patch

import pytest

from v4_assets import tables
from v4_assets.errors import ApiLimitError, SalesforceError
from v4_assets.salesforce.client.org import JobResults
from v4_assets_tests.fixtures.crm_world import NEXT_DAY, OLD, carried, client_of, jobs, lead, leads, spread

MANY = 60


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
