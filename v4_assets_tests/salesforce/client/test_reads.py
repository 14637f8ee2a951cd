"""Leads are read page by page; the fields and the org's identity are reported as our user sees them."""

import pytest

from salesforce_stand_in import V4, OrgField, SeedLead
from salesforce_stand_in.login import ORG_ID
from v4_assets.errors import SalesforceError, SalesforceSetupError
from v4_assets.salesforce.client.org import LeadField, OrgIdentity
from v4_assets_tests.fixtures.client_jobs import LEADS, finished


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
