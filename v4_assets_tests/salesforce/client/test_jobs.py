"""A job goes through its states step by step, and its counts and results are passed on as the org tells them."""

import pytest

from v4_assets.errors import OrgRefusedError, SalesforceError
from v4_assets.salesforce.client import client as salesforce_client
from v4_assets.salesforce.client.org import JobState, JobStatus, RowFailure
from v4_assets_tests.fixtures.client_jobs import LEADS, finished, rows, sent


def test_a_job_goes_through_its_states_with_growing_counts(org, client):
    job = client.create_job()
    assert (len(job), client.status(job)) == (18, JobStatus(job, JobState.OPEN))
    client.upload(job, rows())
    assert client.status(job).state is JobState.OPEN
    client.close(job)
    seen = [client.status(job) for _ in range(3)]
    assert [(one.state, one.processed) for one in seen] == [
        (JobState.IN_PROGRESS, 3),
        (JobState.IN_PROGRESS, 5),
        (JobState.JOB_COMPLETE, 5),
    ]
    assert sorted(client.results(job).succeeded) == LEADS
    assert {values["V4_Score__c"] for values in org.rows().values()} == {0.43}


def test_a_job_is_asked_for_in_the_words_of_bulk_api_2(org, client):
    client.create_job()
    [job] = org.jobs()
    wanted = {"operation": "update", "object": "Lead", "contentType": "CSV", "lineEnding": "LF", "apiVersion": 66.0}
    assert wanted.items() <= job.items()


def test_results_are_told_by_our_own_ids_in_18_characters(org, client):
    org.faults.row("UNABLE_TO_LOCK_ROW", [LEADS[0]])
    found = client.results(finished(client, rows([lead[:15] for lead in LEADS[:2]])))
    assert found.succeeded == [LEADS[1]]
    assert [(one.lead_id, one.code) for one in found.failed] == [(LEADS[0], "UNABLE_TO_LOCK_ROW")]
    assert found.unprocessed == []


def test_an_error_is_split_at_its_first_colon(org, client):
    org.faults.row("UNABLE_TO_LOCK_ROW", [LEADS[0]], message="no access: 00Q1:--")
    [failure] = client.results(finished(client)).failed
    assert failure == RowFailure(LEADS[0], "UNABLE_TO_LOCK_ROW", "no access: 00Q1")


def test_what_is_not_ascii_comes_back_as_it_was(org, client):
    org.faults.row("FIELD_CUSTOM_VALIDATION_EXCEPTION", [LEADS[0]])
    csv = f"Id,V4_Model_Version__c\n{LEADS[0]},b\n{LEADS[1]},größer 改\n".encode()
    [failure] = client.results(finished(client, csv)).failed
    assert failure.message == "Für dieses Feld: erst prüfen, dann ändern:V4_Score__c"
    assert org.rows()[LEADS[1]]["V4_Model_Version__c"] == "größer 改"
    condition = f"Id = '{LEADS[1]}'"
    assert [row["V4_Model_Version__c"] for row in client.read_leads(["V4_Model_Version__c"], condition)] == [
        "größer 改"
    ]


@pytest.mark.parametrize(
    "code",
    [
        "UNABLE_TO_LOCK_ROW",
        "TooManyLockFailure",
        "SERVER_UNAVAILABLE",
        "UNKNOWN_EXCEPTION",
        "REQUEST_RUNNING_TOO_LONG",
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "REQUIRED_FIELD_MISSING",
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "INVALID_FIELD",
    ],
)
def test_a_refused_row_does_not_hold_back_the_others(org, client, code):
    org.faults.row(code, [LEADS[3]])
    job = finished(client)
    found = client.results(job)
    assert [(one.lead_id, one.code) for one in found.failed] == [(LEADS[3], code)]
    assert sorted(found.succeeded) == [lead for lead in LEADS if lead != LEADS[3]]
    assert (client.status(job).processed, client.status(job).failed) == (5, 1)


def test_a_job_failed_midway_keeps_what_was_saved_and_tells_the_rest(org, client):
    org.faults.job("fail", rows=2, error="TooManyLockFailure : batch 1")
    job = finished(client)
    found = client.results(job)
    assert client.status(job).state is JobState.FAILED
    assert client.status(job).error == "TooManyLockFailure : batch 1"
    assert sorted([*found.succeeded, *found.unprocessed]) == LEADS
    assert (len(found.succeeded), org.updates()) == (2, dict.fromkeys(found.succeeded, 1))


def test_a_job_that_hangs_is_aborted_and_accounted_for(org, client):
    org.faults.job("stuck", rows=3)
    job = sent(client)
    assert {client.status(job).state for _ in range(5)} == {JobState.IN_PROGRESS}
    client.abort(job)
    found = client.results(job)
    assert client.status(job).state is JobState.ABORTED
    assert (len(found.succeeded), len(found.unprocessed)) == (3, 2)


def test_an_aborted_job_is_told_as_such(org, client):
    org.faults.job("abort", rows=1)
    job = finished(client)
    assert client.status(job).state is JobState.ABORTED
    assert len(client.results(job).unprocessed) == 4


def test_counts_and_results_are_passed_on_as_they_lie(org, client):
    org.faults.job("miscount", rows=7)
    assert client.status(finished(client)).processed == 12
    org.faults.job("lose", rows=2)
    assert len(client.results(finished(client)).succeeded) == 3


@pytest.mark.parametrize(
    ("fault", "expected", "files"), [(None, 5, 1), (None, None, 3), (None, 6, 3), ("row", 5, 3), ("lose", 5, 3)]
)
def test_the_other_result_files_are_read_unless_the_first_accounts_for_every_row(org, client, fault, expected, files):
    if fault == "row":
        org.faults.row("UNABLE_TO_LOCK_ROW", [LEADS[3]])
    elif fault:
        org.faults.job(fault, rows=1)
    found = client.results(finished(client), expected)
    assert org.requests["results"] == files
    assert len(found.succeeded) == (4 if fault else 5)
    assert [one.lead_id for one in found.failed] == ([LEADS[3]] if fault == "row" else [])


def test_a_column_the_org_does_not_know_fails_the_job_with_all_rows_unprocessed(client):
    job = finished(client, rows().replace(b"V4_Score__c", b"V4_Skore__c"))
    assert client.status(job) == JobStatus(
        job, JobState.FAILED, 0, 0, "InvalidBatch : Field name not found : V4_Skore__c"
    )
    assert sorted(client.results(job).unprocessed) == LEADS


def test_rows_are_put_once_per_job(client):
    job = client.create_job()
    client.upload(job, rows())
    with pytest.raises(OrgRefusedError, match="INVALIDJOBSTATE"):
        client.upload(job, rows())


def test_more_than_a_job_takes_is_not_sent(org, client, monkeypatch):
    monkeypatch.setattr(salesforce_client, "LARGEST_UPLOAD", 10)
    job = client.create_job()
    with pytest.raises(SalesforceError, match="Split the rows"):
        client.upload(job, rows())
    assert org.requests["upload"] == 0


def test_a_job_the_org_forgot_is_gone(org, client):
    job = finished(client)
    org.store.delete_job(job)
    assert client.status(job) == JobStatus(job, JobState.GONE)
    assert client.status("750000000000000AAA").state is JobState.GONE


def test_result_rows_that_name_no_lead_are_counted_and_not_raised(org, client):
    found = client.results(finished(client, b"V4_Score__c\n0.5\n"))
    assert (found.succeeded, found.failed, found.unprocessed, found.unusable) == ([], [], [], 1)


@pytest.mark.parametrize("tail", ["", '"', '"00QAb00', '"00QAb0000000099"', '"00QAb0000000099MAA","false'])
def test_a_result_file_that_is_cut_off_is_read_as_far_as_it_goes(org, client, tail):
    job = finished(client)
    whole = client.results(job).succeeded
    org.faults.set(cut_results=len(tail) or 1)
    found = client.results(job)
    assert set(found.succeeded) <= set(whole)
    assert len(found.succeeded) >= len(whole) - 1
    org.faults.clear()
    assert client.results(job).succeeded == whole


def test_a_result_file_that_was_cut_off_once_is_read_again(org, client):
    job = finished(client)
    whole = client.results(job).succeeded
    org.faults.request("truncated", on="results")
    assert client.results(job, expected=len(whole)).succeeded == whole
    assert org.requests["results"] == 5


@pytest.mark.parametrize("operation", ["query", "describe", "poll"])
def test_json_that_is_cut_off_is_asked_for_again(org, client, naps, operation):
    job = client.create_job()
    org.faults.request("truncated", on=operation)
    {"query": lambda: list(client.read_leads([])), "describe": client.lead_fields, "poll": lambda: client.status(job)}[
        operation
    ]()
    assert len(naps) == 1
