"""As whom BigQuery is asked: defaults, a key file, another account's name. Tokens come from a stand-in for Google."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import dagster as dg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from v4_assets.config.environment import load
from v4_assets.errors import SettingsError, WarehouseError
from v4_assets.resources import warehouse
from v4_assets.warehouse.bigquery.connection import SCOPES, Access, client, credentials
from v4_assets.warehouse.bigquery.errors import explained
from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY_OWNER, SCORING = "desk@firm.iam.gserviceaccount.com", "v4-scoring@firm.iam.gserviceaccount.com"
TOKEN_URI = "https://oauth2.googleapis.com/token"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    content = {"type": "service_account", "client_email": KEY_OWNER, "private_key": pem, "token_uri": TOKEN_URI}
    content |= {"private_key_id": "1", "project_id": "firm"}
    path = tmp_path / "key.json"
    path.write_text(json.dumps(content))
    return path


@dataclass
class Google:
    """Answers requests for tokens as google.auth sends them, and keeps what was asked."""

    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)

    def __call__(self, url: str, method: str, body: bytes, headers: dict[str, str], **_: Any) -> SimpleNamespace:
        if url == TOKEN_URI:
            said = {name: value for name, [value] in parse_qs(body.decode()).items()}
            answer = {"access_token": "own", "expires_in": 3600}
        else:
            said = json.loads(body)
            until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            answer = {"accessToken": "borrowed", "expireTime": until}
        self.asked.append((url, said, headers))
        return SimpleNamespace(status=200, data=json.dumps(answer).encode(), headers={})


def access(**how: Any) -> Access:
    return Access("firm", "EU", **how)


def assert_signed_by_the_key(said: dict[str, Any], scope: str = SCOPES[0]) -> None:
    claims = jwt.decode(said["assertion"], KEY.public_key(), algorithms=["RS256"], audience=TOKEN_URI)
    assert (claims["iss"], claims["scope"]) == (KEY_OWNER, scope)


def test_a_key_file_signs_for_its_account(key_file):
    google, found = Google(), credentials(access(key_file=str(key_file)))
    found.refresh(google)
    [(url, said, _)] = google.asked
    assert (url, found.token) == (TOKEN_URI, "own")
    assert_signed_by_the_key(said)


def test_the_defaults_count_where_no_key_file_is_named(key_file, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    google, found = Google(), credentials(access())
    found.refresh(google)
    assert_signed_by_the_key(google.asked[0][1])


def test_another_accounts_name_is_asked_for_with_ones_own_token(key_file):
    google, found = Google(), credentials(access(key_file=str(key_file), impersonate=SCORING))
    found.refresh(google)
    (_, own, _), (url, said, headers) = google.asked
    assert_signed_by_the_key(own, "https://www.googleapis.com/auth/iam")
    assert url.endswith(f"/serviceAccounts/{SCORING}:generateAccessToken")
    assert (headers["authorization"], said["scope"]) == ("Bearer own", list(SCOPES))
    assert found.token == "borrowed"


def test_an_emulator_is_asked_without_credentials():
    assert isinstance(credentials(access(endpoint="http://127.0.0.1:1")), AnonymousCredentials)


def test_the_client_works_in_the_configured_project_and_location(key_file):
    found = client(access(key_file=str(key_file)))
    assert (found.project, found.location, found._credentials.service_account_email) == ("firm", "EU", KEY_OWNER)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("no json", "Expecting value", id="no-json"),
        pytest.param('{"type": "authorized_user"}', "missing fields", id="another-kind"),
        pytest.param(None, "No such file", id="gone"),
    ],
)
def test_a_key_file_that_is_none_is_named_with_what_is_expected(tmp_path, content, said):
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(WarehouseError, match=rf"V4_BIGQUERY_KEY_FILE=.*key\.json cannot be used: .*{said}.* JSON key"):
        credentials(access(key_file=str(path)))


@pytest.mark.parametrize(
    "error",
    [
        DefaultCredentialsError("Your default credentials were not found."),
        RefreshError("Unable to acquire impersonated credentials", "Permission iam.serviceAccounts.getAccessToken"),
    ],
    ids=["none", "may-not-impersonate"],
)
def test_without_credentials_the_ways_to_them_are_named(error):
    ways = r"application-default login`.* V4_BIGQUERY_KEY_FILE.* roles/iam\.serviceAccountTokenCreator"
    with pytest.raises(WarehouseError, match=rf"^leads has no credentials for BigQuery: .*{ways}"), explained("leads"):
        raise error


# --- settings ------------------------------------------------------------------------------------------------------


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"V4_HOME": str(tmp_path), "V4_WAREHOUSE": "bigquery", "V4_BIGQUERY_PROJECT": "firm", **more}


def test_the_settings_reach_the_resource_and_its_page_shows_no_key(tmp_path, key_file):
    env = environment(tmp_path, V4_BIGQUERY_KEY_FILE=str(key_file), V4_BIGQUERY_IMPERSONATE=SCORING)
    found = warehouse(load(env))
    assert isinstance(found, BigQueryWarehouse)
    assert (found.key_file, found.impersonate) == (str(key_file), SCORING)
    assert "PRIVATE KEY" not in repr(found)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        pytest.param(
            {"V4_BIGQUERY_KEY_FILE": "/no/such/key.json"},
            "V4_BIGQUERY_KEY_FILE is '/no/such/key.json', expected a file that exists.",
            id="key",
        ),
        pytest.param(
            {"V4_BIGQUERY_IMPERSONATE": "somebody"},
            "V4_BIGQUERY_IMPERSONATE is 'somebody', expected a service account like NAME@",
            id="no-account",
        ),
        pytest.param(
            {"V4_BIGQUERY_IMPERSONATE": SCORING, "V4_BIGQUERY_ENDPOINT": "http://127.0.0.1:1"},
            "an emulator, which is asked without credentials",
            id="emulator",
        ),
    ],
)
def test_a_mistake_about_credentials_is_reported_when_settings_are_read(tmp_path, env, message):
    with pytest.raises(SettingsError, match=message):
        load(environment(tmp_path, **env))


def test_an_asset_gets_the_warehouse_and_the_client_without_credentials_being_asked_for_before():
    seen = []

    @dg.asset
    def one(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[BigQueryWarehouse]) -> None:
        seen.extend([warehouse, context.resources.warehouse])
        with warehouse.get_client() as google:
            seen.append(google.project)

    place = BigQueryWarehouse(project="firm", endpoint="http://127.0.0.1:1")
    assert dg.materialize([one], resources={"warehouse": place}).success
    assert [type(found) for found in seen[:2]] == [BigQueryWarehouse] * 2
    assert seen[2] == "firm"
