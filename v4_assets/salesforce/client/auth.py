"""Logging in to Salesforce: JWT bearer or client credentials."""

import warnings
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin

from v4_assets.config.salesforce import SalesforceTarget
from v4_assets.errors import SalesforceSetupError
from v4_assets.salesforce.client.errors import scrub
from v4_assets.salesforce.client.http import LoginSession, Patience


class Login:
    """Fetches access tokens for the configured user."""

    def __init__(self, target: SalesforceTarget, patience: Patience) -> None:
        self._target = target
        self._session = LoginSession(target, patience)

    def token(self) -> tuple[str, str]:
        """A fresh access token and the host that takes it. Raises SalesforceSetupError where the login is refused."""
        if self._target.auth == "jwt" and self._target.private_key_file is not None:
            _verify_key(self._target.private_key_file)
        try:
            with warnings.catch_warnings():  # the library's warning of an app nobody approved holds the consumer key
                warnings.simplefilter("ignore")
                token, host = SalesforceLogin(session=self._session, domain=self._target.domain, **_given(self._target))
                return token, host
        except SalesforceAuthenticationFailed as error:
            failure = f"{error.code}: {error.auth_message}"
        raise SalesforceSetupError(
            f"Salesforce at {self._target.domain} does not let {self._target.username or 'the app'} in by "
            f"{self._target.auth}: {scrub(failure, self._target.secrets)}. Check the V4_SALESFORCE_… variables and the "
            "app's policies (docs/salesforce.md)."
        )


def _given(target: SalesforceTarget) -> dict[str, Any]:
    """What simple-salesforce tells the two ways apart by."""
    if target.auth == "jwt":
        return {
            "username": target.username,
            "consumer_key": _open(target.consumer_key),
            "privatekey_file": str(target.private_key_file),
        }
    return {"consumer_key": _open(target.consumer_key), "consumer_secret": _open(target.consumer_secret)}


def _verify_key(file: Path) -> None:
    """Raises SalesforceSetupError where the file holds no key to sign with. What its reader says may hold the key."""
    try:
        usable = isinstance(load_pem_private_key(file.read_bytes(), None), RSAPrivateKey)
    except OSError as error:
        raise SalesforceSetupError(
            f"V4_SALESFORCE_PRIVATE_KEY_FILE is {file}, which cannot be read: {error.strerror}."
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        usable = False
    if not usable:
        raise SalesforceSetupError(
            f"V4_SALESFORCE_PRIVATE_KEY_FILE is {file}, which is no RSA private key in PEM without a passphrase. "
            "docs/salesforce.md tells how to make one."
        )


def _open(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
