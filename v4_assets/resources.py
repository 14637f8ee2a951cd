"""The warehouse, registry and Salesforce org that the settings select."""

import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from v4_assets.config.environment import Settings
from v4_assets.models.registry import ModelRegistry
from v4_assets.salesforce.client.org import CRM, QUICK, Org, Wait
from v4_assets.store import Store
from v4_assets.warehouse.duckdb.file import released
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from v4_assets.salesforce.client.http import Patience
    from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse


RELEASED_FROM_SECONDS = 1.0
"""From this on, waiting for Salesforce leaves the embedded file to other processes."""
READ_SECONDS = 20.0
"""How long the alert sensor waits for the embedded file: less than Dagster gives a tick."""


def warehouse(
    settings: Settings, *, any_schema: bool = False, reading: bool = False
) -> "DuckDBWarehouse | BigQueryWarehouse":
    """The configured warehouse: the embedded file, or BigQuery. `reading` opens the file to read alone.

    Raises SchemaVersionError for the tables of an older or newer release, unless `any_schema`, which is for upgrades,
    diagnostics and commands that read only sources.
    """
    dataset = None if any_schema else settings.rollout.datasets.features
    if settings.warehouse == "bigquery" and settings.bigquery:
        # Importing Google's client takes half a second, which embedded runs need not spend.
        from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse  # noqa: PLC0415 # half a second

        return BigQueryWarehouse(**settings.bigquery.model_dump(mode="json"), features_dataset=dataset)
    return DuckDBWarehouse(
        path=str(settings.duckdb_file),
        lock_seconds=settings.warehouse_lock_seconds,
        memory_limit=settings.warehouse_memory,
        read_only=reading,
        features_dataset=dataset,
    )


def store(settings: Settings, *, any_schema: bool = False, reading: bool = False) -> Store:
    """The warehouse, the catalogue and the registry of these settings; the options as for `warehouse`."""
    connected = warehouse(settings, any_schema=any_schema, reading=reading)
    return Store(connected, settings.rollout.catalogue, registry(settings))


def reader(settings: Settings) -> Store:
    """The store of the alert sensor: what keeps the warehouse for longer than a tick may last is itself an alert."""
    seconds = min(settings.warehouse_lock_seconds, READ_SECONDS)
    return store(settings.model_copy(update={"warehouse_lock_seconds": seconds}), reading=True)


def registry(settings: Settings) -> ModelRegistry:
    """The shipped and the registered models."""
    return ModelRegistry(shipped=str(settings.models), registered=str(settings.registered_models))


def crm(settings: Settings) -> CRM:
    """The org that receives the scores, or the folder of a dry run."""
    return CRM(
        settings.salesforce, salesforce(settings), settings.home / "salesforce", _wait(settings), org_id(settings)
    )


def _wait(settings: Settings) -> Wait:
    """For the org: a short one for the stand-in, else one that leaves the warehouse file to others."""
    if settings.salesforce == "local":
        return QUICK
    return Wait(partial(_sleep_apart, settings.duckdb_file)) if settings.warehouse == "duckdb" else Wait()


def _sleep_apart(file: Path, seconds: float) -> None:
    """Sleep while other processes may use the warehouse; a short pause is not worth opening the file again."""
    with released(file) if seconds >= RELEASED_FROM_SECONDS else nullcontext():
        time.sleep(seconds)


def org_id(settings: Settings) -> str | None:
    """The configured org; None for a dry run."""
    if settings.salesforce_target is not None:
        return settings.salesforce_target.org_id_18
    if settings.salesforce != "local":
        return None
    from salesforce_stand_in.login import ORG_ID  # noqa: PLC0415 # only needed without a real org

    return ORG_ID


def salesforce(settings: Settings, patience: "Patience | None" = None) -> Org | None:
    """The configured org, connected on first use; None for a dry run."""
    if settings.salesforce == "dry-run":
        return None
    # Importing the client takes a quarter of a second, which runs without an org need not spend.
    from v4_assets.salesforce.client.client import SalesforceClient  # noqa: PLC0415 # the same
    from v4_assets.salesforce.client.http import Patience  # noqa: PLC0415 # the same

    patience = patience or Patience(sleep=_wait(settings).sleep)
    if settings.salesforce_target is not None:
        return SalesforceClient(settings.salesforce_target, patience)
    from salesforce_stand_in import local_target  # noqa: PLC0415 # only needed without a real org

    return SalesforceClient(partial(local_target, settings.stand_in_org), patience)
