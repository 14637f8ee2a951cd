"""Nothing is read from or written to another org than the one in the settings."""

import pytest
from pydantic import SecretStr

from salesforce_stand_in.login import ORG_ID
from v4_assets.errors import SalesforceSetupError
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets.salesforce.client.http import LoopbackAdapter
from v4_assets_tests.fixtures.client_jobs import rows

WRITES = ("create", "upload", "close", "abort")


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
