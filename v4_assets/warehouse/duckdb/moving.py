"""Moving objects aside and back in the embedded file, where nothing expires and no view needs an authorization."""

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import duckdb

from v4_assets.errors import TableMissingError, TakeoverError, WarehouseError
from v4_assets.tables import Table
from v4_assets.warehouse.duckdb.sql import quoted, schema_name
from v4_assets.warehouse.moving import Content, Expiration
from v4_assets.warehouse.table_differences import Kind

_PART = r'(?:"(?:[^"]|"")*"|\w+)'
_HEAD = re.compile(rf"CREATE VIEW (?:{_PART}\.)*{_PART}\s*", re.IGNORECASE)


@dataclass(frozen=True)
class DuckDBMoving:
    """The Moving protocol on one DuckDB file."""

    connection: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]

    def hindrance(self, place: Table, kind: Kind) -> str | None:
        """Nothing hinders tables and views."""
        return None

    def rename(self, table: Table, name: str) -> None:
        """ALTER TABLE, which DuckDB refuses for a table with an index."""
        try:
            self._run(f'ALTER TABLE {quoted(table)} RENAME TO "{name}"')
        except duckdb.DependencyException as error:
            raise TakeoverError(
                f"{table.dataset}.{table.name} cannot be renamed: {str(error).splitlines()[0]} Use --copy."
            ) from error

    def copy(self, table: Table, name: str) -> None:
        """CREATE TABLE AS, a single statement."""
        self._run(f'CREATE TABLE "{schema_name(table.dataset)}"."{name}" AS SELECT * FROM {quoted(table)}')

    def drop(self, place: Table, kind: Kind) -> None:
        """DROP."""
        self._run(f"DROP {'TABLE' if kind == 'table' else 'VIEW'} IF EXISTS {quoted(place)}")

    def content(self, table: Table) -> Content:
        """Count of the rows and sum of their hashes."""
        [(rows, checksum)] = self._run(f"SELECT COUNT(*), SUM(CAST(hash(t) AS HUGEINT)) FROM {quoted(table)} AS t")
        return Content(rows, str(checksum))

    def view_text(self, place: Table) -> str:
        """From DuckDB's own text of the view."""
        schema, name = schema_name(place.dataset).lower(), place.name.lower()
        with self.connection() as connection:
            found = connection.execute(
                "SELECT sql FROM duckdb_views() WHERE lower(schema_name) = $schema AND lower(view_name) = $name",
                {"schema": schema, "name": name},
            ).fetchall()
        if not found:
            raise TableMissingError(f"There is no view {place.dataset}.{place.name}.")
        text = str(found[0][0]).strip().removesuffix(";")
        head = _HEAD.match(text)
        if head is None:
            raise WarehouseError(f"The text of {place.dataset}.{place.name} is not a CREATE VIEW: {text[:80]}")
        return text[head.end() :]

    def put_view(self, place: Table, text: str, kind: Kind, like: Table | None = None) -> None:
        """CREATE OR REPLACE VIEW."""
        self._run(f"CREATE OR REPLACE VIEW {quoted(place)} {text}")

    def expiration(self, place: Table) -> Expiration:
        """Never."""
        return Expiration()

    def set_expiration(self, place: Table, kind: Kind, wanted: Expiration) -> None:
        """Nothing to set."""

    def authorizations(self, datasets: Iterable[str], places: Iterable[Table]) -> list[tuple[str, str]]:
        """None."""
        return []

    def _run(self, text: str) -> list[tuple[Any, ...]]:
        with self.connection() as connection:
            return connection.execute(text).fetchall()
