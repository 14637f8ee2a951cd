"""The stand-in org answers as Salesforce does, to an unmodified simple-salesforce and to plain requests alike."""

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from benchmarks.bulk_v1 import BulkV1
from salesforce_stand_in import V4, OrgField, SeedLead, StandInOrg, local_target, switch
from salesforce_stand_in.fields import RowError, reader
from salesforce_stand_in.login import DOMAIN, JWT_BEARER, ORG_ID, USER_ID, USERNAME, Login
from salesforce_stand_in.soql import SoqlError, parse
from v4_assets.config.salesforce import to_18
from v4_assets.errors import SalesforceError, SalesforceSetupError
from v4_assets.salesforce.client.http import LoopbackAdapter
from v4_assets_tests.fixtures import sparing
from v4_assets_tests.fixtures.narrow import present

sparing.spared()

LEADS = [to_18(f"00QSM0{number:09d}") for number in range(6)]
DATA = "/services/data/v66.0"


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """The private key of all orgs here: making one takes a while."""
    file = tmp_path_factory.mktemp("key") / "private_key.pem"
    Login(file)
    return file


@pytest.fixture
def folder(tmp_path, key):
    folder = tmp_path / "org"
    folder.mkdir()
    shutil.copy(key, folder)
    return folder


@pytest.fixture
def org(folder):
    with StandInOrg(folder, LEADS, page_size=4) as org:
        org.api.extensions.append(BulkV1(org.store, org.faults))
        yield org


@pytest.fixture
def session(org):
    """Plain requests: paths after the org's address, with a token."""
    return Plain(org)


class Plain:
    def __init__(self, org):
        self.url = org.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {org.login._issue()}"

    def __call__(self, method, path, **given):
        return self.session.request(method, self.url + path, timeout=10, **given)

    def job(self, csv=None, **asked):
        """The id of a job that was closed, or left open without a CSV."""
        job = self("POST", f"{DATA}/jobs/ingest", json={"object": "Lead", "operation": "update", **asked}).json()["id"]
        if csv is not None:
            assert self("PUT", f"{DATA}/jobs/ingest/{job}/batches", data=csv.encode()).status_code == 201
            assert self("PATCH", f"{DATA}/jobs/ingest/{job}", json={"state": "UploadComplete"}).status_code == 200
        return job

    def finish(self, csv, **asked):
        """How a job with the CSV ends."""
        job = self.job(csv, **asked)
        while True:
            said = self("GET", f"{DATA}/jobs/ingest/{job}").json()
            if said["state"] in ("JobComplete", "Failed", "Aborted"):
                return said

    def results(self, job, kind):
        answer = self("GET", f"{DATA}/jobs/ingest/{job}/{kind}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv")
        return answer.content.decode().splitlines()


def library(org):
    """simple-salesforce as it comes, but for where its requests go."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", LoopbackAdapter(org.url))
    return Salesforce(
        username=USERNAME,
        consumer_key=org.login.consumer_key,
        privatekey_file=str(org.login.key_file),
        domain=DOMAIN,
        session=session,
    )


# --- simple-salesforce


def test_the_unmodified_library_logs_in_reads_and_updates(org):
    sf = library(org)
    assert sf.is_sandbox() is True
    assert sf.limits()["DailyApiRequests"]["Max"] == 100_000
    assert [each["name"] for each in sf.Lead.describe()["fields"]][:4] == ["Id", "IsDeleted", "IsConverted", V4[0].name]
    records = [{"Id": lead, "V4_Score__c": "0.5", "V4_Deprioritize__c": "true"} for lead in LEADS]
    [answers] = sf.bulk2.Lead.update(records=records, batch_size=100, wait=0.01)
    assert (answers["numberRecordsTotal"], answers["numberRecordsFailed"]) == (6, 0)
    found = sf.query_all("SELECT Id, V4_Score__c, V4_Deprioritize__c FROM Lead")
    assert [(row["Id"], row["V4_Score__c"], row["V4_Deprioritize__c"]) for row in found["records"]] == [
        (lead, 0.5, True) for lead in LEADS
    ]
    assert sf.api_usage["api-usage"].total == 100_000


def test_the_library_logs_in_again_when_its_token_expires(org):
    sf = library(org)
    org.faults.request("expired_token", on="limits")
    assert sf.limits()["DailyBulkApiBatches"]["Remaining"] == 15_000
    assert org.requests["login"] == 2


def test_the_library_sends_the_old_way_in_batches_of_three_requests_each(org):
    sf = library(org)
    org.faults.row("UNABLE_TO_LOCK_ROW", [LEADS[2]])
    records = [{"Id": lead, "V4_Score__c": at / 8, "V4_Deprioritize__c": at == 1} for at, lead in enumerate(LEADS)]
    records[5] = {"Id": LEADS[5], "V4_Score__c": None, "V4_Model_Version__c": "größer"}
    answers = sf.bulk.Lead.update(records, batch_size=2)
    assert [(one["id"], one["success"]) for one in answers] == [
        (None if lead == LEADS[2] else lead, lead != LEADS[2]) for lead in LEADS
    ]
    [error] = answers[2]["errors"]
    assert (error["statusCode"], error["message"][:16]) == ("UNABLE_TO_LOCK_ROW", "unable to obtain")
    shown = org.rows()
    assert [shown[lead]["V4_Score__c"] for lead in LEADS] == [0.0, 0.125, None, 0.375, 0.5, None]
    assert [shown[lead]["V4_Deprioritize__c"] for lead in LEADS] == [False, True, False, False, False, False]
    assert shown[LEADS[5]]["V4_Model_Version__c"] == "größer"
    asked = {name: org.requests[name] for name in ("create", "upload", "poll", "results", "close")}
    assert asked == {"create": 1, "upload": 3, "poll": 3, "results": 3, "close": 1}


def test_the_old_way_is_refused_in_its_own_words(org, session):
    header = {"X-SFDC-Session": session.session.headers["Authorization"].removeprefix("Bearer ")}

    def post(path, said, **headers):
        return session("POST", f"/services/async/66.0{path}", json=said, headers=header | headers)

    wanted = {"object": "Lead", "operation": "update", "contentType": "JSON"}
    assert post("/job", wanted, **{"X-SFDC-Session": "made-up"}).status_code == 401
    other = post("/job", wanted | {"object": "Contact"})
    assert (other.status_code, other.json()["exceptionCode"]) == (400, "InvalidJob")
    at = f"/job/{post('/job', wanted).json()['id']}"
    batch = post(f"{at}/batch", [{"Id": LEADS[0], "V4_Skore__c": 1}]).json()
    found = session("GET", f"/services/async/66.0{at}/batch/{batch['id']}", headers=header).json()
    assert (found["state"], found["stateMessage"]) == ("Failed", "InvalidBatch : Field name not found : V4_Skore__c")
    assert post(at, {"state": "Closed"}).json()["state"] == "Closed"
    assert post(f"{at}/batch", []).json()["exceptionCode"] == "InvalidJobState"
    assert org.updates() == {}


def test_the_library_raises_what_the_org_refuses(org):
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
        library(org).query("SELECT Name FROM Lead")


# --- logging in


def token(org, form, **headers):
    return requests.post(f"{org.url}/services/oauth2/token", data=form, headers=headers, timeout=10)


def assertion(org, **changes):
    claims = {
        "iss": org.login.consumer_key,
        "sub": USERNAME,
        "aud": f"https://{DOMAIN}.salesforce.com",
        "exp": int(time.time()) + 180,
    }
    return {
        "grant_type": JWT_BEARER,
        "assertion": jwt.encode(claims | changes, org.login.key_file.read_bytes(), algorithm="RS256"),
    }


def test_a_token_comes_with_the_address_to_use_it_at(org):
    said = token(org, assertion(org)).json()
    assert said["instance_url"] == org.url.replace("http", "https")
    assert said["id"].endswith(f"/id/{ORG_ID}/{USER_ID}")
    answer = requests.get(f"{org.url}{DATA}/", headers={"Authorization": f"Bearer {said['access_token']}"}, timeout=10)
    assert answer.json()["identity"] == said["id"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"exp": 1}, "invalid_grant"),
        ({"aud": "https://elsewhere.my.salesforce.com"}, "invalid_grant"),
        ({"sub": "nobody"}, "invalid_grant"),
        ({"iss": "another app"}, "invalid_client_id"),
    ],
)
def test_an_assertion_is_verified(org, changes, error):
    answer = token(org, assertion(org, **changes))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


def test_an_assertion_signed_by_another_key_is_refused(org, tmp_path):
    other = Login(tmp_path / "other.pem")
    good = assertion(org)
    claims = jwt.decode(good["assertion"], options={"verify_signature": False})
    forged = jwt.encode(claims, other.key_file.read_bytes(), algorithm="RS256")
    assert token(org, good | {"assertion": forged}).json()["error"] == "invalid_grant"
    assert token(org, {"grant_type": "password"}).json()["error"] == "unsupported_grant_type"


def test_without_a_good_token_there_is_a_list_of_one_error(org):
    for headers in ({}, {"Authorization": "Bearer made-up"}):
        answer = requests.get(f"{org.url}{DATA}/limits/", headers=headers, timeout=10)
        assert answer.status_code == 401
        assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


# --- Bulk API 2.0


def test_statuses_are_those_of_the_api(session):
    made = session("POST", f"{DATA}/jobs/ingest/", json={"object": "Lead", "operation": "update"})
    assert (made.status_code, made.json()["state"], made.json()["jobType"]) == (200, "Open", "V2Ingest")
    at = f"{DATA}/jobs/ingest/{made.json()['id']}"
    put = session("PUT", f"{at}/batches", data=b"Id,V4_Score__c\n")
    assert (put.status_code, put.content) == (201, b"")
    assert session("PATCH", at, json={"state": "UploadComplete"}).json()["state"] == "UploadComplete"
    assert session("GET", f"{at}/").json()["state"] == "JobComplete"
    deleted = session("DELETE", at)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (session("GET", at).status_code, session("GET", at).json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_a_job_is_deleted_only_when_it_does_not_run(org, session):
    job = session.job()
    assert session("DELETE", f"{DATA}/jobs/ingest/{job}").status_code == 400
    org.faults.job("stuck")
    job = session.job(f"Id,V4_Score__c\n{LEADS[0]},1\n")
    assert session("GET", f"{DATA}/jobs/ingest/{job}").json()["state"] == "InProgress"
    assert session("DELETE", f"{DATA}/jobs/ingest/{job}").status_code == 400


def test_rows_are_put_once_and_only_while_a_job_is_open(session):
    job = session.job()
    assert session("PUT", f"{DATA}/jobs/ingest/{job}/batches", data=b"Id\n").status_code == 201
    assert session("PUT", f"{DATA}/jobs/ingest/{job}/batches", data=b"Id\n").status_code == 400
    closed = session.job("Id,V4_Score__c\n")
    assert session("PUT", f"{DATA}/jobs/ingest/{closed}/batches", data=b"Id\n").status_code == 400


@pytest.mark.parametrize("state", ["UploadComplete", "Aborted", "InProgress"])
def test_a_final_job_stays_as_it_is(session, state):
    job = session.finish("Id,V4_Score__c\n")["id"]
    answer = session("PATCH", f"{DATA}/jobs/ingest/{job}", json={"state": state})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")


def test_results_are_there_when_the_job_is_over_under_either_spelling(org, session):
    job = session.job(f"Id,V4_Score__c\n{LEADS[0]},1\n")
    assert session("GET", f"{DATA}/jobs/ingest/{job}/successfulResults/").status_code == 400
    org.rows()
    for kind in ("unprocessedrecords", "unprocessedRecords/"):
        assert session.results(job, kind) == ["Id,V4_Score__c"]
    assert session.results(job, "successfulResults") == [
        '"sf__Id","sf__Created",Id,V4_Score__c',
        f'"{LEADS[0]}","false","{LEADS[0]}","1"',
    ]


def test_failures_have_a_blank_id_unless_told_otherwise(org, session):
    csv = f"Id,V4_Score__c\n{LEADS[0]},much\n"
    assert session.results(session.finish(csv)["id"], "failedResults")[1].startswith('"","INVALID_TYPE_ON_FIELD')
    org.faults.set(blank_failed_ids=False)
    assert session.results(session.finish(csv)["id"], "failedResults")[1].startswith(f'"{LEADS[0]}","INVALID_TYPE')


def test_results_come_in_another_order_unless_told_otherwise(org, session):
    leads = [to_18(f"00QSM1{number:09d}") for number in range(50)]
    org.seed(leads)
    job = session.finish("".join(["Id,V4_Score__c\n", *(f"{lead},1\n" for lead in leads)]))["id"]
    answers = [line[1:19] for line in session.results(job, "successfulResults")[1:]]
    assert (answers != leads, sorted(answers)) == (True, leads)
    org.faults.set(shuffled=False)
    assert [line[1:19] for line in session.results(job, "successfulResults")[1:]] == leads


@pytest.mark.parametrize(
    ("csv", "asked", "error"),
    [
        ("Id,V4_Skore__c,Oops__c\n{},1,2\n", {}, "InvalidBatch : Field name not found : V4_Skore__c"),
        ("\ufeffId,V4_Score__c\n{},1\n", {}, "InvalidBatch : Field name not found : \ufeffId"),
        ("Id,V4_Scored_At__c\n{},1\n", {}, "InvalidBatch : Field name not found : V4_Scored_At__c"),
        (
            "Id,V4_Score__c\r\n{},1\r\n",
            {},
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
        (
            "Id,V4_Score__c\n{},1\n",
            {"lineEnding": "CRLF"},
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF",
        ),
        ("Id,V4_Score__c\n{},1,2\n", {}, "InvalidBatch : a row has another number of fields than the header"),
    ],
)
def test_a_csv_that_cannot_be_read_fails_its_job(org, session, csv, asked, error):
    org.define(V4[4].model_copy(update={"visible": False}))
    said = session.finish(csv.format(LEADS[0]), **asked)
    assert (said["state"], said["errorMessage"], said["numberRecordsProcessed"]) == ("Failed", error, 0)
    assert len(session.results(said["id"], "unprocessedRecords")) == 2
    assert org.updates() == {}


def test_carriage_returns_are_fine_where_they_were_announced(org, session):
    assert session.finish(f"Id,V4_Score__c\r\n{LEADS[0]},1\r\n", lineEnding="CRLF")["state"] == "JobComplete"
    assert org.rows()[LEADS[0]]["V4_Score__c"] == 1.0


def test_empty_leaves_a_field_and_na_empties_it(org, session):
    values: dict[str, str | float | bool | None] = {"V4_Score__c": 0.4, "V4_Model_Version__c": "v4.0.0"}
    values["V4_Deprioritize__c"] = True
    org.seed([SeedLead(LEADS[0], values)])
    header = "Id,V4_Score__c,V4_Model_Version__c,V4_Deprioritize__c\n"
    assert session.finish(f"{header}{LEADS[0]},,#N/A,\n")["numberRecordsFailed"] == 0
    assert values | {"V4_Model_Version__c": None} == {name: org.rows()[LEADS[0]][name] for name in values}


def test_numbers_are_kept_as_they_were_sent(org, session):
    session.finish(f"Id,V4_Score__c\n{LEADS[0]},0.123456\n")
    assert org.rows()[LEADS[0]]["V4_Score__c"] == 0.123456


@pytest.mark.parametrize(
    ("lead", "error"),
    [
        (LEADS[1], "CANNOT_UPDATE_CONVERTED_LEAD"),
        (LEADS[2], "ENTITY_IS_DELETED"),
        ("00QSM0999999999", "INVALID_CROSS_REFERENCE_KEY"),
        ("0030000000000001", "MALFORMED_ID"),
        ("003000000000000", "MALFORMED_ID"),
        ("", "MISSING_ARGUMENT"),
        (LEADS[0], "DUPLICATE_VALUE"),
        (LEADS[0][:15], "DUPLICATE_VALUE"),
    ],
)
def test_a_lead_that_cannot_be_updated_is_refused_alone(org, session, lead, error):
    org.seed([SeedLead(LEADS[1], is_converted=True), SeedLead(LEADS[2], is_deleted=True)])
    said = session.finish(f"Id,V4_Score__c\n{LEADS[0]},1\n{lead},1\n")
    assert (said["state"], said["numberRecordsProcessed"], said["numberRecordsFailed"]) == ("JobComplete", 2, 1)
    [failed] = session.results(said["id"], "failedResults")[1:]
    assert failed.startswith(f'"","{error}:')
    assert org.updates() == {LEADS[0]: 1}


def test_a_lead_may_stand_again_in_another_group_of_200(org, session):
    leads = [to_18(f"00QSM1{number:09d}") for number in range(201)]
    org.seed(leads)
    lines = "".join(f"{lead},1\n" for lead in leads)
    said = session.finish(f"Id,V4_Score__c\n{lines}{leads[0]},2\n{leads[200]},2\n")
    assert (said["numberRecordsProcessed"], said["numberRecordsFailed"]) == (203, 1)
    assert (org.updates()[leads[0]], org.updates()[leads[200]]) == (2, 1)
    assert org.rows()[leads[0]]["V4_Score__c"] == 2.0


def test_a_field_that_may_not_be_changed_is_refused_in_every_row(org, session):
    org.define(V4[0].model_copy(update={"updateable": False}))
    said = session.finish(f"Id,V4_Score__c\n{LEADS[0]},1\n{LEADS[1]},\n")
    assert (said["numberRecordsProcessed"], said["numberRecordsFailed"]) == (2, 1)
    assert "INVALID_FIELD_FOR_INSERT_UPDATE" in session.results(said["id"], "failedResults")[1]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (V4[0], "0.43", 0.43),
        (V4[0], "-1e3", -1000.0),
        (V4[0], "#N/A", None),
        (V4[0], "9007199254740992", 9007199254740992.0),
        (V4[0], "10000000000000000", "NUMBER_OUTSIDE_VALID_RANGE"),
        (V4[0], "nan", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (V4[0], "1e999", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (V4[0], " 0.43", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (V4[0], "0,43", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (V4[2], "true", True),
        (V4[2], "False", False),
        (V4[2], "0", False),
        (V4[2], "maybe", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (V4[2], "#N/A", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (V4[3], "v4.1.0", "v4.1.0"),
        (V4[3], "x" * 20, "x" * 20),
        (V4[3], "x" * 21, "STRING_TOO_LONG"),
        (V4[4], "2026-01-12T11:30:00.000Z", "2026-01-12T11:30:00.000+0000"),
        (V4[4], "2026-01-12T06:30:00-05:00", "2026-01-12T11:30:00.000+0000"),
        (V4[4], "2026-01-12T11:30:00", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (V4[4], "2026-13-12T11:30:00Z", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (V4[4], "2026-01-12", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
    ],
)
def test_a_value_fits_its_field_or_is_refused(field, text, value):
    try:
        found = reader(field)(text)
    except RowError as error:
        found = str(error).partition(":")[0]
    assert found == value


# --- SOQL


def test_deleted_leads_are_not_found_and_paging_finds_all_others_once(org, session):
    org.seed([SeedLead(LEADS[2], is_deleted=True)])
    said = session("GET", f"{DATA}/query/", params={"q": "SELECT Id FROM Lead"}).json()
    assert (said["totalSize"], said["done"], len(said["records"])) == (5, False, 4)
    rest = session("GET", said["nextRecordsUrl"]).json()
    assert (rest["totalSize"], rest["done"]) == (5, True)
    assert [row["Id"] for row in said["records"] + rest["records"]] == [x for x in LEADS if x != LEADS[2]]
    assert said["records"][0]["attributes"]["type"] == "Lead"
    assert session("GET", f"{DATA}/query/01g-made-up").status_code == 400


SCORED = [
    SeedLead(LEADS[0], {"V4_Score__c": 0.1, "V4_Model_Version__c": "v4.0.0"}),
    SeedLead(LEADS[1], {"V4_Score__c": 0.5, "V4_Model_Version__c": "v4.1.0", "V4_Deprioritize__c": True}),
    SeedLead(LEADS[2], {"V4_Score__c": 0.9, "V4_Scored_At__c": "2026-01-12T11:30:00.000+0000"}),
    SeedLead(LEADS[3], {"V4_Model_Version__c": "it's"}, is_converted=True),
]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("V4_Score__c = 0.5", [1]),
        ("V4_Score__c != 0.5", [0, 2, 3, 4, 5]),
        ("V4_Score__c >= 0.5 AND V4_Score__c < 0.9", [1]),
        ("V4_Score__c = null", [3, 4, 5]),
        ("v4_score__c != NULL", [0, 1, 2]),
        ("V4_Model_Version__c = 'V4.1.0'", [1]),
        ("V4_Model_Version__c != 'v4.1.0'", [0, 2, 3, 4, 5]),
        ("V4_Model_Version__c IN ('v4.0.0', 'v4.1.0')", [0, 1]),
        (r"V4_Model_Version__c = 'it\'s'", [3]),
        ("IsConverted = true", [3]),
        ("IsConverted = false AND (V4_Score__c = 0.1 OR V4_Deprioritize__c = true)", [0, 1]),
        ("NOT (IsConverted = false)", [3]),
        (f"Id IN ('{LEADS[0]}', '{LEADS[1][:15]}')", [0, 1]),
        (f"Id NOT IN ('{LEADS[0]}') AND Id < '{LEADS[2]}'", [1]),
        ("V4_Scored_At__c > 2026-01-12T11:29:59Z", [2]),
        ("V4_Scored_At__c > 2026-01-12T06:30:00-05:00", []),
        ("V4_Score__c < 0.9 ORDER BY Id LIMIT 1", [0]),
    ],
)
def test_a_condition_finds_what_soql_would(org, session, condition, found):
    org.seed(SCORED)
    params: dict[str, str] | None
    records, path, params = [], f"{DATA}/query/", {"q": f"SELECT Id FROM Lead WHERE {condition}"}
    while path:
        said = session("GET", path, params=params).json()
        records += said["records"]
        path, params = said.get("nextRecordsUrl"), None
    assert [LEADS.index(row["Id"]) for row in records] == found


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT Name FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Contact", "INVALID_TYPE"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE Name = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Id = 'x' Id", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE Id LIKE 'x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE (Id = 'x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE V4_Score__c = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE IsConverted = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Id = ;", "MALFORMED_QUERY"),
        ("DELETE FROM Lead", "MALFORMED_QUERY"),
    ],
)
def test_a_query_it_does_not_understand_is_refused(query, code):
    fields = {field.name: field for field in V4} | {
        "Id": OrgField(name="Id", type="id"),
        "IsConverted": OrgField(name="IsConverted", type="boolean"),
    }
    with pytest.raises(SoqlError) as caught:
        parse(query, {"Lead": fields})
    assert caught.value.code == code


def test_a_query_longer_than_an_address_may_be_is_refused(session):
    ids = ",".join(f"'{lead}'" for lead in LEADS * 150)
    answer = session("GET", f"{DATA}/query/", params={"q": f"SELECT Id FROM Lead WHERE Id IN ({ids})"})
    assert answer.status_code == 414


# --- limits, faults, time


def test_every_answer_tells_how_many_requests_were_used(session):
    used = [session("GET", f"{DATA}/limits").headers["Sforce-Limit-Info"] for _ in range(2)]
    assert used == ["api-usage=1/100000", "api-usage=2/100000"]


def test_without_requests_left_everything_is_refused(org, session):
    org.faults.set(requests_left=1)
    assert session("GET", f"{DATA}/limits").json()["DailyApiRequests"]["Remaining"] == 0
    answer = session("GET", f"{DATA}/sobjects/Lead/describe")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_a_fault_strikes_as_often_as_it_was_told_and_after_as_many(org, session):
    org.faults.request("unavailable", on="limits", after=1, times=2)
    seen = [session("GET", f"{DATA}/limits").status_code for _ in range(4)]
    assert seen == [200, 503, 503, 200]
    assert session("GET", f"{DATA}/").status_code == 200


def test_a_lock_holds_for_as_many_attempts_as_it_was_told(org, session):
    org.faults.row("UNABLE_TO_LOCK_ROW", LEADS[:2], times=2)
    csv = "".join(["Id,V4_Score__c\n", *(f"{lead},1\n" for lead in LEADS[:3])])
    assert [session.finish(csv)["numberRecordsFailed"] for _ in range(3)] == [2, 2, 0]
    assert org.updates() == {LEADS[0]: 1, LEADS[1]: 1, LEADS[2]: 3}


def test_a_slow_org_is_slow(org, session):
    org.faults.set(latency_seconds=0.1)
    begun = time.monotonic()
    session("GET", f"{DATA}/limits")
    assert time.monotonic() - begun >= 0.1


def test_a_closed_job_is_done_when_somebody_looks_at_the_leads(org, session):
    job = session.job("".join(["Id,V4_Score__c\n", *(f"{lead},1\n" for lead in LEADS)]))
    assert org.jobs()[0]["state"] == "UploadComplete"
    said = session("GET", f"{DATA}/query/", params={"q": "SELECT Id FROM Lead WHERE V4_Score__c = 1"}).json()
    assert said["totalSize"] == 6
    assert session("GET", f"{DATA}/jobs/ingest/{job}").json()["state"] == "JobComplete"


def test_requests_at_once_are_served_one_after_another(org):
    def one(lead):
        return Plain(org).finish(f"Id,V4_Score__c\n{lead},1\n")["numberRecordsFailed"]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, LEADS)) == [0] * 6
    assert (len({job["id"] for job in org.jobs()}), org.updates()) == (6, dict.fromkeys(LEADS, 1))


def test_what_it_does_not_imitate_it_refuses(session):
    for asked in ({"object": "Contact"}, {"operation": "insert"}, {"columnDelimiter": "TAB"}, {"lineEnding": "CR"}):
        answer = session("POST", f"{DATA}/jobs/ingest", json={"object": "Lead", "operation": "update"} | asked)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALIDJOB")
    assert session("POST", f"{DATA}/jobs/ingest", data=b"{").json()[0]["errorCode"] == "JSON_PARSER_ERROR"
    assert session("GET", f"{DATA}/sobjects/Contact/describe").status_code == 404
    assert session("PUT", f"{DATA}/limits").status_code == 404


# --- state, other processes, loopback


def test_leads_jobs_and_address_survive_a_restart(folder):
    with StandInOrg(folder, LEADS) as org:
        org.define(OrgField(name="Mine__c", type="double", precision=3))
        plain, url = Plain(org), org.url
        job = plain.job("".join(["Id,V4_Score__c\n", *(f"{lead},1\n" for lead in LEADS)]))
        assert plain("GET", f"{DATA}/jobs/ingest/{job}").json()["numberRecordsProcessed"] == 3
    with StandInOrg(folder) as org:
        assert (org.url, set(org.rows())) == (url, set(LEADS))
        assert set(org.rows()[LEADS[0]]) == {*(field.name for field in V4), "Mine__c"}
        assert Plain(org)("GET", f"{DATA}/jobs/ingest/{job}").json()["numberRecordsProcessed"] == 6
        assert org.updates() == dict.fromkeys(LEADS, 1)


def test_a_stopped_org_answers_nobody(folder):
    with StandInOrg(folder, LEADS) as org:
        plain = Plain(org)
        assert plain("GET", f"{DATA}/limits").status_code == 200
    with pytest.raises(requests.ConnectionError):
        plain("GET", f"{DATA}/limits")
    with pytest.raises(SalesforceSetupError, match="No stand-in org runs"):
        local_target(folder)


def test_an_org_in_another_process_is_found_used_and_switched_off_and_on(folder):
    command = [sys.executable, "-m", "salesforce_stand_in", "serve", str(folder)]
    with StandInOrg(folder, LEADS):
        pass
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert "V4_SALESFORCE=local" in present(process.stdout).readline()
        url = local_target(folder).loopback

        def status():
            return requests.get(f"{url}{DATA}/limits", timeout=10).status_code

        assert status() == 401
        switch(folder, down=True)
        with pytest.raises(requests.ConnectionError):
            status()
        switch(folder, down=False, latency_seconds=0.01)
        assert status() == 401
        with pytest.raises(SalesforceError, match="refused"):
            switch(folder, dwon=True)
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert not (folder / "endpoint.json").exists()


def test_the_faults_can_be_read_and_set_as_json(org):
    script = requests.get(f"{org.url}/stand-in/faults", timeout=10).json()
    assert (script["down"], script["requests"], script["rows"]) == (False, [], [])
    switch(org.folder, rows=[{"code": "UNABLE_TO_LOCK_ROW", "leads": [LEADS[0]]}], jobs=[{"kind": "fail", "rows": 1}])
    said = Plain(org).finish(f"Id,V4_Score__c\n{LEADS[0]},1\n{LEADS[1]},1\n")
    assert (said["state"], said["numberRecordsProcessed"], said["numberRecordsFailed"]) == ("Failed", 1, 1)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "localhost", "::", "example.com"])
def test_it_binds_to_loopback_only(folder, host):
    with pytest.raises(SalesforceSetupError, match="serves this machine only"):
        StandInOrg(folder, host=host)


def test_a_page_of_another_site_that_points_here_is_refused(org):
    answer = requests.get(f"{org.url}/stand-in/faults", headers={"Host": "evil.example"}, timeout=10)
    assert answer.status_code == 403


def test_the_private_key_is_its_owner_s_alone(org, tmp_path):
    made = Login(tmp_path / "fresh.pem").key_file
    assert made.stat().st_mode & 0o777 == 0o600


def test_a_lead_that_cannot_be_is_not_seeded(org):
    for wrong in (SeedLead("nobody"), SeedLead(LEADS[0], {"V4_Skore__c": 1.0})):
        with pytest.raises(SalesforceSetupError, match="is no lead of this org"):
            org.seed([wrong])


def test_the_endpoint_names_no_secret(org):
    said = (org.folder / "endpoint.json").read_text(encoding="utf-8")
    assert set(json.loads(said)) == {"pid", "url", "sandbox"}
