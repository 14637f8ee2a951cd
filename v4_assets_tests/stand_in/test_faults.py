"""Request limits, faults and delays strike as often as they were set."""

import time

import requests

from salesforce_stand_in import switch
from v4_assets_tests.fixtures.plain_requests import DATA, LEADS, Plain


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


def test_the_faults_can_be_read_and_set_as_json(org):
    script = requests.get(f"{org.url}/stand-in/faults", timeout=10).json()
    assert (script["down"], script["requests"], script["rows"]) == (False, [], [])
    switch(org.folder, rows=[{"code": "UNABLE_TO_LOCK_ROW", "leads": [LEADS[0]]}], jobs=[{"kind": "fail", "rows": 1}])
    said = Plain(org).finish(f"Id,V4_Score__c\n{LEADS[0]},1\n{LEADS[1]},1\n")
    assert (said["state"], said["numberRecordsProcessed"], said["numberRecordsFailed"]) == ("Failed", 1, 1)
