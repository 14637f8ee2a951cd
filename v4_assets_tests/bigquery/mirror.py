"""A BigQuery warehouse whose every write is repeated on DuckDB, so that one run fills the tables of both engines.

Every read is answered by BigQuery, and one from a file of sql/ must have the same answer on DuckDB. The datasets of the
mirror have the default names: those of rollout.yaml may name projects, which DuckDB does not have.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import pyarrow as pa

from v4_assets.sql import Query
from v4_assets.tables import Table, View
from v4_assets.warehouse.bigquery import warehouse as bigquery
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import ROWS_PER_BATCH, Statement
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.fixtures.sql_files import FILES

BigQueryWarehouse = bigquery.BigQueryWarehouse


class MirroredWarehouse(BigQueryWarehouse):
    """BigQuery and its mirror."""

    mirror: ClassVar[DuckDBWarehouse]
    datasets: ClassVar[Mapping[str, str]]
    """A dataset of rollout.yaml to its name in the mirror."""
    answered: ClassVar[Counter[str]]
    """Files of sql/, and how many answers to each were compared."""

    def read(self, query: Query) -> pa.Table:
        found = super().read(query)
        self.compare(query, found)
        return found

    @contextmanager
    def stream(self, query: Query, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[Iterable[pa.RecordBatch]]:
        with super().stream(query, rows_per_batch) as batches:
            rows = list(batches)
        if rows:
            self.compare(query, pa.Table.from_batches(rows))
        yield rows

    def compare(self, query: Query, found: pa.Table) -> None:
        """An answer to a file of sql/ is the mirror's."""
        if query.name in FILES:
            assert_same(found, self.mirror.read(moved_query(query)), query.name)
            self.answered[query.name] += 1

    def create(self, tables: Iterable[Table], views: Iterable[View] = ()) -> None:
        tables, views = tuple(tables), tuple(views)
        super().create(tables, views)
        self.mirror.create([moved(table) for table in tables], [moved_view(view) for view in views])

    def replace_partition(
        self, table: Table, write: PartitionWrite, rows: Query | Iterable[pa.RecordBatch], log: Table
    ) -> PartitionWrite:
        rows = rows if isinstance(rows, Query) else list(rows)
        done = super().replace_partition(table, write, rows, log)
        again = rows if isinstance(rows, list) else moved_query(rows)
        assert self.mirror.replace_partition(moved(table), write, again, moved(log)) == done
        return done

    def replace_table(self, table: Table, rows: Iterable[pa.RecordBatch]) -> int:
        rows = list(rows)
        count = super().replace_table(table, rows)
        assert self.mirror.replace_table(moved(table), rows) == count
        return count

    def replace_slice(self, table: Table, column: str, value: str, rows: Iterable[pa.RecordBatch]) -> int:
        rows = list(rows)
        count = super().replace_slice(table, column, value, rows)
        assert self.mirror.replace_slice(moved(table), column, value, rows) == count
        return count

    def transact(self, statements: Sequence[Statement]) -> None:
        super().transact(statements)
        self.mirror.transact([replace(one, query=moved_query(one.query)) for one in statements])


@contextmanager
def mirrored(file: Path, datasets: Mapping[str, str]) -> Iterator[DuckDBWarehouse]:
    """Every BigQuery warehouse made inside is mirrored in this file."""
    mirror = DuckDBWarehouse(path=str(file))
    MirroredWarehouse.mirror, MirroredWarehouse.datasets, MirroredWarehouse.answered = mirror, datasets, Counter()
    with patch.object(bigquery, "BigQueryWarehouse", MirroredWarehouse), mirror.session():
        yield mirror


def moved(table: Table) -> Table:
    """The table of the mirror."""
    return replace(table, dataset=MirroredWarehouse.datasets[table.dataset])


def moved_query(query: Query) -> Query:
    """The query over the tables of the mirror."""
    text = query.text
    for name, own in MirroredWarehouse.datasets.items():
        text = text.replace(".".join(f"`{part}`" for part in name.split(".")) + ".", f"`{own}`.")
    return replace(query, text=text)


def moved_view(view: View) -> View:
    """The view of the mirror."""
    return replace(view, dataset=MirroredWarehouse.datasets[view.dataset], query=moved_query(view.query))
