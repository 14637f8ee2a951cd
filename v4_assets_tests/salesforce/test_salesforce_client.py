"""The real client over HTTP against the stand-in org: every call, and every way in which a call goes wrong."""

import logging
import shutil
import traceback
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr, ValidationError

from salesforce_stand_in import V4, OrgField, SeedLead, StandInOrg
from salesforce_stand_in.login import ORG_ID, Login
from v4_assets import resources
from v4_assets.config.environment import load
from v4_assets.config.salesforce import SalesforceTarget, from_environment, to_18
from v4_assets.errors import (
    AmbiguousAnswerError,
    ApiLimitError,
    OrgRefusedError,
    OrgUnavailableError,
    SalesforceError,
    SalesforceSetupError,
    SettingsError,
)
from v4_assets.project_files import PROJECT
from v4_assets.salesforce.client import client as salesforce_client
from v4_assets.salesforce.client.auth import CURES
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets.salesforce.client.http import LoopbackAdapter, Patience
from v4_assets.salesforce.client.org import JobState, JobStatus, LeadField, OrgIdentity, RowFailure
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.narrow import present

sparing.spared()

LEADS = [to_18(f"00QSM0{number:09d}") for number in range(5)]
WRITES = ("create", "upload", "close", "abort")


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """The private key of all orgs here: making one takes a while."""
    file = tmp_path_factory.mktemp("key") / "private_key.pem"
    Login(file)
    return file


@pytest.fixture
def org(tmp_path, key):
    folder = tmp_path / "org"
    folder.mkdir()
    shutil.copy(key, folder)
    with StandInOrg(folder, LEADS, page_size=2) as org:
        yield org


@pytest.fixture
def naps():
    """The seconds the client slept, which pass at once."""
    return []


@pytest.fixture
def patience(naps):
    return Patience(read_seconds=60.0, waits=(1.0, 2.0, 4.0), sleep=naps.append)


@pytest.fixture
def client(org, patience):
    return SalesforceClient(org.target, patience)


def rows(leads=LEADS, score="0.43"):
    return "".join(["Id,V4_Score__c\n", *(f"{lead},{score}\n" for lead in leads)]).encode()


def sent(client, csv=None):
    """A job that was closed."""
    job = client.create_job()
    client.upload(job, rows() if csv is None else csv)
    client.close(job)
    return job


def finished(client, csv=None):
    job = sent(client, csv)
    while not client.status(job).state.is_final:
        pass
    return job


# --- one job, step by step


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


# --- reading


def test_leads_are_read_page_by_page_with_ids_of_18_characters(org, client):
    assert [row["Id"] for row in client.read_leads(["V4_Score__c"])] == LEADS
    assert org.requests["query"] == 4  # which org it is, and three pages
    assert list(client.read_leads(["V4_Score__c"], f"Id IN ('{LEADS[1][:15]}')")) == [
        {"Id": LEADS[1], "V4_Score__c": None}
    ]


def test_a_condition_too_long_for_a_request_is_refused_at_once(org, client):
    ids = ", ".join(f"'{lead}'" for lead in LEADS * 200)
    with pytest.raises(SalesforceError, match="400 ids at a time"):
        list(client.read_leads([], f"Id IN ({ids})"))
    fits = ", ".join(f"'{lead}'" for lead in LEADS * 80)
    assert len(list(client.read_leads([], f"Id IN ({fits})"))) == 5


def test_a_field_the_org_hides_is_a_matter_of_setup(client):
    with pytest.raises(SalesforceSetupError, match="No such column 'V4_Skore__c'"):
        list(client.read_leads(["V4_Skore__c"]))


def test_fields_are_told_as_the_user_sees_them(org, client):
    org.define(V4[1].model_copy(update={"visible": False}))
    org.define(V4[2].model_copy(update={"updateable": False}))
    org.define(OrgField(name="V4_Model_Version__c", type="string", length=5))
    fields = client.lead_fields()
    assert fields["V4_Score__c"] == LeadField("V4_Score__c", "double", 18, 2, 0, True)
    assert "V4_Score_Percentile__c" not in fields
    assert fields["V4_Deprioritize__c"] == LeadField("V4_Deprioritize__c", "boolean", updateable=False)
    assert (fields["V4_Model_Version__c"].length, fields["V4_Scored_At__c"].type) == (5, "datetime")


def test_a_sandbox_says_so(org, client):
    assert client.identity() == OrgIdentity(ORG_ID, True)


def test_which_org_it_is_is_asked_once_per_login(org, client):
    client.identity()
    finished(client)
    assert (client.identity(), org.requests["query"]) == (OrgIdentity(ORG_ID, True), 1)
    org.faults.request("expired_token", on="limits")
    client.requests_left()
    org.api.sandbox = False  # the token is another's: a sandbox that was refreshed is another org
    with pytest.raises(SalesforceSetupError, match="is the production org"):
        client.create_job()
    with pytest.raises(SalesforceSetupError, match="is the production org"):
        client.identity()


# --- the token


def test_both_ways_to_log_in_let_us_in(org, patience):
    login = org.login
    other: dict[str, Any] = {"username": None, "private_key_file": None, "consumer_key": SecretStr(login.consumer_key)}
    ways = {
        "jwt": {},
        "client-credentials": {**other, "consumer_secret": SecretStr(login.consumer_secret)},
    }
    for auth, given in ways.items():
        target = org.target.model_copy(update={"auth": auth, **given})
        assert SalesforceClient(target, patience).identity().org_id == ORG_ID
    assert org.requests["login"] == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"consumer_key": SecretStr("an0ther")}, "invalid_client_id: client identifier invalid"),
        ({"username": "nobody@example.com"}, "invalid_grant: user hasn't approved this consumer"),
        ({"auth": "client-credentials", "consumer_secret": SecretStr("s3cret")}, "invalid_client"),
        ({"audience": "https://test.salesforce.com"}, "set V4_SALESFORCE_AUDIENCE to https://login.salesforce.com"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_login_that_is_refused_says_why_and_shows_no_secret(org, patience, change, said):
    target = org.target.model_copy(update=change)
    error = failure(SalesforceSetupError, lambda: SalesforceClient(target, patience).identity())
    assert said in str(error)
    assert_hidden(error, *target.secrets)


def pem(private, passphrase=None):
    hidden = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)


@pytest.mark.parametrize(
    ("given", "host", "audience"),
    [
        ({}, "stand-in.my.salesforce.com", "https://stand-in.my.salesforce.com"),
        ({"login_host": "login.salesforce.com"}, "login.salesforce.com", "https://login.salesforce.com"),
        ({"audience": "https://login.salesforce.com"}, "stand-in.my.salesforce.com", "https://login.salesforce.com"),
        ({"audience": "https://test.salesforce.com"}, "stand-in.my.salesforce.com", "https://test.salesforce.com"),
        (
            {"login_host": "acme.my.salesforce.mil", "audience": "https://login.salesforce.mil"},
            "acme.my.salesforce.mil",
            "https://login.salesforce.mil",
        ),
    ],
)
def test_audience_and_host_of_the_login_are_settings(org, patience, given, host, audience):
    target = org.target.model_copy(update=given)
    assert (target.token_host, target.token_audience) == (host, audience)
    org.login.audience = audience
    assert SalesforceClient(target, patience).identity().org_id == ORG_ID


def test_a_redirect_of_the_login_is_named_and_not_followed(org, patience, naps):
    org.login.moved_to = "acme--sbx.sandbox.my.salesforce.com"
    with pytest.raises(SalesforceSetupError, match=r"redirects the login to acme--sbx\.sandbox\.my\.salesforce\.com"):
        SalesforceClient(org.target, patience).identity()
    assert (org.requests["login"], naps) == (1, [])


@pytest.mark.parametrize(
    "domain",
    ["acme.my", "acme--sbx.sandbox.my", "acme-dev-ed.develop.my", "a.scratch.my", "a.trailblaze.my", "a.demo.my"],
)
def test_every_kind_of_my_domain_is_taken(org, domain):
    target = SalesforceTarget.model_validate(org.target.model_dump() | {"domain": domain})
    assert target.token_host == f"{domain}.salesforce.com"


@pytest.mark.parametrize(
    "given",
    [
        {"domain": "acme.my.salesforce.com"},
        {"domain": "acme.evil.my"},
        {"login_host": "login.example.com"},
        {"login_host": "salesforce.com.example.org"},
        {"audience": "http://login.salesforce.com"},
        {"audience": "https://login.salesforce.com/x"},
    ],
)
def test_a_login_goes_to_a_host_of_salesforce_alone(org, given):
    with pytest.raises(ValidationError):
        SalesforceTarget.model_validate(org.target.model_dump() | given)


def test_the_admin_guide_has_every_login_error_with_its_cure():
    text = (PROJECT / "docs" / "salesforce.md").read_text(encoding="utf-8").lower()
    assert [error for error in CURES if f"`{error}`" not in text] == []


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "garbage", "encrypted", "elliptic"])
def test_a_private_key_that_is_none_is_told_by_its_file(org, patience, tmp_path, kind):
    file = tmp_path / "key.pem"
    contents = {
        "empty": b"",
        "text": b"no key\n",
        "garbage": b"-----BEGIN PRIVATE KEY-----\nTOPSECRET\n-----END PRIVATE KEY-----\n",
        "encrypted": pem(load_pem_private_key(org.login.key_file.read_bytes(), None), b"passphrase"),
        "elliptic": pem(ec.generate_private_key(ec.SECP256R1())),
    }
    if kind in contents:
        file.write_bytes(contents[kind])
    target = org.target.model_copy(update={"private_key_file": file})
    error = failure(SalesforceSetupError, lambda: SalesforceClient(target, patience).identity())
    assert f"V4_SALESFORCE_PRIVATE_KEY_FILE is {file}" in str(error)
    assert ("cannot be read: No such file" in str(error)) == (kind == "missing")
    assert "TOPSECRET" not in "".join(traceback.format_exception(error))
    assert org.requests["login"] == 0


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "operation", ["create", "upload", "close", "poll", "results", "abort", "query", "describe", "limits"]
)
def test_a_token_that_expires_in_the_middle_of_anything_is_renewed(org, client, operation, times):
    org.faults.request("expired_token", on=operation, times=times)
    job = finished(client)
    assert sorted(client.results(job).succeeded) == LEADS
    client.lead_fields(), client.requests_left(), client.abort(client.create_job())
    list(client.read_leads([]))
    assert org.faults.script.requests == []
    assert org.requests["login"] == 1 + times
    assert org.updates() == dict.fromkeys(LEADS, 1)


def test_an_org_that_takes_no_fresh_token_is_not_asked_for_ever(org, client):
    org.faults.request("expired_token", on="limits", times=9)
    with pytest.raises(SalesforceSetupError, match="no token that it has just given us"):
        client.requests_left()
    assert org.requests["limits"] == 3


# --- silence


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


def test_a_write_that_found_nobody_there_certainly_did_nothing(tmp_path, key, patience):
    shutil.copy(key, tmp_path)
    with StandInOrg(tmp_path, LEADS) as org:
        client = SalesforceClient(org.target, patience)
        job = client.create_job()
    with pytest.raises(OrgUnavailableError, match="Nothing was changed"):
        client.upload(job, rows())


# --- limits


def test_a_used_up_limit_is_told_at_once_with_when_it_comes_back(org, client, naps):
    org.faults.request("request_limit", on="describe")
    with pytest.raises(ApiLimitError, match=r"REQUEST_LIMIT_EXCEEDED.*last 24 hours"):
        client.lead_fields()
    assert (org.requests["describe"], naps) == (1, [])


def test_a_floor_of_requests_is_left_to_others(org, client):
    org.faults.set(requests_left=1003)
    job = client.create_job()
    with pytest.raises(ApiLimitError, match=r"1000 of .* are left, and 1000 are to be left"):
        while True:
            client.status(job)
    before = org.requests.total()
    with pytest.raises(ApiLimitError, match="V4_SALESFORCE_REQUEST_FLOOR"):
        client.create_job()
    assert org.requests.total() == before
    assert client.requests_left() == 999
    org.faults.set(requests_left=None)
    client.requests_left()
    assert client.status(job).state is JobState.OPEN


# --- which org


def test_an_org_id_of_15_characters_is_the_same_org(org, patience):
    target = org.target.model_copy(update={"org_id": ORG_ID[:15]})
    assert SalesforceClient(target, patience).create_job().startswith("750")


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("change", [{"org_id": "00D000000000001EAA"}, {"sandbox": False}])
def test_nothing_is_written_to_another_org(org, patience, change, operation):
    job = SalesforceClient(org.target, patience).create_job()
    before = {write: org.requests[write] for write in WRITES}
    stranger = SalesforceClient(org.target.model_copy(update=change), patience)
    write = {
        "create": stranger.create_job,
        "upload": lambda: stranger.upload(job, rows()),
        "close": lambda: stranger.close(job),
        "abort": lambda: stranger.abort(job),
    }[operation]
    with pytest.raises(SalesforceSetupError, match=r"is the sandbox 00DSM00000000012AA, but .*Nothing was read or"):
        write()
    assert {write: org.requests[write] for write in WRITES} == before


@pytest.mark.parametrize("change", [{"org_id": "00D000000000001EAA"}, {"sandbox": False}])
@pytest.mark.parametrize("read", ["identity", "lead_fields", "read_leads", "requests_left", "status", "results"])
def test_nothing_is_read_from_another_org(org, patience, change, read):
    stranger = SalesforceClient(org.target.model_copy(update=change), patience)
    given = {"read_leads": (["V4_Score__c"],), "status": ("750",), "results": ("750",)}.get(read, ())
    with pytest.raises(SalesforceSetupError, match="Nothing was read or written"):
        list(getattr(stranger, read)(*given))
    asked = {name for name, count in org.requests.items() if count}
    assert asked <= {"login", "query"}
    assert org.requests["query"] == 1  # which org it is


def test_another_machine_is_never_taken_for_the_stand_in(org):
    for base in ("http://10.0.0.1:8080", "https://127.0.0.1:1", "http://localhost:80", "http://127.0.0.1.example.com"):
        with pytest.raises(SalesforceSetupError, match="on this machine only"):
            LoopbackAdapter(base)


def test_a_proxy_of_the_environment_is_not_asked_for_the_stand_in(client, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert client.identity().is_sandbox


def test_a_netrc_does_not_log_in_for_us(org, patience, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("default login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    given = {"auth": "client-credentials", "consumer_secret": SecretStr(org.login.consumer_secret)}
    client = SalesforceClient(org.target.model_copy(update=given), patience)
    for session in (client._login._session, client._session):
        session.trust_env = True  # as it is where the target is no stand-in
    assert client.identity().is_sandbox


# --- secrets


def failure(kind, act):
    with pytest.raises(kind) as caught:
        act()
    return caught.value


def chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def assert_hidden(error, *secrets):
    """No secret in what an error, or any it came from, shows or holds."""
    links = list(chain(error))
    assert not any(isinstance(link, requests.RequestException) for link in links)
    shown = "".join(traceback.format_exception(error)) + repr([(link, vars(link), link.args) for link in links])
    for secret in secrets:
        assert secret
        assert secret not in shown


@pytest.mark.parametrize("kind", ["drop_before", "unavailable", "expired_token", "request_limit"])
@pytest.mark.parametrize("operation", ["create", "upload", "poll", "query"])
def test_no_failure_shows_a_secret(org, client, caplog, kind, operation):
    caplog.set_level(logging.DEBUG)
    job = client.create_job()
    org.faults.request(kind, on=operation, times=9)
    token = client._session._token

    def act():
        client.create_job()
        client.upload(job, rows())
        list(client.read_leads([]))
        client.status(job)

    error = failure(SalesforceError, act)
    secrets = (token, client._session._token or token, *org.target.secrets, org.login.key_file.read_text())
    assert_hidden(error, *secrets)
    assert not [secret for secret in secrets if secret in caplog.text]


def test_an_org_that_repeats_the_token_is_not_repeated(org, client):
    client.identity()
    token = client._session._token
    error = failure(SalesforceError, lambda: list(client.read_leads([], f"{token} = 1")))
    assert "[hidden]" in str(error) or token not in str(error)
    assert_hidden(error, token)


def test_nothing_that_is_shown_holds_a_secret(org, client, patience):
    client.identity()
    given = {
        "consumer_secret": SecretStr("c0ns"),
    }
    target = org.target.model_copy(update=given)
    shown = repr([client, target, SalesforceClient(target), vars(client._login), client._session, resources.salesforce])
    shown += str(target) + target.model_dump_json() + repr(vars(client))
    for secret in (*target.secrets, client._session._token):
        assert secret not in shown


# --- settings

COMPLETE = {
    "V4_SALESFORCE": "salesforce",
    "V4_SALESFORCE_DOMAIN": "acme--sbx.sandbox.my",
    "V4_SALESFORCE_ORG_ID": "00D000000000001EAA",
    "V4_SALESFORCE_SANDBOX": "yes",
    "V4_SALESFORCE_USERNAME": "v4@acme.example",
    "V4_SALESFORCE_CONSUMER_KEY": "k3y",
    "V4_SALESFORCE_PRIVATE_KEY_FILE": "/etc/v4/key.pem",
}


def test_the_environment_names_the_org():
    target = present(load(COMPLETE).salesforce_target)
    assert (target.domain, target.org_id, target.sandbox) == ("acme--sbx.sandbox.my", "00D000000000001EAA", True)
    assert (target.auth, target.api_version, target.request_floor) == ("jwt", "66.0", 1000)
    assert present(target.consumer_key).get_secret_value() == "k3y"
    more = {"V4_SALESFORCE_SANDBOX": "no", "V4_SALESFORCE_REQUEST_FLOOR": "5", "V4_SALESFORCE_API_VERSION": "64.0"}
    target = from_environment(COMPLETE | more)
    assert (target.sandbox, target.request_floor, target.api_version) == (False, 5, "64.0")


def test_the_target_is_a_dry_run_unless_it_is_said_otherwise(tmp_path, org):
    assert load({}).salesforce == "dry-run"
    assert resources.salesforce(load({})) is None
    local = load({"V4_SALESFORCE": "local", "V4_HOME": str(org.folder.parent)})
    assert present(resources.salesforce(local)).identity() == OrgIdentity(ORG_ID, True)
    assert repr(resources.salesforce(load(COMPLETE))) == "SalesforceClient(acme--sbx.sandbox.my)"


def test_a_stand_in_that_is_not_running_is_told_when_it_is_needed(tmp_path):
    client = present(resources.salesforce(load({"V4_SALESFORCE": "local", "V4_HOME": str(tmp_path)})))
    with pytest.raises(
        SalesforceSetupError, match=r"Start it with `v4 dev`, or alone with `/.* -m salesforce_stand_in serve .*/org`"
    ):
        client.identity()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"V4_SALESFORCE_USERNAME": ""}, "V4_SALESFORCE_AUTH is jwt, which needs V4_SALESFORCE_USERNAME"),
        ({"V4_SALESFORCE_DOMAIN": ""}, "V4_SALESFORCE_DOMAIN is missing: set it."),
        ({"V4_SALESFORCE_ORG_ID": ""}, "V4_SALESFORCE_ORG_ID is missing: set it."),
        ({"V4_SALESFORCE_SANDBOX": ""}, "V4_SALESFORCE_SANDBOX is missing: set it."),
        ({"V4_SALESFORCE_SANDBOX": "maybe"}, "V4_SALESFORCE_SANDBOX must be true or false."),
        (
            {"V4_SALESFORCE_DOMAIN": "login"},
            "V4_SALESFORCE_DOMAIN must be the My Domain without .salesforce.com",
        ),
        ({"V4_SALESFORCE_DOMAIN": "acme.my.salesforce.com"}, "V4_SALESFORCE_DOMAIN must be the My Domain"),
        ({"V4_SALESFORCE_ORG_ID": "00Q000000000001EAA"}, "V4_SALESFORCE_ORG_ID must be 00D and 12 or 15 more letters"),
        ({"V4_SALESFORCE_API_VERSION": "v66.0"}, "V4_SALESFORCE_API_VERSION must be a version like 66.0."),
        ({"V4_SALESFORCE_REQUEST_FLOOR": "-1"}, "V4_SALESFORCE_REQUEST_FLOOR must be 0 or more."),
        ({"V4_SALESFORCE_AUTH": "magic"}, "V4_SALESFORCE_AUTH must be 'jwt' or 'client-credentials'"),
        ({"V4_SALESFORCE_AUTH": "password"}, "set V4_SALESFORCE_AUTH to jwt or client-credentials"),
        ({"V4_SALESFORCE_PASSWORD": "hunter2"}, "V4_SALESFORCE_PASSWORD cannot be used: Salesforce ends the login"),
        ({"V4_SALESFORCE_SECURITY_TOKEN": "hunter2"}, "V4_SALESFORCE_SECURITY_TOKEN cannot be used"),
        (
            {"V4_SALESFORCE_AUTH": "client-credentials"},
            "V4_SALESFORCE_AUTH is client-credentials, which needs V4_SALESFORCE_CONSUMER_SECRET",
        ),
    ],
)
def test_a_mistake_in_the_environment_is_told_by_its_variable_and_not_by_its_value(change, said):
    error = failure(SettingsError, lambda: load(COMPLETE | change))
    assert said in str(error)
    assert_hidden(error, "k3y", "hunter2")


def test_a_target_nobody_knows_is_refused():
    with pytest.raises(SettingsError, match="V4_SALESFORCE is 'sandbox', expected 'dry-run', 'local' or 'salesforce'"):
        load({"V4_SALESFORCE": "sandbox"})


def test_every_variable_is_in_the_example_and_in_the_admin_s_guide():
    names = {f"V4_SALESFORCE_{name.upper()}" for name in SalesforceTarget.model_fields if name != "loopback"}
    for page in (PROJECT / ".env.example", PROJECT / "docs" / "salesforce.md"):
        text = page.read_text(encoding="utf-8")
        assert [name for name in names if name not in text] == []


# --- what an admin deploys

METADATA = "{http://soap.sforce.com/2006/04/metadata}"
DEPLOYED = PROJECT / "docs" / "salesforce" / "v4"
KINDS: dict[str, Any] = {"Number": "double", "Checkbox": "boolean", "Text": "string", "DateTime": "datetime"}


def test_the_fields_an_admin_deploys_are_those_of_the_stand_in():
    found = {}
    for file in (DEPLOYED / "objects" / "Lead" / "fields").iterdir():
        said: dict[str, Any] = {
            each.tag.removeprefix(METADATA): each.text for each in ElementTree.parse(file).getroot()
        }
        assert file.name == f"{said['fullName']}.field-meta.xml"
        sizes: dict[str, Any] = {name: int(said[name]) for name in ("precision", "scale", "length") if name in said}
        found[said["fullName"]] = OrgField(name=said["fullName"], type=KINDS[said["type"]], **sizes)
    assert found == {field.name: field for field in V4}


def test_the_permission_set_makes_every_field_editable_and_nothing_else():
    root = ElementTree.parse(DEPLOYED / "permissionsets" / "V4_Lead_Scoring.permissionset-meta.xml").getroot()
    fields = [
        {each.tag.removeprefix(METADATA): each.text for each in one}
        for one in root.findall(f"{METADATA}fieldPermissions")
    ]
    assert {field["field"] for field in fields} == {f"Lead.{field.name}" for field in V4}
    assert {(field["editable"], field["readable"]) for field in fields} == {("true", "true")}
    [lead] = root.findall(f"{METADATA}objectPermissions")
    assert [(lead.findtext(f"{METADATA}{may}")) for may in ("allowEdit", "allowCreate", "allowDelete")] == [
        "true",
        "false",
        "false",
    ]


# --- ids


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("00DSM0000000001", "00DSM00000000012AA"),
        ("001A0000006Vm9r", "001A0000006Vm9rIAC"),
        ("000000000000000", "000000000000000AAA"),
        ("AAAAABBBBBCCCCC", "AAAAABBBBBCCCCC555"),
        ("00DSM00000000012AA", "00DSM00000000012AA"),
        ("short", "short"),
        ("00DSM00000000-1", "00DSM00000000-1"),
    ],
)
def test_ids_are_widened_by_their_capitals(short, full):
    assert to_18(short) == full


def test_leads_in_the_org_may_be_seeded_with_values(org, client):
    org.seed(
        [SeedLead(LEADS[0], {"V4_Score__c": 0.4, "V4_Model_Version__c": "v4.0.0"}), SeedLead(LEADS[1], is_deleted=True)]
    )
    found = {row["Id"]: row for row in client.read_leads(["V4_Score__c", "V4_Model_Version__c", "V4_Deprioritize__c"])}
    assert found[LEADS[0]] == {
        "Id": LEADS[0],
        "V4_Score__c": 0.4,
        "V4_Model_Version__c": "v4.0.0",
        "V4_Deprioritize__c": False,
    }
    assert LEADS[1] not in found
