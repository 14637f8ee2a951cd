"""DuckDB's errors as this project's."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from v4_assets.errors import DAMAGED, SchemaDriftError, TableMissingError, WarehouseError

DAMAGE = (duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
"""Errors of a file whose content is not what DuckDB wrote."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """DuckDB's errors as this project's, naming the query or the table written."""
    try:
        yield
    except duckdb.CatalogException as error:
        raise TableMissingError(
            f"{what} uses a table that does not exist: {str(error).splitlines()[0]}. `v4 init` creates the "
            "tables this project writes; sources come from the firm's systems, or from `v4 sample`."
        ) from error
    except duckdb.BinderException as error:
        raise SchemaDriftError(
            f"{what} uses a column that is missing or of another type: {str(error).splitlines()[0]}. Compare the "
            "source with v4_assets/tables.py."
        ) from error
    except duckdb.Error as error:
        raise failed(what, error) from error


def failed(what: str, error: Exception) -> WarehouseError:
    """The failure of a query or a write, and what to do about a damaged file, which is found when it is read."""
    if isinstance(error, DAMAGE) or "Corrupt" in str(error):
        return WarehouseError(f"{what} failed: {first_line(error)} {DAMAGED}")
    return WarehouseError(f"{what} failed: {error}")


def first_line(error: Exception) -> str:
    """DuckDB's sentence without its stack trace."""
    return f"{str(error).splitlines()[0].rstrip('.!')}."
