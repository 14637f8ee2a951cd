"""The latest write of every partition, from the log of writes."""

from datetime import date

from v4_assets import tables
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Warehouse
from v4_assets.warehouse.writes import PartitionWrite


def latest_writes(
    warehouse: Warehouse, catalogue: Catalogue, first: date, last: date
) -> dict[tuple[str, date], PartitionWrite]:
    """The latest write of every partition from `first` to `last`, by table name and day."""
    found = warehouse.read(catalogue.query(tables.PARTITION_WRITES, {"first_day": first, "last_day": last}))
    return {(row["table_name"], row["prediction_date"]): PartitionWrite(**row) for row in found.to_pylist()}
