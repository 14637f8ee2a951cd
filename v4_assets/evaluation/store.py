"""Reading recorded evidence back from the warehouse."""

from datetime import date

from v4_assets import tables
from v4_assets.evaluation.evidence import Evidence
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Warehouse, rows_of


def evidence_rows(warehouse: Warehouse, catalogue: Catalogue, first: date, last: date) -> list[Evidence]:
    """The evidence of the days from `first` to `last`, in no particular order."""
    query = catalogue.query(tables.LIFT_COMPARISON, {"first_day": first, "last_day": last})
    return [Evidence.from_row(row) for row in rows_of(warehouse.read(query))]
