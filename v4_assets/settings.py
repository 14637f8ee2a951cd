"""The environment and rollout.yaml, read once into frozen settings. The only reader of os.environ.

Where things are comes from the environment (V4_HOME, V4_WAREHOUSE, V4_NOW, …: see .env.example); what is rolled out and
by which numbers comes from rollout.yaml.
"""

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from v4_assets.clock import Clock, parse_instant
from v4_assets.errors import SettingsError
from v4_assets.tables import Catalogue, Datasets, VersionNames

DEMO_CLOCK = "demo-clock"
PROJECT = Path(__file__).resolve().parent.parent

Share = Annotated[float, Field(gt=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HyperParameters(_Frozen):
    """XGBoost's parameters of one version. scale_pos_weight is always negatives / positives of the rows trained on."""

    max_depth: Annotated[int, Field(ge=1)]
    min_child_weight: Annotated[float, Field(ge=0)]
    reg_alpha: Annotated[float, Field(ge=0)]
    reg_lambda: Annotated[float, Field(ge=0)]
    gamma: Annotated[float, Field(ge=0)] = 0.0
    learning_rate: Share
    n_estimators: Annotated[int, Field(ge=1)]
    early_stopping_rounds: Annotated[int, Field(ge=1)]
    subsample: Share
    colsample_bytree: Share


class Version(_Frozen):
    """One model version: the end of its asset names, and what the guide calls its view and table."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    features_view: Annotated[str, Field(pattern=r"^\w+$")]
    scores_table: Annotated[str, Field(pattern=r"^\w+$")]
    train: HyperParameters | None = None
    """None for a version that is registered ready-made."""


class DatasetNames(_Frozen):
    """The datasets of the CRM copy, the advisor data, and the tables this project writes."""

    crm: str
    advisors: str
    features: str


class CheckLimits(_Frozen):
    """Limits of the data checks. Shares are fractions of one."""

    history_days: Annotated[int, Field(ge=1, le=60)]
    row_count_change: Share
    missing_rate_change: Share
    distinct_scores: Annotated[int, Field(ge=2)]
    psi: Annotated[float, Field(gt=0)]
    source_age_days: dict[str, Annotated[int, Field(ge=1)]]
    """Source to the greatest age of its newest entry, in days."""


class PreDeployment(_Frozen):
    """Limits of the guide's pre-deployment checklist."""

    test_lift_above: Annotated[float, Field(gt=0)]
    auc_gap_at_most: Share
    additivity_tolerance: Annotated[float, Field(gt=0)]


class Training(_Frozen):
    """The training period [train_from, test_from) and the test period [test_from, until], by date of contact."""

    train_from: date
    test_from: date
    until: date
    validation_share: Annotated[float, Field(gt=0, lt=0.5)]

    @model_validator(mode="after")
    def _in_order(self) -> "Training":
        if not self.train_from < self.test_from <= self.until:
            raise ValueError("train_from must lie before test_from, and test_from not after until")
        return self


class Rollout(_Frozen):
    """rollout.yaml, validated."""

    first_day: date
    baseline: str
    candidate: str
    versions: dict[Annotated[str, Field(pattern=r"^v\d+\.\d+\.\d+$")], Version]
    reasons: Literal["production", "all", "none"]
    datasets: DatasetNames
    checks: CheckLimits
    pre_deployment: PreDeployment
    outcome_window_days: Annotated[int, Field(ge=1)]
    training: Training

    @model_validator(mode="after")
    def _names_agree(self) -> "Rollout":
        for role in ("baseline", "candidate"):
            if getattr(self, role) not in self.versions:
                raise ValueError(f"{role} {getattr(self, role)} is not among versions {sorted(self.versions)}")
        if self.baseline == self.candidate:
            raise ValueError(f"baseline and candidate are both {self.baseline}")
        for attribute in ("key", "features_view", "scores_table"):
            names = [getattr(version, attribute) for version in self.versions.values()]
            if len(set(names)) < len(names):
                raise ValueError(f"two versions share a {attribute}: {names}")
        return self

    @property
    def catalogue(self) -> Catalogue:
        """All tables under their configured names."""
        return Catalogue(
            Datasets(**self.datasets.model_dump()),
            {
                version: VersionNames(entry.key, entry.features_view, entry.scores_table)
                for version, entry in self.versions.items()
            },
        )


class BigQueryTarget(_Frozen):
    """Where BigQuery is. Credentials come from the client's own defaults (ADC) and are never settings of ours."""

    project: str
    location: str
    maximum_bytes_billed: Annotated[int, Field(gt=0)]
    endpoint: str | None = None
    """REST address of an emulator; None is Google's."""
    storage_endpoint: str | None = None
    """host:port of an emulator's Storage API; None is Google's, or REST where `endpoint` is an emulator."""


class Settings(_Frozen):
    """All that is configured."""

    home: Path
    """Where everything a run makes is kept: warehouse, Dagster instance, registered models."""
    models: Path
    """The shipped bundles and their catalogue; never written at run time."""
    warehouse: Literal["duckdb", "bigquery"]
    warehouse_lock_seconds: Annotated[float, Field(ge=0)]
    warehouse_memory: Annotated[str, Field(pattern=r"^\d+(MB|GB)$")]
    """What the embedded warehouse may hold in memory before it writes to disk."""
    bigquery: BigQueryTarget | None
    now: str | None
    schedule: bool
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
    def dagster_home(self) -> Path:
        """Runs, events and schedules of the Dagster instance."""
        return self.home / "dagster"

    @property
    def demo_clock_file(self) -> Path:
        """The instant at which a finished demo stopped its clock; in its V4_HOME time stands still there."""
        return self.home / DEMO_CLOCK


class _OnceLoader(yaml.SafeLoader):  # still safe: it builds plain values only
    """YAML in which an entry that stands there twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def load(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and from rollout.yaml (V4_ROLLOUT). Raises SettingsError naming what is wrong."""
    env = os.environ if env is None else env
    home = Path(env.get("V4_HOME") or PROJECT / ".v4").expanduser().resolve()
    try:
        settings = Settings(
            home=home,
            models=Path(env.get("V4_MODELS") or PROJECT / "models").expanduser().resolve(),
            warehouse=env.get("V4_WAREHOUSE") or "duckdb",  # type: ignore[arg-type] # validated
            warehouse_lock_seconds=env.get("V4_WAREHOUSE_LOCK_SECONDS") or "120",  # type: ignore[arg-type]
            warehouse_memory=env.get("V4_WAREHOUSE_MEMORY") or "1GB",
            bigquery=_bigquery(env),
            now=env.get("V4_NOW") or _demo_clock(home),
            schedule=env.get("V4_SCHEDULE") or "off",  # type: ignore[arg-type]
            rollout=read_rollout(Path(env.get("V4_ROLLOUT") or PROJECT / "rollout.yaml")),
        )
    except ValidationError as error:
        raise SettingsError(_explain("The environment", error, "V4_")) from error
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


def read_rollout(path: Path) -> Rollout:
    """rollout.yaml, validated. Raises SettingsError naming the entry that is wrong."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _OnceLoader)
    except FileNotFoundError as error:
        raise SettingsError(f"There is no {path}. Restore it, or point V4_ROLLOUT at another.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    try:
        return Rollout.model_validate(content)
    except ValidationError as error:
        raise SettingsError(_explain(str(path), error)) from error


def with_environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes: what a child process is started with."""
    return {**os.environ, **changes}


def _demo_clock(home: Path) -> str | None:
    file = home / DEMO_CLOCK
    return file.read_text(encoding="utf-8").strip() if file.is_file() else None


def _bigquery(env: Mapping[str, str]) -> BigQueryTarget | None:
    if not env.get("V4_BIGQUERY_PROJECT"):
        return None
    try:
        return _bigquery_target(env)
    except ValidationError as error:
        raise SettingsError(_explain("The environment", error, "V4_BIGQUERY_")) from error


def _bigquery_target(env: Mapping[str, str]) -> BigQueryTarget:
    return BigQueryTarget(
        project=env["V4_BIGQUERY_PROJECT"],
        location=env.get("V4_BIGQUERY_LOCATION", "US"),
        maximum_bytes_billed=env.get("V4_BIGQUERY_MAXIMUM_BYTES_BILLED", str(50 * 2**30)),  # type: ignore[arg-type]
        endpoint=env.get("V4_BIGQUERY_ENDPOINT") or None,
        storage_endpoint=env.get("V4_BIGQUERY_STORAGE_ENDPOINT") or None,
    )


def _explain(where: str, error: ValidationError, prefix: str = "") -> str:
    """What is wrong and where; `prefix` makes environment variables of field names."""
    problems = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]) or "file"
        problems.append(f"{prefix + name.upper() if prefix else name}: {item['msg']}")
    return f"{where} cannot be used. " + "; ".join(problems)
