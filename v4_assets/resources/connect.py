"""Which warehouse and which registry the settings mean."""

from typing import TYPE_CHECKING

from v4_assets.resources.duckdb import DuckDBWarehouse
from v4_assets.resources.registry import ModelRegistry
from v4_assets.settings import Settings

if TYPE_CHECKING:
    from v4_assets.resources.bigquery import BigQueryWarehouse


def warehouse(settings: Settings) -> "DuckDBWarehouse | BigQueryWarehouse":
    """The configured warehouse: the embedded file, or BigQuery."""
    if settings.warehouse == "bigquery" and settings.bigquery:
        # Google's client takes half a second to import, which every embedded run would wait for.
        from v4_assets.resources.bigquery import BigQueryWarehouse  # noqa: PLC0415

        return BigQueryWarehouse(**settings.bigquery.model_dump())
    return DuckDBWarehouse(
        path=str(settings.duckdb_file),
        lock_seconds=settings.warehouse_lock_seconds,
        memory_limit=settings.warehouse_memory,
    )


def registry(settings: Settings) -> ModelRegistry:
    """The shipped and the registered models."""
    return ModelRegistry(shipped=str(settings.models), registered=str(settings.registered_models))
