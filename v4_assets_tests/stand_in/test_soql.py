"""A SOQL query finds the leads that Salesforce would find, page by page, and one that is not understood is refused."""

import pytest

from salesforce_stand_in import V4, OrgField, SeedLead
from salesforce_stand_in.soql import SoqlError, parse
from v4_assets_tests.fixtures.plain_requests import DATA, LEADS


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
