"""Which Salesforce org is written to and how we log in, from the environment's V4_SALESFORCE_… variables.

Secrets are SecretStr, and what is wrong is told without showing what was given.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, ValidationError, model_validator

from v4_assets.config.record_ids import to_18
from v4_assets.config.rollout_policy import Frozen
from v4_assets.errors import SettingsError

PREFIX = "V4_SALESFORCE_"
Auth = Literal["jwt", "client-credentials", "password"]
_NEEDED: dict[str, tuple[str, ...]] = {
    "jwt": ("username", "consumer_key", "private_key_file"),
    "client-credentials": ("consumer_key", "consumer_secret"),
    "password": ("username", "password", "security_token"),
}


class SalesforceTarget(Frozen):
    """A Salesforce org, and the user we are there."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.sandbox)?\.my$")]
    """My Domain without .salesforce.com: mydomain.my, mydomain--sbx.sandbox.my."""
    org_id: Annotated[str, Field(pattern=r"^00D[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$")]
    """From Setup, Company Information; compared with what the org says of itself before anything is written."""
    sandbox: bool
    """Whether it is a sandbox; compared, too."""
    auth: Auth = "jwt"
    """How we log in; password is a legacy login."""
    username: str | None = None
    """Of the integration user, for jwt and password."""
    consumer_key: SecretStr | None = None
    """Of the External Client App, for jwt and client-credentials."""
    private_key_file: Path | None = None
    """The private key whose certificate the app knows, for jwt."""
    consumer_secret: SecretStr | None = None
    """For client-credentials."""
    password: SecretStr | None = None
    """For password."""
    security_token: SecretStr | None = None
    """For password."""
    api_version: Annotated[str, Field(pattern=r"^\d{2}\.0$")] = "66.0"
    """Of Salesforce's APIs."""
    request_floor: Annotated[int, Field(ge=0)] = 1000
    """So many of the org's daily API requests are left to others."""
    loopback: str | None = None
    """http://127.0.0.1:PORT of a stand-in org that answers in place of Salesforce; never another host."""

    @model_validator(mode="after")
    def _can_log_in(self) -> "SalesforceTarget":
        missing = [PREFIX + name.upper() for name in _NEEDED[self.auth] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{PREFIX}AUTH is {self.auth}, which needs {', '.join(missing)}")
        if self.loopback is not None and not is_loopback(self.loopback):
            raise ValueError(f"a stand-in org is reached on this machine only, not at {self.loopback}")
        return self

    @property
    def org_id_18(self) -> str:
        """The org's id in 18 characters."""
        return to_18(self.org_id)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may contain."""
        given = (self.consumer_key, self.consumer_secret, self.password, self.security_token)
        return tuple(secret.get_secret_value() for secret in given if secret is not None)


def is_loopback(url: str) -> bool:
    """Whether a http address is an address of this very machine. Names are not resolved: only 127.… and [::1] are."""
    parts = urlsplit(url)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def from_environment(env: Mapping[str, str]) -> SalesforceTarget:
    """The org the environment names. Raises SettingsError naming the variables that are missing or wrong."""
    names = [name for name in SalesforceTarget.model_fields if name != "loopback"]
    given = {name: env[PREFIX + name.upper()] for name in names if env.get(PREFIX + name.upper())}
    try:
        return SalesforceTarget.model_validate(given)
    except ValidationError as error:
        raise SettingsError(
            f"V4_SALESFORCE is salesforce, but its settings cannot be used. {_problems(error)}"
        ) from error


def _problems(error: ValidationError) -> str:
    return "; ".join(
        ": ".join([*(PREFIX + str(name).upper() for name in item["loc"]), item["msg"].removeprefix("Value error, ")])
        for item in error.errors(include_input=False)
    )
