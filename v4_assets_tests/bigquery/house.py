"""A small warehouse in BigQuery's words: one partitioned table and the write log, in a dataset of its own."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from uuid import uuid4

import pyarrow as pa

from v4_assets import tables
from v4_assets.config.environment import load
from v4_assets.sql import Column, Query
from v4_assets.tables import Table
from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse
from v4_assets.warehouse.protocol import Statement, arrow_schema
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.bigquery.emulator import GOOGLE_PROJECT, Emulator

DAY, YESTERDAY, TOMORROW = date(2026, 1, 5), date(2026, 1, 4), date(2026, 1, 6)
WRITTEN_AT = datetime(2026, 1, 5, 11, 30, tzinfo=UTC)
COLUMNS = (
    Column("prediction_date", "DATE", "the day"),
    Column("lead_id", "STRING", "the lead"),
    Column("score", "FLOAT64", "its score"),
)


@dataclass(frozen=True)
class House:
    """The old rows `a`, `b` on DAY, and `y` the day before."""

    warehouse: BigQueryWarehouse
    dataset: str

    @property
    def scores(self) -> Table:
        return Table("scores", self.dataset, "scores", COLUMNS, "Scores of the leads")

    @property
    def name(self) -> str:
        return self.scores.full_name

    @property
    def log(self) -> Table:
        return replace(load({}).rollout.catalogue[tables.PARTITION_WRITES], dataset=self.dataset)

    @property
    def all(self) -> Query:
        return Query("all", f"SELECT * FROM {self.name}")

    def put(self, rows: Query | Iterable[pa.RecordBatch], sequence: int = 1, day: date = DAY) -> PartitionWrite:
        return self.warehouse.replace_partition(self.scores, write(sequence, day), rows, self.log)

    def leads(self, day: date = DAY) -> list[str]:
        query = Query("leads", f"SELECT lead_id FROM {self.name} WHERE prediction_date = @day", {"day": day})
        return sorted(self.warehouse.read(query)["lead_id"].to_pylist())

    def logged(self) -> list[PartitionWrite]:
        query = Query("log", f"SELECT * FROM {self.log.full_name} ORDER BY prediction_date, sequence")
        return [PartitionWrite(**row) for row in self.warehouse.read(query).to_pylist()]

    def batch(self, leads: Iterable[str], day: date | None = DAY) -> pa.RecordBatch:
        rows = [{"prediction_date": day, "lead_id": lead, "score": 0.5} for lead in leads]
        return pa.RecordBatch.from_pylist(rows, schema=arrow_schema(self.scores))

    def many(self, name: str, count: int) -> pa.RecordBatch:
        """`count` rows of leads called `name`."""
        values = (pa.scalar(DAY, pa.date32()), pa.scalar(name), pa.scalar(0.5))
        return pa.record_batch([pa.repeat(value, count) for value in values], schema=arrow_schema(self.scores))


def write(sequence: int, day: date = DAY) -> PartitionWrite:
    return PartitionWrite("scores", day, WRITTEN_AT, day != DAY, "0" * 64, "run", None, sequence)


def warehouse(emulator: Emulator, endpoint: str | None = None) -> BigQueryWarehouse:
    """Our resource on the emulator, or on a proxy before it."""
    return BigQueryWarehouse(
        project=GOOGLE_PROJECT, endpoint=endpoint or emulator.endpoint, storage_endpoint=emulator.storage_endpoint
    )


def new_house(emulator: Emulator) -> House:
    """Created and filled."""
    dataset = f"t_{uuid4().hex[:12]}"
    emulator.client().create_dataset(dataset)
    house = House(warehouse(emulator), dataset)
    house.warehouse.create([house.scores, house.log])
    leads = "(DATE '2026-01-04', 'y', 0.5), (DATE '2026-01-05', 'a', 0.5), (DATE '2026-01-05', 'b', 0.5)"
    columns, values = (", ".join(f"{sign}{column.name}" for column in house.log.columns) for sign in ("", "@"))
    log = f"INSERT INTO {house.log.full_name} ({columns}) VALUES ({values})"
    done = (replace(write(1, YESTERDAY), row_count=1), replace(write(1), row_count=2))
    house.warehouse.transact(
        [
            Statement(Query("leads", f"INSERT INTO {house.name} (prediction_date, lead_id, score) VALUES {leads}"), 3),
            *(Statement(Query("log", log, asdict(one)), 1) for one in done),
        ]
    )
    return house
