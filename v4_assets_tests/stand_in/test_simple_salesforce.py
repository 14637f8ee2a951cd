"""An unmodified simple-salesforce logs in, reads, updates by both Bulk APIs and raises what the org refuses."""

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from salesforce_stand_in import V4
from salesforce_stand_in.login import DOMAIN, USERNAME
from v4_assets.salesforce.client.http import LoopbackAdapter
from v4_assets_tests.fixtures.plain_requests import LEADS


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
