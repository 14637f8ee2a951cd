"""A token is given for a verified assertion only, with the address to use it at; without one nothing is answered."""

import time

import jwt
import pytest
import requests

from salesforce_stand_in.login import DOMAIN, JWT_BEARER, ORG_ID, USER_ID, USERNAME, Login
from v4_assets_tests.fixtures.plain_requests import DATA


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
