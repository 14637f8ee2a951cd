"""The environment and rollout.yaml, read once into frozen settings. The only reader of os.environ.

Where things are comes from the environment (V4_HOME, V4_WAREHOUSE, V4_NOW, …: see .env.example); what is rolled out and
by which numbers comes from rollout.yaml (rollout.py).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FilePath, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from v4_assets.clock import Clock, parse_instant
from v4_assets.config.problems import Form
from v4_assets.config.rollout import Rollout, read_rollout
from v4_assets.config.rollout_policy import Frozen
from v4_assets.config.salesforce import TARGET_VARIABLES, SalesforceTarget, from_environment, refuse_password_login
from v4_assets.config.variables import PREFIX, FromEnvironment, verify_names
from v4_assets.errors import SettingsError
from v4_assets.project_files import IS_CLONE, PROJECT

DEMO_CLOCK = "demo-clock"
STAND_IN_ORG = "org"
NOT_IN_A_HOME = "%?#"
"""Signs that have a meaning of their own in the addresses of Dagster's SQLite files."""
WEBHOOK = Form(
    r"^https://[^\s/]+/\S+$|^http://(127\.0\.0\.1|localhost)(:\d+)?/\S*$",
    "an https address like https://hooks.slack.com/services/T0/B0/KEY",
)
ACCOUNT = Form(
    r"^[^@\s]+@[^@\s]+\.gserviceaccount\.com$", "a service account like NAME@PROJECT.iam.gserviceaccount.com"
)
DEFAULT_HOME = PROJECT / ".v4" if IS_CLONE else Path("~/.v4")
"""V4_HOME where it is not set. Tests replace it."""


class BigQueryTarget(FromEnvironment):
    """Where BigQuery is, and as whom it is asked: the client's own defaults (ADC) unless a key file is named."""

    model_config = SettingsConfigDict(env_prefix="V4_BIGQUERY_")

    project: str
    """The project queries are run and billed in; needed with V4_WAREHOUSE=bigquery."""
    location: str = "US"
    """Where the datasets are: US, EU, or a region."""
    maximum_bytes_billed: Annotated[int, Field(gt=0)] = 50 * 2**30
    """Limit of one query, in bytes; the service refuses a larger one before it costs anything."""
    key_file: FilePath | None = None
    """JSON key of a service account."""
    impersonate: Annotated[str, ACCOUNT] | None = None
    """The service account in whose name everything is done."""
    endpoint: Annotated[str, Form(r"^https?://[^\s/]+\S*$", "an http address like http://127.0.0.1:9050")] | None = None
    """REST address of an emulator; None is Google's."""
    storage_endpoint: Annotated[str, Form(r"^[^\s/:]+:\d+$", "HOST:PORT like 127.0.0.1:9060")] | None = None
    """host:port of an emulator's Storage API; None is Google's, or REST where `endpoint` is an emulator."""

    @model_validator(mode="after")
    def _no_credentials_for_an_emulator(self) -> "BigQueryTarget":
        if self.endpoint and (self.key_file or self.impersonate):
            raise ValueError(
                "V4_BIGQUERY_ENDPOINT is an emulator, which is asked without credentials: unset "
                "V4_BIGQUERY_KEY_FILE and V4_BIGQUERY_IMPERSONATE, or the endpoint"
            )
        return self


class Places(Frozen):
    """Files that runs write beside the warehouse, under V4_HOME."""

    reports: Path
    archive: Path
    """Bundles of versions that were sunset."""
    registry: Path
    """The registry status derived from the events, for other programs to read."""


def _full_path(path: Path) -> Path:
    try:
        return path.expanduser().resolve()
    except RuntimeError as error:
        raise ValueError(f"{path} names no user known here, write the path in full") from error


def _home(path: Path) -> Path:
    home = _full_path(path)
    if odd := [sign for sign in NOT_IN_A_HOME if sign in str(home)]:
        raise ValueError(f"{path} must not contain {' or '.join(odd)}, which Dagster's SQLite files cannot have")
    return home


FullPath = Annotated[Path, AfterValidator(_full_path)]


class Variables(FromEnvironment):
    """What the environment says, without BigQuery's and Salesforce's own variables."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    home: Annotated[Path, AfterValidator(_home)] = Field(default_factory=lambda: DEFAULT_HOME)
    """Where everything a run makes is kept: warehouse, Dagster instance, registered models. A wheel installed without
    the clone keeps it in `~/.v4`. The path must not contain `%`, `?` or `#`."""
    models: FullPath = PROJECT / "models"
    """The shipped bundles and their catalogue; never written at run time."""
    warehouse: Literal["duckdb", "bigquery"] = "duckdb"
    """Where tables are: the embedded file under V4_HOME, or BigQuery."""
    warehouse_lock_seconds: Annotated[float, Field(ge=0)] = 120
    """How long to wait for another process that uses the embedded warehouse, in seconds."""
    warehouse_memory: Annotated[str, Form(r"^\d+(MB|GB)$", "a size like 500MB or 1GB")] = "1GB"
    """What the embedded warehouse may hold in memory before it writes to disk."""
    salesforce: Literal["dry-run", "local", "salesforce"] = "dry-run"
    """What shows the scores: nothing, the stand-in org, or a Salesforce org."""
    now: str | None = None
    """A fixed clock, New York time, like 2026-01-12T06:30, to replay a past morning. Never set it in production."""
    schedule: bool = False
    """Whether Dagster starts the daily job at `daily_run.at` of rollout.yaml."""
    sensors: bool = False
    """Whether the rollout's sensors run as soon as Dagster does."""
    slack_webhook: Annotated[SecretStr, WEBHOOK] | None = None
    """Where alerts are posted beside the log. Without https only on this machine."""
    dagster_yaml: FullPath = PROJECT / "deploy" / "dagster.local.yaml"
    """What a new Dagster instance under V4_HOME is made of."""
    step_summary: Path | None = Field(default=None, validation_alias="GITHUB_STEP_SUMMARY")
    """The page of a GitHub Actions step, to which `v4 ci` appends."""
    rollout_file: Path = Field(default=PROJECT / "rollout.yaml", validation_alias="V4_ROLLOUT")
    """What is rolled out, and by which numbers."""


class Settings(Variables):
    """All that is configured."""

    bigquery: BigQueryTarget | None
    salesforce_target: SalesforceTarget | None
    """The Salesforce org; None for the other two."""
    rollout: Rollout

    @property
    def clock(self) -> Clock:
        """Real, or fixed at V4_NOW."""
        return Clock(parse_instant(self.now) if self.now else None)

    @property
    def duckdb_file(self) -> Path:
        """The embedded warehouse."""
        return self.home / "warehouse.duckdb"

    @property
    def registered_models(self) -> Path:
        """Where training and `v4 register` write bundles."""
        return self.home / "models"

    @property
    def places(self) -> Places:
        """Where reports, archive and the exported registry are."""
        return Places(
            reports=self.home / "reports", archive=self.home / "archive", registry=self.home / "registry.json"
        )

    @property
    def stand_in_org(self) -> Path:
        """What the stand-in Salesforce org keeps."""
        return self.home / STAND_IN_ORG

    @property
    def dagster_home(self) -> Path:
        """Runs, events and schedules of the Dagster instance."""
        return self.home / "dagster"

    @property
    def demo_clock_file(self) -> Path:
        """The instant at which a finished demo stopped its clock; in its V4_HOME time stands still there."""
        return self.home / DEMO_CLOCK


KNOWN = (*Variables.variables(), *BigQueryTarget.variables(), *TARGET_VARIABLES)
"""Every variable that is read."""


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and from rollout.yaml (V4_ROLLOUT). Raises SettingsError naming what is wrong."""
    env = os.environ if env is None else env
    refuse_password_login(env)
    verify_names(env, KNOWN)
    given = Variables.given_by(env)
    found = Variables.validated(given)
    if "salesforce" not in found.model_fields_set:
        given["salesforce"] = _demo_org(found.home)
    if not found.now:
        given["now"] = _demo_clock(found.home)
    settings = Settings.validated(
        given
        | {
            "bigquery": BigQueryTarget.of(env) if env.get("V4_BIGQUERY_PROJECT") else None,
            "salesforce_target": from_environment(env) if found.salesforce == "salesforce" else None,
            "rollout": read_rollout(found.rollout_file),
        }
    )
    if "models" in found.model_fields_set and not settings.models.is_dir():
        raise SettingsError(f"V4_MODELS is {settings.models}, which is no folder. Correct it, or unset it.")
    if settings.warehouse == "bigquery" and settings.bigquery is None:
        raise SettingsError(
            "V4_WAREHOUSE is bigquery, but V4_BIGQUERY_PROJECT is not set. Set it to the project to query in."
        )
    if settings.now:
        _verify_clock(settings.now, None if found.now else settings.demo_clock_file)
    return settings


def load_existing() -> Settings:
    """Settings for a command that only reads. Raises SettingsError where V4_HOME names a folder that is not there."""
    settings = load()
    if settings.home.exists() and not settings.home.is_dir():
        raise SettingsError(f"V4_HOME is {settings.home}, which is a file. Set it to a folder.")
    if "home" in settings.model_fields_set and not settings.home.is_dir():
        raise SettingsError(
            f"V4_HOME is {settings.home}, which does not exist. Correct V4_HOME, or make a home there with `v4 init`."
        )
    return settings


def with_environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes: what a child process is started with."""
    return {**os.environ, **changes}


def _verify_clock(now: str, file: Path | None) -> None:
    """Raise SettingsError for a clock that is no instant, or whose day is still to come and has no partition.

    `file` is where it was read from; None for V4_NOW.
    """
    where, do = (f"{file}", f"remove {file}") if file else ("V4_NOW", "unset V4_NOW")
    try:
        fixed = Clock(parse_instant(now)).today()
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
    if fixed > Clock().today():
        raise SettingsError(
            f"{where}: {now!r} is in the future, it is {Clock().today()} in New York. A fixed clock replays past days: "
            f"give one, or {do}."
        )


def _demo_clock(home: Path) -> str | None:
    """The instant in a demo's file; None where there is none. Raises SettingsError for an empty file."""
    file = home / DEMO_CLOCK
    if not file.is_file():
        return None
    found = file.read_text(encoding="utf-8", errors="replace").strip()
    if not found:
        raise SettingsError(f"{file} is empty: it says at which instant the demo ended. Remove it for the real time.")
    return found


def _demo_org(home: Path) -> str:
    """Default target: the stand-in org after a demo, otherwise a dry run."""
    return "local" if (home / DEMO_CLOCK).is_file() and (home / STAND_IN_ORG).is_dir() else "dry-run"
