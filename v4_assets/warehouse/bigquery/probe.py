"""`v4 doctor` on BigQuery: the location of a dataset and the account's permissions. Changes nothing, bills nothing.

Queries are dry runs: the service plans them, which requires permission to run jobs and to read the named tables. A dry
run may not detect that a table cannot be created or written, so the account's permissions on an existing table are read
as well (tables.testIamPermissions).
"""

from google.cloud import bigquery

from v4_assets.errors import WarehouseError
from v4_assets.tables import Table
from v4_assets.warehouse.bigquery.errors import explained
from v4_assets.warehouse.bigquery.tables import reference
from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse

WRITING = ("bigquery.tables.getData", "bigquery.tables.updateData", "bigquery.tables.update", "bigquery.tables.delete")
"""Permissions needed to replace a partition and a view."""


def location(warehouse: BigQueryWarehouse, dataset: str) -> str:
    """The location of a dataset. Raises WarehouseError when it does not exist."""
    place = bigquery.DatasetReference.from_string(dataset, default_project=warehouse.project)
    with explained(dataset):
        return str(warehouse._client.get_dataset(place).location)


def verify_readable(warehouse: BigQueryWarehouse, table: Table) -> None:
    """Raise WarehouseError when the declared columns of a table cannot be read."""
    columns = ", ".join(f"`{column.name}`" for column in table.columns)
    _planned(warehouse, table.name, f"SELECT {columns} FROM {table.full_name}")


def verify_writable(warehouse: BigQueryWarehouse, table: Table) -> None:
    """Raise WarehouseError when no table can be created in the dataset of `table`, or `table` cannot be changed."""
    probe = Table("probe", table.dataset, "v4_doctor", ())
    _planned(warehouse, table.dataset, f"CREATE TABLE {probe.full_name} (probe INT64)")
    if not warehouse.columns(table):
        return
    with explained(table.name):
        found = warehouse._client.test_iam_permissions(reference(table, warehouse.project), WRITING)
    lacking = sorted(set(WRITING) - set(found.get("permissions", ())))
    if lacking:
        raise WarehouseError(
            f"{table.dataset}.{table.name} cannot be changed: the account lacks {', '.join(lacking)}. It needs "
            "roles/bigquery.dataEditor on that dataset."
        )


def _planned(warehouse: BigQueryWarehouse, name: str, text: str) -> None:
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    with explained(name):
        warehouse._client.query(text, job_config=config)
