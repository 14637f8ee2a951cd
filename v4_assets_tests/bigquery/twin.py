"""A DuckDB warehouse in which Google's reference evaluator answers every query of sql/ as well, and must agree."""

from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from v4_assets.config.environment import load
from v4_assets.sql import Query
from v4_assets.tables import Catalogue
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets_tests.bigquery.compare import assert_same
from v4_assets_tests.bigquery.googlesql import GoogleSQL, declared_parameters
from v4_assets_tests.fixtures.sql_files import FILES


@cache
def catalogue() -> Catalogue:
    """The tables of rollout.yaml."""
    return load({}).rollout.catalogue


@cache
def parameter_types() -> dict[str, str]:
    """Type of every parameter of sql/; a name means the same everywhere."""
    return {name: kind for file in FILES for name, kind in declared_parameters(file).items()}


class TwinWarehouse(DuckDBWarehouse):
    """Compares every answer to a query made from a file of sql/, be it read or written into a partition."""

    def read(self, query: Query) -> pa.Table:
        found = super().read(query)
        if query.name in FILES:
            assert_same(found, self.google(query), query.name)
            answered(self.path).append((query.name, found.num_rows))
        return found

    def replace_partition(self, table: Any, write: Any, rows: Any, log: Any) -> Any:
        if isinstance(rows, Query):
            self.read(rows)
        return super().replace_partition(table, write, rows, log)

    def google(self, query: Query) -> pa.Table:
        """The evaluator's answer over what the tables hold now."""
        used = tuple(table for table in catalogue().values() if table.full_name in query.text)
        rows = {
            table.key: super(TwinWarehouse, self).read(Query("all", f"SELECT * FROM {table.full_name}"))
            for table in used
        }
        types = {name: parameter_types()[name] for name in query.params}
        columns = googlesql(tuple(catalogue())).columns(query.text, types)
        return googlesql(tuple(table.key for table in used)).evaluated(query, types, rows, columns)


@cache
def googlesql(keys: tuple[str, ...]) -> GoogleSQL:
    """Over these tables."""
    return GoogleSQL(tuple(catalogue()[key] for key in keys))


@cache
def answered(path: str) -> list[tuple[str, int]]:
    """The queries compared in a warehouse, each with the rows of its answer."""
    return []


def new_twin(folder: Path) -> TwinWarehouse:
    """Empty, with every table."""
    twin = TwinWarehouse(path=str(folder / "warehouse.duckdb"))
    twin.create(catalogue().values(), catalogue().views)
    return twin
