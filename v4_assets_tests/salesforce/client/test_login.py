"""Logging in works both ways and only at a host of Salesforce; a refusal says why; a token that expires is renewed."""

import traceback
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr, ValidationError

from salesforce_stand_in.login import ORG_ID
from v4_assets.config.salesforce import SalesforceTarget
from v4_assets.errors import SalesforceSetupError
from v4_assets.project_files import PROJECT
from v4_assets.salesforce.client.auth import CURES
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets_tests.fixtures.client_jobs import LEADS, finished
from v4_assets_tests.fixtures.hidden_secrets import assert_hidden, failure


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
