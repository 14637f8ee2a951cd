"""A read without an answer is repeated; a write without one is settled by the job's state, or stays ambiguous."""

from dataclasses import replace

import pytest

from salesforce_stand_in import StandInOrg
from v4_assets.errors import AmbiguousAnswerError, ApiLimitError, OrgUnavailableError, SalesforceError
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets.salesforce.client.org import JobState
from v4_assets_tests.fixtures.client_jobs import LEADS, finished, rows, sent
from v4_assets_tests.fixtures.org_keys import keyed


@pytest.mark.parametrize("kind", ["unavailable", "drop_before", "drop_after"])
@pytest.mark.parametrize("operation", ["poll", "results", "query", "describe", "limits", "login"])
def test_reads_and_logins_are_repeated_with_growing_pauses(org, client, naps, operation, kind):
    org.faults.request(kind, on=operation, times=3)
    job = finished(client)
    client.results(job), client.lead_fields(), client.requests_left(), list(client.read_leads([]))
    assert org.faults.script.requests == []
    assert naps == [1.0, 2.0, 4.0]
    assert client.status(job).state is JobState.JOB_COMPLETE


def test_a_slow_answer_is_not_waited_for_for_ever(org, patience, naps):
    job = sent(SalesforceClient(org.target, patience))
    client = SalesforceClient(org.target, replace(patience, read_seconds=1.0))
    org.faults.request("slow", on="poll", seconds=1.5)
    assert client.status(job).state in (JobState.IN_PROGRESS, JobState.JOB_COMPLETE)
    assert naps == [1.0]


def test_an_org_that_is_down_is_given_up_in_the_end_and_found_again(org, client, naps):
    job = sent(client)
    org.faults.set(down=True)
    with pytest.raises(OrgUnavailableError, match="Nothing was changed"):
        client.status(job)
    assert naps == [1.0, 2.0, 4.0]
    org.faults.clear()
    assert client.status(job).state is JobState.IN_PROGRESS


@pytest.mark.parametrize(("kind", "left"), [("drop_after", 1), ("unavailable", 0)])
def test_a_create_without_an_answer_is_ambiguous_and_not_repeated(org, client, kind, left):
    org.faults.request(kind, on="create")
    with pytest.raises(AmbiguousAnswerError, match="may have taken effect, or not"):
        client.create_job()
    assert (org.requests["create"], len(org.jobs())) == (1, left)


def test_too_many_requests_at_once_are_waited_for_and_the_limit_of_a_day_is_not(org, client, naps):
    job = client.create_job()
    org.faults.request("crowded", on="poll")
    assert client.status(job).state is JobState.OPEN
    assert len(naps) == 1
    org.faults.request("request_limit", on="poll")
    with pytest.raises(ApiLimitError):
        client.status(job)


@pytest.mark.parametrize(("kind", "arrived"), [("drop_before", False), ("drop_after", True), ("unavailable", False)])
def test_an_upload_without_an_answer_is_not_repeated(org, client, kind, arrived):
    job = client.create_job()
    org.faults.request(kind, on="upload")
    with pytest.raises(AmbiguousAnswerError):
        client.upload(job, rows())
    assert org.requests["upload"] == 1
    assert (org.store.jobs()[0].content is not None) == arrived


@pytest.mark.parametrize(("kind", "times_asked"), [("drop_before", 2), ("drop_after", 1), ("unavailable", 2)])
def test_a_close_without_an_answer_is_settled_by_reading_the_state(org, client, kind, times_asked):
    job = client.create_job()
    client.upload(job, rows())
    org.faults.request(kind, on="close")
    client.close(job)
    assert org.requests["close"] == times_asked
    assert client.status(job).state is not JobState.OPEN


def test_a_close_that_never_gets_an_answer_stays_ambiguous(org, client):
    job = client.create_job()
    org.faults.request("drop_before", on="close", times=9)
    with pytest.raises(AmbiguousAnswerError):
        client.close(job)
    assert client.status(job).state is JobState.OPEN


def test_closing_twice_does_no_harm(org, client):
    job = finished(client)
    client.close(job)
    assert client.status(job).state is JobState.JOB_COMPLETE
    assert org.updates() == dict.fromkeys(LEADS, 1)


def test_closing_an_aborted_or_forgotten_job_is_an_error(org, client):
    job = client.create_job()
    client.abort(job)
    with pytest.raises(SalesforceError, match="is Aborted: its rows were not taken"):
        client.close(job)
    org.store.delete_job(job)
    with pytest.raises(SalesforceError, match="is Gone"):
        client.close(job)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_an_abort_without_an_answer_is_settled_by_reading_the_state(org, client, kind):
    job = client.create_job()
    org.faults.request(kind, on="abort")
    client.abort(job)
    assert client.status(job).state is JobState.ABORTED


def test_aborting_a_final_job_does_nothing(client):
    job = finished(client)
    client.abort(job)
    assert client.status(job).state is JobState.JOB_COMPLETE


def test_a_write_that_found_nobody_there_certainly_did_nothing(tmp_path, patience):
    with StandInOrg(keyed(tmp_path), LEADS) as org:
        client = SalesforceClient(org.target, patience)
        job = client.create_job()
    with pytest.raises(OrgUnavailableError, match="Nothing was changed"):
        client.upload(job, rows())
