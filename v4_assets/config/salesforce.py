"""Which Salesforce org is written to and how we log in, from the environment's V4_SALESFORCE_… variables.

Secrets are SecretStr, and an error names the variable and never its value.
"""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from v4_assets.config.problems import Form
from v4_assets.config.variables import FromEnvironment
from v4_assets.errors import SettingsError

PREFIX = "V4_SALESFORCE_"
Auth = Literal["jwt", "client-credentials"]
LOOPBACK = f"{PREFIX}LOOPBACK"
HOST = r"^([a-z0-9-]+\.)+(salesforce|force|cloudforce)\.(com|mil)$"
"""Hosts of Salesforce, those of its government clouds included: no token request goes anywhere else."""
AUDIENCE = Form(rf"^https://{HOST[1:]}", "a Salesforce address like https://login.salesforce.com")
RETIRED = ("V4_SALESFORCE_PASSWORD", "V4_SALESFORCE_SECURITY_TOKEN")
"""Variables of the login by user name and password, which Salesforce ended."""
_NEEDED: dict[Auth, tuple[str, ...]] = {
    "jwt": ("username", "consumer_key", "private_key_file"),
    "client-credentials": ("consumer_key", "consumer_secret"),
}


class SalesforceTarget(FromEnvironment):
    """A Salesforce org, and the user we are there."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)
    values_shown: ClassVar[bool] = False

    domain: Annotated[
        str,
        Form(
            r"^[a-z0-9-]+(\.(sandbox|develop|scratch|trailblaze|demo|trial|patch))?\.my$",
            "the My Domain without .salesforce.com, like mydomain.my or mydomain--sbx.sandbox.my",
        ),
    ]
    """My Domain without .salesforce.com: mydomain.my, mydomain--sbx.sandbox.my, mydomain-dev-ed.develop.my."""
    login_host: Annotated[str, Form(HOST, "a Salesforce host like login.salesforce.com")] | None = None
    """Host that hands out tokens, such as login.salesforce.com; unset: the My Domain's."""
    audience: Annotated[str, AUDIENCE] | None = None
    """Audience of the JWT: https://login.salesforce.com, https://test.salesforce.com in a sandbox, or a government
    host; unset: the login host."""
    org_id: Annotated[str, Form(r"^00D[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$", "00D and 12 or 15 more letters or digits")]
    """From Setup, Company Information; compared with what the org says of itself before anything is written."""
    sandbox: bool
    """Whether it is a sandbox; compared, too."""
    auth: Auth = "jwt"
    """How we log in."""
    username: str | None = None
    """Of the integration user, for jwt."""
    consumer_key: SecretStr | None = None
    """Of the External Client App, for jwt and client-credentials."""
    private_key_file: Path | None = None
    """The private key whose certificate the app knows, for jwt."""
    consumer_secret: SecretStr | None = None
    """For client-credentials."""
    api_version: Annotated[str, Form(r"^\d{2}\.0$", "a version like 66.0")] = "66.0"
    """Of Salesforce's APIs."""
    request_floor: Annotated[int, Field(ge=0)] = 1000
    """Stop when fewer than this many daily API requests remain."""
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
    def token_host(self) -> str:
        """The host that hands out tokens."""
        return self.login_host or f"{self.domain}.salesforce.com"

    @property
    def token_audience(self) -> str:
        """The audience of the JWT."""
        return self.audience or f"https://{self.token_host}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may contain."""
        given = (self.consumer_key, self.consumer_secret)
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
    given = SalesforceTarget.given_by({name: value for name, value in env.items() if name != LOOPBACK})
    try:
        return SalesforceTarget(**given)
    except ValidationError as error:
        raise SettingsError(
            f"V4_SALESFORCE is salesforce, but its settings cannot be used. {SalesforceTarget.problems(error)}"
        ) from error


TARGET_VARIABLES = tuple(name for name in SalesforceTarget.variables() if name != LOOPBACK)
"""What the environment may say of the org. The stand-in org is found by its folder."""


def refuse_password_login(env: Mapping[str, str]) -> None:
    """Raises SettingsError where a variable asks for the login by user name and password."""
    found = [name for name in RETIRED if env.get(name)]
    if env.get(f"{PREFIX}AUTH") == "password":
        found.insert(0, f"{PREFIX}AUTH=password")
    if found:
        raise SettingsError(
            f"{', '.join(found)} cannot be used: Salesforce ends the login by password. Unset it and "
            f"set {PREFIX}AUTH to jwt or client-credentials (docs/salesforce.md)."
        )


_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def is_record_id(text: str) -> bool:
    """Whether it has the form of an id; not whether there is such a record."""
    return _ID.fullmatch(text) is not None


def to_18(record_id: str) -> str:
    """The id in 18 characters. What is not an id of 15 characters stays as it is."""
    if len(record_id) != 15 or not is_record_id(record_id):
        return record_id
    fives = (record_id[start : start + 5] for start in (0, 5, 10))
    return record_id + "".join(
        _SUFFIX[sum(1 << at for at, sign in enumerate(five) if sign.isupper())] for five in fives
    )
