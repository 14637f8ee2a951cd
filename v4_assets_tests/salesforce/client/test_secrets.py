"""No error, log line or printed object shows a token, a key or a consumer secret."""

import logging

import pytest
from pydantic import SecretStr

from v4_assets import resources
from v4_assets.errors import (
    SalesforceError,
)
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets_tests.fixtures.client_jobs import rows
from v4_assets_tests.fixtures.hidden_secrets import assert_hidden, failure


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
