"""Jobs, their CSV files, their results and their refusals are those of Bulk API 2.0."""

import pytest

from salesforce_stand_in import V4, SeedLead
from salesforce_stand_in.fields import RowError, reader
from v4_assets.config.salesforce import to_18
from v4_assets_tests.fixtures.plain_requests import DATA, LEADS


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


def test_a_closed_job_is_done_when_somebody_looks_at_the_leads(org, session):
    job = session.job("".join(["Id,V4_Score__c\n", *(f"{lead},1\n" for lead in LEADS)]))
    assert org.jobs()[0]["state"] == "UploadComplete"
    said = session("GET", f"{DATA}/query/", params={"q": "SELECT Id FROM Lead WHERE V4_Score__c = 1"}).json()
    assert said["totalSize"] == 6
    assert session("GET", f"{DATA}/jobs/ingest/{job}").json()["state"] == "JobComplete"


def test_what_it_does_not_imitate_it_refuses(session):
    for asked in ({"object": "Contact"}, {"operation": "insert"}, {"columnDelimiter": "TAB"}, {"lineEnding": "CR"}):
        answer = session("POST", f"{DATA}/jobs/ingest", json={"object": "Lead", "operation": "update"} | asked)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALIDJOB")
    assert session("POST", f"{DATA}/jobs/ingest", data=b"{").json()[0]["errorCode"] == "JSON_PARSER_ERROR"
    assert session("GET", f"{DATA}/sobjects/Contact/describe").status_code == 404
    assert session("PUT", f"{DATA}/limits").status_code == 404
