"""Moving objects aside and back in the embedded file, where nothing expires and no view needs an authorization."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from v4_assets.errors import TableMissingError, TakeoverError, WarehouseError
from v4_assets.tables import Table
from v4_assets.warehouse.duckdb.errors import first_line
from v4_assets.warehouse.duckdb.sql import quoted, schema_name
from v4_assets.warehouse.duckdb.tables import IN_SCHEMA
from v4_assets.warehouse.protocol import Content, Expiration
from v4_assets.warehouse.table_differences import Kind

_PART = r'(?:"(?:[^"]|"")*"|\w+)'
_HEAD = re.compile(rf"CREATE VIEW (?:{_PART}\.)*{_PART}\s*", re.IGNORECASE)


@dataclass(frozen=True)
class DuckDBMoving:
    """The Moving protocol on one DuckDB file."""

    connection: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]

    def hindrance(self, place: Table, kind: Kind) -> str | None:
        """A view whose query fails: it could not be made again."""
        if kind == "view":
            try:
                self._run(f"EXPLAIN SELECT * FROM {quoted(place)}")
            except WarehouseError as error:
                return f"its query fails ({error}): repair or drop the view, then run `v4 takeover` again"
        return None

    def rename(self, table: Table, name: str) -> None:
        """ALTER TABLE, which DuckDB refuses for a table with an index."""
        try:
            self._run(f'ALTER TABLE {quoted(table)} RENAME TO "{name}"')
        except WarehouseError as error:
            text = f"{table.dataset}.{table.name} cannot be renamed: {error} Use --copy for a table with an index."
            raise TakeoverError(text) from error

    def copy(self, table: Table, name: str) -> None:
        """CREATE TABLE AS, a single statement; without constraints, defaults, indexes and comments."""
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
        created, _ = self._view(place)
        text = created.strip().removesuffix(";")
        head = _HEAD.match(text)
        if head is None:
            raise WarehouseError(f"The text of {place.dataset}.{place.name} is not a CREATE VIEW: {text[:80]}")
        return text[head.end() :]

    def put_view(self, place: Table, text: str, kind: Kind, like: Table | None = None) -> None:
        """CREATE OR REPLACE VIEW and its comment, in one transaction."""
        made = f"CREATE OR REPLACE VIEW {quoted(place)} {text}"
        comment = self._view(like)[1] if like else None
        if comment is None:
            self._run(made)
            return
        literal = comment.replace("'", "''")
        with self.connection() as connection, _explained():
            connection.execute("BEGIN")
            try:
                connection.execute(made)
                connection.execute(f"COMMENT ON VIEW {quoted(place)} IS '{literal}'")
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def expiration(self, place: Table) -> Expiration:
        """Never."""
        return Expiration()

    def set_expiration(self, place: Table, kind: Kind, wanted: Expiration) -> None:
        """Nothing to set."""

    def authorizations(self, datasets: Iterable[str], places: Iterable[Table]) -> list[tuple[str, str]]:
        """None."""
        return []

    def _view(self, place: Table) -> tuple[str, str | None]:
        """Statement and comment of a view. Raises TableMissingError when there is none of that name."""
        name = {"schema": schema_name(place.dataset), "name": place.name}
        query = f"SELECT sql, comment FROM duckdb_views() WHERE {IN_SCHEMA} AND lower(view_name) = lower($name)"
        with self.connection() as connection:
            found = connection.execute(query, name).fetchall()
        if not found:
            raise TableMissingError(f"There is no view {place.dataset}.{place.name}.")
        [(created, comment)] = found
        return str(created), comment

    def _run(self, text: str) -> list[tuple[Any, ...]]:
        with self.connection() as connection, _explained():
            return connection.execute(text).fetchall()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise WarehouseError(first_line(error)) from error
