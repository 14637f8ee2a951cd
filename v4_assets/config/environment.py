"""The environment and rollout.yaml, read once into frozen settings. The only reader of os.environ.

Where things are comes from the environment (V4_HOME, V4_WAREHOUSE, V4_NOW, …: see .env.example); what is rolled out and
by which numbers comes from rollout.yaml (rollout.py).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FilePath, SecretStr, ValidationError, model_validator

from v4_assets.clock import Clock, parse_instant
from v4_assets.config.rollout import Rollout, explain, read_rollout
from v4_assets.config.rollout_policy import Frozen
from v4_assets.config.salesforce import SalesforceTarget, from_environment
from v4_assets.errors import SettingsError
from v4_assets.project import IS_CLONE, PROJECT

DEMO_CLOCK = "demo-clock"
STAND_IN_ORG = "org"
DEFAULT_HOME = PROJECT / ".v4" if IS_CLONE else Path("~/.v4")
"""V4_HOME where it is not set. Tests replace it."""


class BigQueryTarget(Frozen):
    """Where BigQuery is, and as whom it is asked: the client's own defaults (ADC) unless a key file is named."""

    project: str
    """The project queries are run and billed in; needed with V4_WAREHOUSE=bigquery."""
    location: str
    """Where the datasets are: US, EU, or a region."""
    maximum_bytes_billed: Annotated[int, Field(gt=0)]
    """Limit of one query, in bytes; the service refuses a larger one before it costs anything."""
    key_file: FilePath | None = None
    """JSON key of a service account."""
    impersonate: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.gserviceaccount\.com$")] | None = None
    """The service account in whose name everything is done."""
    endpoint: str | None = None
    """REST address of an emulator; None is Google's."""
    storage_endpoint: str | None = None
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


class Settings(Frozen):
    """All that is configured."""

    home: Path
    """Where everything a run makes is kept: warehouse, Dagster instance, registered models. A wheel installed without
    the clone keeps it in `~/.v4`."""
    models: Path
    """The shipped bundles and their catalogue; never written at run time."""
    warehouse: Literal["duckdb", "bigquery"]
    """Where tables are: the embedded file under V4_HOME, or BigQuery."""
    warehouse_lock_seconds: Annotated[float, Field(ge=0)]
    """How long to wait for another process that uses the embedded warehouse, in seconds."""
    warehouse_memory: Annotated[str, Field(pattern=r"^\d+(MB|GB)$")]
    """What the embedded warehouse may hold in memory before it writes to disk."""
    bigquery: BigQueryTarget | None
    salesforce: Literal["dry-run", "local", "salesforce"]
    """What shows the scores: nothing, the stand-in org, or a Salesforce org."""
    salesforce_target: SalesforceTarget | None
    """The Salesforce org; None for the other two."""
    now: str | None
    """A fixed clock, New York time, like 2026-01-12T06:30, to replay a past morning. Never set it in production."""
    schedule: bool
    """Whether Dagster starts the daily job at `daily_run.at` of rollout.yaml."""
    sensors: bool
    """Whether the rollout's sensors run as soon as Dagster does."""
    slack_webhook: SecretStr | None
    """Where alerts are posted beside the log."""
    dagster_yaml: Path
    """What a new Dagster instance under V4_HOME is made of."""
    step_summary: Path | None
    """The page of a GitHub Actions step, to which `v4 ci` appends."""
    rollout: Rollout
    """What is rolled out, and by which numbers."""

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


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and from rollout.yaml (V4_ROLLOUT). Raises SettingsError naming what is wrong."""
    env = os.environ if env is None else env
    home = Path(env.get("V4_HOME") or DEFAULT_HOME).expanduser().resolve()
    try:
        settings = Settings(
            home=home,
            models=Path(env.get("V4_MODELS") or PROJECT / "models").expanduser().resolve(),
            warehouse=env.get("V4_WAREHOUSE") or "duckdb",  # type: ignore[arg-type] # validated
            warehouse_lock_seconds=env.get("V4_WAREHOUSE_LOCK_SECONDS") or "120",  # type: ignore[arg-type] # validated
            warehouse_memory=env.get("V4_WAREHOUSE_MEMORY") or "1GB",
            bigquery=_bigquery(env),
            salesforce=env.get("V4_SALESFORCE") or _demo_org(home),  # type: ignore[arg-type] # validated
            salesforce_target=from_environment(env) if env.get("V4_SALESFORCE") == "salesforce" else None,
            now=env.get("V4_NOW") or _demo_clock(home),
            schedule=env.get("V4_SCHEDULE") or "off",  # type: ignore[arg-type] # validated
            sensors=env.get("V4_SENSORS") or "off",  # type: ignore[arg-type] # validated
            slack_webhook=env.get("V4_SLACK_WEBHOOK") or None,  # type: ignore[arg-type] # validated
            dagster_yaml=Path(env.get("V4_DAGSTER_YAML") or PROJECT / "deploy" / "dagster.local.yaml")
            .expanduser()
            .resolve(),
            step_summary=env.get("GITHUB_STEP_SUMMARY") or None,  # type: ignore[arg-type] # validated
            rollout=read_rollout(Path(env.get("V4_ROLLOUT") or PROJECT / "rollout.yaml")),
        )
    except ValidationError as error:
        raise SettingsError(explain("The environment", error, "V4_")) from error
    if settings.warehouse == "bigquery" and settings.bigquery is None:
        raise SettingsError(
            "V4_WAREHOUSE is bigquery, but V4_BIGQUERY_PROJECT is not set. Set it to the project to query in."
        )
    if settings.now:
        try:
            parse_instant(settings.now)
        except SettingsError as error:
            raise SettingsError(f"V4_NOW: {error}") from error
    return settings


def with_environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes: what a child process is started with."""
    return {**os.environ, **changes}


def _demo_clock(home: Path) -> str | None:
    file = home / DEMO_CLOCK
    return file.read_text(encoding="utf-8").strip() if file.is_file() else None


def _demo_org(home: Path) -> str:
    """Where scores go unless somebody says: into the stand-in org of a finished demo, otherwise nowhere."""
    return "local" if (home / DEMO_CLOCK).is_file() and (home / STAND_IN_ORG).is_dir() else "dry-run"


def _bigquery(env: Mapping[str, str]) -> BigQueryTarget | None:
    if not env.get("V4_BIGQUERY_PROJECT"):
        return None
    try:
        return _bigquery_target(env)
    except ValidationError as error:
        raise SettingsError(explain("The environment", error, "V4_BIGQUERY_")) from error


def _bigquery_target(env: Mapping[str, str]) -> BigQueryTarget:
    return BigQueryTarget(
        project=env["V4_BIGQUERY_PROJECT"],
        location=env.get("V4_BIGQUERY_LOCATION", "US"),
        maximum_bytes_billed=env.get("V4_BIGQUERY_MAXIMUM_BYTES_BILLED", str(50 * 2**30)),  # type: ignore[arg-type] # validated
        key_file=env.get("V4_BIGQUERY_KEY_FILE") or None,  # type: ignore[arg-type] # validated
        impersonate=env.get("V4_BIGQUERY_IMPERSONATE") or None,
        endpoint=env.get("V4_BIGQUERY_ENDPOINT") or None,
        storage_endpoint=env.get("V4_BIGQUERY_STORAGE_ENDPOINT") or None,
    )
