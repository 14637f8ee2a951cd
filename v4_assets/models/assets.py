"""Training: features as of the morning after contact, the outcome, and the models of the versions trained here.

Nothing of it runs in the daily job. A trained bundle is registered under V4_HOME/models with what it was trained on.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
from tqdm import tqdm

from v4_assets import sql, tables
from v4_assets.checks import results, specs
from v4_assets.clock import Clock, cutoff
from v4_assets.config.rollout import Rollout, Version
from v4_assets.daily import MaterializeResult, column_schema
from v4_assets.days import days_between
from v4_assets.errors import V4Error
from v4_assets.models import training
from v4_assets.models.checklist import asked_of, findings_of
from v4_assets.names import TRAINING_GROUP
from v4_assets.partitions import verify_sources
from v4_assets.sql import Query
from v4_assets.store import Store
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Warehouse, arrow_schema

NARROWED = (("scored_leads", "scored_leads"), ("scored_leads", "leads_contacted_yesterday"))
"""The daily chain's leads, narrowed to those contacted the day before."""


def training_set(rollout: Rollout) -> dg.AssetsDefinition:
    """One row per lead contacted in the training and test periods."""
    table = rollout.catalogue[tables.TRAINING_SET]

    @dg.asset(
        name=tables.TRAINING_SET,
        group_name=TRAINING_GROUP,
        deps=list(tables.SOURCES),
        kinds={"sql"},
        description=table.description,
        metadata={"dagster/table_name": f"{table.dataset}.{table.name}", "dagster/column_schema": column_schema(table)},
    )
    def asset(store: dg.ResourceParam[Store], clock: dg.ResourceParam[Clock]) -> MaterializeResult:
        _verify_matured(rollout, clock.today())
        with store.session():
            verify_sources(store)
            rows = store.warehouse.replace_table(table, training_rows(store.warehouse, rollout))
        return dg.MaterializeResult(metadata={"dagster/row_count": rows})

    return asset


def training_rows(warehouse: Warehouse, rollout: Rollout) -> list[pa.RecordBatch]:
    """Rows of training_set, day by day, by the same SQL as for scoring."""
    schema = arrow_schema(rollout.catalogue[tables.TRAINING_SET])
    period = rollout.training
    mornings = days_between(period.train_from + timedelta(days=1), period.until + timedelta(days=1))
    return [
        batch
        for morning in tqdm(mornings, desc="training set", unit="day", disable=None)
        for batch in warehouse.read(first_morning(rollout.catalogue, morning, rollout.outcome_window_days))
        .cast(schema)
        .to_batches()
    ]


def _verify_matured(rollout: Rollout, today: date) -> None:
    """Raise V4Error unless every outcome of the training and test periods is known; an unknown one reads as False."""
    known_on = rollout.training.until + timedelta(days=rollout.outcome_window_days + 1)
    if today < known_on:
        raise V4Error(
            f"training.until is {rollout.training.until}, whose outcomes are known on {known_on}; today is {today}. "
            "Set an earlier training.until in rollout.yaml, or train later."
        )


def on_the_spot() -> tuple[tuple[str, str], ...]:
    """Tables that training computes without storing, as (table, file): the daily chain up to training_set.sql."""
    features = (key for key in sql.load(tables.TRAINING_SET).inputs if key.startswith(tables.features_key("")))
    return (*NARROWED, *((key, key) for key in (*tables.SHARED[1:], *features)))


def first_morning(catalogue: Catalogue, morning: date, window_days: int) -> Query:
    """training_set of the leads contacted the day before `morning`."""
    params = {
        "prediction_date": morning,
        "cutoff": cutoff(morning),
        "retrospective": True,
        "window_days": window_days,
    }
    return sql.compose(tables.TRAINING_SET, on_the_spot(), catalogue.names(), params)


def model_asset(version: str, entry: Version, rollout: Rollout) -> dg.AssetsDefinition | dg.AssetSpec:
    """The model of one version: trained here, written as a bundle and registered; or registered from elsewhere."""
    if entry.train is None:
        return dg.AssetSpec(
            f"model_{entry.key}",
            group_name=TRAINING_GROUP,
            kinds={"xgboost"},
            description=f"{version}, trained elsewhere and registered with `v4 register`.",
        )
    parameters = entry.train.model_dump()
    features = training.features_of(sql.load(tables.features_key(entry.key)).features)

    @dg.asset(
        name=f"model_{entry.key}",
        group_name=TRAINING_GROUP,
        deps=[tables.TRAINING_SET],
        kinds={"xgboost"},
        description=f"{version}, trained on training_set and registered under V4_HOME/models.",
    )
    def asset(store: dg.ResourceParam[Store]) -> MaterializeResult:
        if store.live() == version:
            raise V4Error(
                f"{version} is live, and a live version must not be retrained. Train under a new version name."
            )
        table = rollout.catalogue[tables.TRAINING_SET]
        rows = store.warehouse.read(Query(table.name, f"SELECT * FROM {table.full_name}"))
        split = training.split_by_time(rows, features, **rollout.training.model_dump())
        booster = training.train(split, parameters)
        figures = training.measure(booster, split)
        files = training.bundle_files(version, features, booster, figures, split.train)
        made = store.registry.add(version, files, provenance(rollout, parameters), replace=True)
        hashes = {"model_sha256": made.files["model.json"], "bundle_sha256": made.bundle_sha256}
        return dg.MaterializeResult(metadata={**figures, **hashes})

    return asset


def provenance(rollout: Rollout, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Provenance of a model trained here, for the catalogue."""
    import xgboost as xgb  # noqa: PLC0415 # seconds, with scikit-learn; paid by those who train

    return {
        "trained_on": f"{rollout.datasets.crm}, {rollout.datasets.advisors}",
        "training": rollout.training.model_dump(mode="json"),
        "hyper_parameters": dict(parameters),
        "xgboost": xgb.__version__,
    }


def model_checks(version: str, entry: Version, rollout: Rollout) -> dg.AssetChecksDefinition:
    """The guide's pre-deployment checklist on the registered bundle of one version, shipped ones included."""
    asset = f"model_{entry.key}"
    asked = asked_of(rollout, version)

    @dg.multi_asset_check(name=f"pre_deployment_{entry.key}", specs=specs(asked, asset))
    def pre_deployment(store: dg.ResourceParam[Store], clock: dg.ResourceParam[Clock]) -> Iterator[dg.AssetCheckResult]:
        found = findings_of(store.registry, rollout, version)
        yield from results(asked, {clock.today(): found}, asset)

    return pre_deployment
