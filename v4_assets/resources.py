"""The warehouse, registry and Salesforce org that the settings select."""

from functools import partial
from typing import TYPE_CHECKING

from v4_assets.config.environment import Settings
from v4_assets.models.registry import ModelRegistry
from v4_assets.salesforce.client.org import CRM, QUICK, Org, Wait
from v4_assets.store import Store
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from v4_assets.salesforce.client.http import Patience
    from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse


def warehouse(settings: Settings, *, any_schema: bool = False) -> "DuckDBWarehouse | BigQueryWarehouse":
    """The configured warehouse: the embedded file, or BigQuery.

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
        features_dataset=dataset,
    )


def store(settings: Settings, *, any_schema: bool = False) -> Store:
    """The warehouse, the catalogue and the registry of these settings; `any_schema` as for `warehouse`."""
    return Store(warehouse(settings, any_schema=any_schema), settings.rollout.catalogue, registry(settings))


def registry(settings: Settings) -> ModelRegistry:
    """The shipped and the registered models."""
    return ModelRegistry(shipped=str(settings.models), registered=str(settings.registered_models))


def crm(settings: Settings) -> CRM:
    """The org that receives the scores, or the folder of a dry run."""
    wait = QUICK if settings.salesforce == "local" else Wait()
    return CRM(settings.salesforce, salesforce(settings), settings.home / "salesforce", wait)


def salesforce(settings: Settings, patience: "Patience | None" = None) -> Org | None:
    """The configured org, connected on first use; None for a dry run."""
    if settings.salesforce == "dry-run":
        return None
    # Importing the client takes a quarter of a second, which runs without an org need not spend.
    from v4_assets.salesforce.client.client import SalesforceClient  # noqa: PLC0415 # the same

    if settings.salesforce_target is not None:
        return SalesforceClient(settings.salesforce_target, patience)
    from salesforce_stand_in import local_target  # noqa: PLC0415 # only needed without a real org

    return SalesforceClient(partial(local_target, settings.stand_in_org), patience)
