"""What `v4 doctor` asks of BigQuery: where a dataset is, and what we may do. Nothing is changed, nothing is billed.

Queries are dry runs: the service plans them, for which the account must be allowed to run jobs and to read what they
name. A dry run need not find out that a table may not be created or written, so a table of ours that exists is asked
for the account's own permissions beside it (tables.testIamPermissions).
"""

from google.cloud import bigquery

from v4_assets.errors import WarehouseError
from v4_assets.tables import Table
from v4_assets.warehouse.bigquery.errors import explained
from v4_assets.warehouse.bigquery.tables import reference
from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse

WRITING = ("bigquery.tables.getData", "bigquery.tables.updateData", "bigquery.tables.update", "bigquery.tables.delete")
"""What replacing a partition and renewing a view takes."""


def location(house: BigQueryWarehouse, dataset: str) -> str:
    """Where a dataset is. Raises WarehouseError when it is not there."""
    place = bigquery.DatasetReference.from_string(dataset, default_project=house.project)
    with explained(dataset):
        return str(house._client.get_dataset(place).location)


def verify_readable(house: BigQueryWarehouse, table: Table) -> None:
    """Raise WarehouseError when the declared columns of a table cannot be read."""
    columns = ", ".join(f"`{column.name}`" for column in table.columns)
    _planned(house, table.name, f"SELECT {columns} FROM {table.full_name}")


def verify_writable(house: BigQueryWarehouse, table: Table) -> None:
    """Raise WarehouseError when no table can be made beside `table`, or it is there and cannot be changed."""
    beside = Table("probe", table.dataset, "v4_doctor", ())
    _planned(house, table.dataset, f"CREATE TABLE {beside.full_name} (probe INT64)")
    if not house.columns(table):
        return
    with explained(table.name):
        found = house._client.test_iam_permissions(reference(table, house.project), WRITING)
    lacking = sorted(set(WRITING) - set(found.get("permissions", ())))
    if lacking:
        raise WarehouseError(
            f"{table.dataset}.{table.name} cannot be changed: the account lacks {', '.join(lacking)}. It needs "
            "roles/bigquery.dataEditor on that dataset."
        )


def _planned(house: BigQueryWarehouse, name: str, text: str) -> None:
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    with explained(name):
        house._client.query(text, job_config=config)
