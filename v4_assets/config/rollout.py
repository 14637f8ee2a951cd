"""rollout.yaml: the versions that are rolled out and every threshold, validated and frozen."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from v4_assets.config.problems import Form, expected, worded
from v4_assets.config.rollout_policy import DailyRun, Evaluation, Frozen, Policy, PreDeployment, Prospects, Share
from v4_assets.config.rollout_systems import (
    FOLDER,
    ColumnName,
    ImpossibleValues,
    ReferencePlaces,
    SalesforceSync,
    SourceColumn,
    Sources,
    TableName,
)
from v4_assets.days import FIRST_YEAR, LAST_YEAR
from v4_assets.errors import SettingsError
from v4_assets.sources.types import SOURCE_COLUMNS
from v4_assets.sql import Column
from v4_assets.tables import LEAD, Catalogue, Datasets, VersionNames


class HyperParameters(Frozen):
    """XGBoost's parameters of one version. scale_pos_weight is always negatives / positives of the rows trained on."""

    max_depth: Annotated[int, Field(ge=1)]
    """Greatest depth of a tree."""
    min_child_weight: Annotated[float, Field(ge=0)]
    """Least sum of weights in a leaf."""
    reg_alpha: Annotated[float, Field(ge=0)]
    """L1 penalty on leaf values."""
    reg_lambda: Annotated[float, Field(ge=0)]
    """L2 penalty on leaf values."""
    gamma: Annotated[float, Field(ge=0)] = 0.0
    """Least gain of a split."""
    learning_rate: Share
    """Share of each tree's contribution that is kept."""
    n_estimators: Annotated[int, Field(ge=1)]
    """Most trees in a model."""
    early_stopping_rounds: Annotated[int, Field(ge=1)]
    """Trees without a better validation loss after which training stops."""
    subsample: Share
    """Share of the rows each tree sees."""
    colsample_bytree: Share
    """Share of the features each tree sees."""


class Version(Frozen):
    """One model version: the suffix of its asset names, and the names of its view and table."""

    key: Annotated[str, Form(r"^[a-z][a-z0-9_]*$", "lower-case letters, digits and _, like v41")]
    """Suffix of its asset names and of its SQL file: v41 in features_v41."""
    features_view: TableName
    """View of the latest day's features."""
    scores_table: TableName
    """Table of its scores."""
    legacy_columns: bool = False
    """Add firm_crd, firm_name, has_fintrx_match and feature_extraction_timestamp to features_view, for old readers."""
    train: HyperParameters | None = None
    """XGBoost parameters; leave them out for a model trained elsewhere."""
    source_columns: dict[ColumnName, SourceColumn] = Field(default_factory=dict)
    """Columns of the source tables that only this version needs."""


DatasetName = Annotated[
    str,
    Field(max_length=1024),
    Form(
        r"^((?:[a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]*\.)?[A-Za-z_]\w*$",
        "a dataset's name of letters, digits and _, on BigQuery also PROJECT.DATASET",
    ),
]
"""On BigQuery also PROJECT.DATASET."""


class DatasetNames(Frozen):
    """The datasets of the CRM copy, the advisor data, and the tables this project writes."""

    crm: DatasetName
    """The copy of the CRM: leads, Broker Protocol members."""
    advisors: DatasetName
    """Advisors and their employments."""
    features: DatasetName
    """All tables and views that this project writes."""


class CheckLimits(Frozen):
    """Limits of the data checks. Shares are fractions of one."""

    history_days: Annotated[int, Field(ge=1, le=60)]
    row_count_change: Share
    missing_rate_change: Share
    distinct_scores: Annotated[int, Field(ge=2)]
    psi: Annotated[float, Field(gt=0)]
    unscored_share: Share = 0.01
    """Blocking: largest share of leads with a value that a model does not take, such as a number out of range. Up to it
    these leads are left unscored by every version."""
    source_age_days: dict[str, Annotated[int, Field(ge=1)]]
    """Greatest age of the newest entry of each source, in days."""
    impossible_values: ImpossibleValues = ImpossibleValues()


class Training(Frozen):
    """The training period [train_from, test_from) and the test period [test_from, until], by date of contact."""

    train_from: date
    """First day of contact in the training period."""
    test_from: date
    """First day of contact in the test period; the training period ends before it."""
    until: date
    """Last day of contact in the test period."""
    validation_share: Annotated[float, Field(gt=0, lt=0.5)]
    """Share of the training period, the last in time, that early stopping is measured on."""

    @model_validator(mode="after")
    def _in_order(self) -> "Training":
        if not self.train_from < self.test_from <= self.until:
            raise ValueError("train_from must lie before test_from, and test_from not after until")
        return self


Owner = Annotated[str, Form(r"^team:\w[\w.-]*$|^[^@\s]+@[^@\s]+\.[^@\s]+$", "team:NAME or an e-mail address")]


def _in_our_time(day: date) -> date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise expected(f"a day in the years {FIRST_YEAR} to {LAST_YEAR}")
    return day


class Rollout(Frozen):
    """rollout.yaml, validated."""

    owners: tuple[Owner, ...] = ()
    """Owners of every asset: team:NAME or an e-mail address."""
    code_url: Annotated[str, Form(r"^https?://\S+[^/]$", "an http address without a slash at its end")] | None = None
    """Address of the project's root in a browser; null links to local files."""
    first_day: Annotated[date, AfterValidator(_in_our_time)]
    daily_run: DailyRun = DailyRun()
    baseline: str
    candidate: str
    versions: dict[Annotated[str, Form(r"^v\d+\.\d+\.\d+$", "a version like v4.1.0")], Version]
    reasons: Literal["production", "all", "none"]
    datasets: DatasetNames
    sources: Sources = Sources()
    checks: CheckLimits
    pre_deployment: PreDeployment
    outcome_window_days: Annotated[int, Field(ge=1)]
    keep_features_days: Annotated[int, Field(ge=60)] | None = None
    """`v4 prune` removes older features from the embedded warehouse; null: none. At least the days a cohort reaches
    back, on which a version registered later can still be scored, and the 60 days that `v4 register` reads."""
    training: Training
    evaluation: Evaluation
    policy: Policy
    salesforce: SalesforceSync
    prospects: Prospects = Prospects()
    references: ReferencePlaces = ReferencePlaces()

    @model_validator(mode="after")
    def _names_agree(self) -> "Rollout":
        if unknown := sorted(self.references.objects.keys() - self.versions.keys()):
            raise ValueError(f"references.objects names {unknown}, which is not among versions {sorted(self.versions)}")
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

    @model_validator(mode="after")
    def _columns_agree(self) -> "Rollout":
        lead = {name.lower() for name in self.sources.lead.columns.model_dump().values() if name}
        known: dict[tuple[str, str], SourceColumn] = {}
        for version, entry in self.versions.items():
            for name, column in entry.source_columns.items():
                key = (column.table, name.lower())
                shared = lead if column.table == LEAD else {one.name.lower() for one in SOURCE_COLUMNS[column.table]}
                if name.lower() in shared:
                    raise ValueError(f"{version}: {name} of {column.table} is read for every version; leave it out")
                if known.setdefault(key, column) != column:
                    raise ValueError(f"{version}: {name} of {column.table} is declared otherwise by another version")
        return self

    @model_validator(mode="after")
    def _same_day(self) -> "Rollout":
        at, grace = self.daily_run.at, self.policy.grace_minutes
        left = 24 * 60 - 1 - 60 * at.hour - at.minute
        if grace > left:
            raise ValueError(
                f"policy.grace_minutes {grace} after daily_run.at {self.daily_run} passes midnight, so no day would "
                f"ever be missing; set it to {left} or less"
            )
        return self

    @model_validator(mode="after")
    def _features_kept(self) -> "Rollout":
        kept, reach = self.keep_features_days, self.cohort_reach_days
        if kept is not None and kept < reach:
            raise ValueError(
                f"keep_features_days {kept} is below the {reach} days that a cohort reaches back (outcome_window_days, "
                f"evaluation.label_lag_days and evaluation.max_days); set {reach} or more, or null"
            )
        return self

    @property
    def cohort_reach_days(self) -> int:
        """Days after which no cohort can hold a lead that was first listed on a day, the day after its contact."""
        return self.outcome_window_days + self.evaluation.label_lag_days + self.evaluation.max_days

    @property
    def catalogue(self) -> Catalogue:
        """All tables under their configured names."""
        return Catalogue(
            Datasets(**self.datasets.model_dump()),
            {
                version: VersionNames(entry.key, entry.features_view, entry.scores_table, entry.legacy_columns)
                for version, entry in self.versions.items()
            },
            self.sources.lead.columns.model_dump(),
            self.policy.weeks.date_part,
            self.source_columns,
            self.sources.source_types,
            self.prospects.percentile,
        )

    @property
    def source_columns(self) -> dict[str, tuple[Column, ...]]:
        """Source table to the columns that single versions need, each once."""
        found: dict[str, dict[str, Column]] = {}
        for entry in self.versions.values():
            for name, column in entry.source_columns.items():
                found.setdefault(column.table, {}).setdefault(name.lower(), column.column(name))
        return {table: tuple(columns.values()) for table, columns in found.items()}


class _OnceLoader(yaml.CSafeLoader):  # still safe: it builds plain values only
    """YAML that refuses an entry that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, AttributeError, KeyError) as error:  # such as the date 2026-02-30
            said = f"{node.value!r} is no such value: {error}"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from error


def read_rollout(path: Path) -> Rollout:
    """rollout.yaml, validated. Raises SettingsError naming the entry that is wrong."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _OnceLoader)
    except FileNotFoundError as error:
        raise SettingsError(f"There is no {path}. Restore it, or point V4_ROLLOUT at another.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text. Save it as UTF-8, or name another file.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}. Correct that line.") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no entries such as `baseline:`. Restore it, or name another file.")
    try:
        return Rollout.model_validate(content, context={FOLDER: path.parent})
    except ValidationError as error:
        raise SettingsError(f"{path} cannot be used. {worded(error, Rollout)}") from error
