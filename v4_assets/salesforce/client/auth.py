"""Logging in to Salesforce: JWT bearer or client credentials."""

import json
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from v4_assets.clock import Clock
from v4_assets.config.salesforce import SalesforceTarget
from v4_assets.errors import SalesforceSetupError
from v4_assets.salesforce.client.errors import scrub
from v4_assets.salesforce.client.http import LoginSession, Patience

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 180
"""Salesforce takes an assertion that ends within three minutes."""
CURES = {
    "user hasn't approved this consumer": (
        "pre-authorize the permission set in the app's policies and assign it to the user; if that is done, the "
        "audience is wrong: set V4_SALESFORCE_AUDIENCE to https://login.salesforce.com, or in a sandbox to "
        "https://test.salesforce.com"
    ),
    "audience is invalid": "set V4_SALESFORCE_AUDIENCE to the org's login host",
    "invalid assertion": (
        "the key file does not belong to the app's certificate, the user name is of another org, or this machine's "
        "clock is off by minutes"
    ),
    "invalid_client_id": "V4_SALESFORCE_CONSUMER_KEY is of another app or org; a new app takes ten minutes to work",
    "client identifier invalid": "V4_SALESFORCE_CONSUMER_KEY is of another app or org",
    "invalid_client": "V4_SALESFORCE_CONSUMER_SECRET is not the app's, or client credentials are not enabled",
    "no client credentials user enabled": "choose the integration user as Run As in the app's policies",
    "request not supported on this domain": "client credentials need the My Domain: unset V4_SALESFORCE_LOGIN_HOST",
    "ip restricted": "allow this machine's address in the app's IP relaxation or the user's profile",
    "inactive user": "activate the integration user",
    "user is not admin approved": "assign the permission set that the app's policies name to the user",
    "invalid_app_access": "assign the permission set that the app's policies name to the user",
    "org is locked": "ask Salesforce's support: the org is locked",
    "unsupported_grant_type": "enable the flow of V4_SALESFORCE_AUTH in the app",
}
"""What Salesforce answers to a login, in lower case, and how it is mended; docs/salesforce.md has the same table."""


class Login:
    """Fetches access tokens for the configured user."""

    def __init__(self, target: SalesforceTarget, patience: Patience) -> None:
        self._target = target
        self._session = LoginSession(target, patience)

    def token(self) -> tuple[str, str]:
        """A fresh access token and the host that takes it. Raises SalesforceSetupError where the login is refused."""
        target = self._target
        form, headers = _assertion(target) if target.auth == "jwt" else _credentials(target)
        response = self._session.post(f"https://{target.token_host}/services/oauth2/token", data=form, headers=headers)
        if 300 <= response.status_code < 400:
            raise SalesforceSetupError(
                f"{target.token_host} redirects the login to {_host(response)}. Set V4_SALESFORCE_DOMAIN, or "
                "V4_SALESFORCE_LOGIN_HOST, to the host it names; a login is never sent on by itself."
            )
        given = _object(response)
        token, instance = given.get("access_token"), given.get("instance_url")
        if response.status_code == requests.codes.ok and token and instance:
            return token, urlsplit(instance).netloc
        raise SalesforceSetupError(self._refused(response.status_code, given))

    def _refused(self, status: int, given: dict[str, str]) -> str:
        target = self._target
        code, text = given.get("error", f"status {status}"), given.get("error_description", "no reason given")
        answer = f"{code}: {text}"
        cures = (cure for known, cure in CURES.items() if known in answer.lower())
        cure = next(cures, "check the V4_SALESFORCE_ variables")
        return (
            f"Salesforce at {target.token_host} refused the login of {target.username or 'the app'} by {target.auth}: "
            f"{scrub(answer, target.secrets)}. {cure[0].upper()}{cure[1:]} "
            "(docs/salesforce.md)."
        )


def _assertion(target: SalesforceTarget) -> tuple[dict[str, str], dict[str, str]]:
    """Form and headers of a login by JWT bearer."""
    claims = {
        "iss": _open(target.consumer_key),
        "sub": target.username,
        "aud": target.token_audience,
        "exp": int(Clock().now().timestamp()) + ASSERTION_SECONDS,
    }
    return {"grant_type": JWT_BEARER, "assertion": jwt.encode(claims, _key(target.private_key_file), "RS256")}, {}


def _credentials(target: SalesforceTarget) -> tuple[dict[str, str], dict[str, str]]:
    """Form and headers of a login by client credentials."""
    given = f"{_open(target.consumer_key)}:{_open(target.consumer_secret)}"
    return {"grant_type": "client_credentials"}, {"Authorization": f"Basic {b64encode(given.encode()).decode()}"}


def _key(file: Path | None) -> RSAPrivateKey:
    """The key to sign with. Raises SalesforceSetupError without one. The reader's own message may hold the key."""
    assert file is not None
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise SalesforceSetupError(
            f"V4_SALESFORCE_PRIVATE_KEY_FILE is {file}, which cannot be read: {error.strerror}."
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise SalesforceSetupError(
            f"V4_SALESFORCE_PRIVATE_KEY_FILE is {file}, which is no RSA private key in PEM without a passphrase. "
            "docs/salesforce.md tells how to make one."
        ) from None
    return key


def _host(response: requests.Response) -> str:
    location = response.headers.get("Location", "")
    return urlsplit(location).hostname or "an address it does not name"


def _object(response: requests.Response) -> dict[str, str]:
    try:
        found = json.loads(response.content)
    except ValueError:
        return {}
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _open(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()
