"""`v4 doctor` on BigQuery: the location of a dataset and the account's permissions. Changes nothing, bills nothing.

Queries are dry runs: the service plans them, which requires permission to run jobs and to read the named tables. A dry
run may not detect that a table cannot be created or written, so the account's permissions on an existing table are read
as well (tables.testIamPermissions).
"""

from collections.abc import Callable, Iterable
from functools import partial

from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

from v4_assets import tables
from v4_assets.errors import WarehouseError
from v4_assets.tables import Catalogue, Table
from v4_assets.warehouse.bigquery.errors import explained
from v4_assets.warehouse.bigquery.tables import reference
from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse
from v4_assets.warehouse.preflight import Preflight

READING = ("bigquery.tables.get", "bigquery.tables.getData")
"""Permissions needed to read scores and the record."""
MOVING = (*READING, "bigquery.tables.update", "bigquery.tables.delete")
"""Permissions needed on an object of the firm's to rename, copy or drop it, and to set its expiration."""
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
    verify_creatable(warehouse, table.dataset)
    if not warehouse.columns(table):
        return
    without = lacking(warehouse, table, WRITING)
    if without:
        raise WarehouseError(
            f"{table.dataset}.{table.name} cannot be changed: the account lacks {', '.join(without)}. It needs "
            "roles/bigquery.dataEditor on that dataset."
        )


def verify_creatable(warehouse: BigQueryWarehouse, dataset: str) -> None:
    """Raise WarehouseError when no table can be created in a dataset."""
    probe = Table("probe", dataset, "v4_doctor", ())
    _planned(warehouse, dataset, f"CREATE TABLE {probe.full_name} (probe INT64)")


def verify_session(warehouse: BigQueryWarehouse, table: Table) -> None:
    """Raise WarehouseError when the account may not open a session of the Storage Read API on a table."""
    storage = warehouse._storage
    if storage is None:
        return
    target = reference(table, warehouse.project)
    name = f"projects/{target.project}/datasets/{target.dataset_id}/tables/{target.table_id}"
    session = ReadSession(table=name, data_format=DataFormat.ARROW)
    with explained(table.name):
        storage.create_read_session(parent=f"projects/{warehouse.project}", read_session=session, max_stream_count=1)


def lacking(warehouse: BigQueryWarehouse, table: Table, wanted: Iterable[str]) -> list[str]:
    """The permissions the account does not have on a table or view."""
    asked = sorted(set(wanted))
    with explained(table.name):
        found = warehouse._client.test_iam_permissions(reference(table, warehouse.project), asked)
    return sorted(set(asked) - set(found.get("permissions", ())))


def permission_sets(warehouse: BigQueryWarehouse, catalogue: Catalogue, found: Preflight) -> dict[str, tuple[str, ...]]:
    """What the account lacks for reading, for daily work and for moving in: nothing where it may do all of it."""
    written = catalogue[tables.PARTITION_WRITES]
    ours = [one.place for one in found.standing if one.is_ours]
    is_made = written.name in {place.name for place in ours}
    moved = [one.place for one in found.obstacles]
    return {
        "reading": _without(partial(_verify_has, warehouse, place, READING) for place in ours[:1]),
        "daily work": _without(
            [
                *(partial(verify_readable, warehouse, source) for source in catalogue.sources),
                partial(verify_writable, warehouse, written),
                *([partial(verify_session, warehouse, written)] if is_made else []),
            ]
        ),
        "moving in": _without(
            [
                partial(verify_creatable, warehouse, written.dataset),
                *(partial(_verify_has, warehouse, place, MOVING) for place in moved or ours[:1]),
            ]
        ),
    }


def _verify_has(warehouse: BigQueryWarehouse, place: Table, wanted: Iterable[str]) -> None:
    without = lacking(warehouse, place, wanted)
    if without:
        raise WarehouseError(f"{', '.join(without)} on {place.dataset}.{place.name}")


def _without(questions: Iterable[Callable[[], None]]) -> tuple[str, ...]:
    refused = []
    for ask in questions:
        try:
            ask()
        except WarehouseError as error:
            refused.append(str(error))
    return tuple(refused)


def _planned(warehouse: BigQueryWarehouse, name: str, text: str) -> None:
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    with explained(name):
        warehouse._client.query(text, job_config=config)
