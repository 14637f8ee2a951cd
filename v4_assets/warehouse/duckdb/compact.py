"""Rewriting the embedded file: DuckDB gives the space of deleted rows to new rows, never back to the disk."""

import shutil
from contextlib import closing
from pathlib import Path

import duckdb

from v4_assets.atomic import private_folder
from v4_assets.errors import WarehouseError
from v4_assets.warehouse.duckdb.file import exclusive

OBJECTS = """
SELECT 'table', schema_name, table_name FROM duckdb_tables() WHERE database_name = $name
UNION ALL SELECT 'view', schema_name, view_name FROM duckdb_views() WHERE database_name = $name AND NOT internal
UNION ALL SELECT 'macro', schema_name, function_name FROM duckdb_functions()
WHERE database_name = $name AND NOT internal
ORDER BY ALL
"""


def compact(path: Path, lock_seconds: float, memory_limit: str) -> None:
    """Replace the file by a copy that holds the same and no empty pages, in one move, while no other process uses it.

    Raises WarehouseBusyError, and WarehouseError, changing nothing, when the copy does not hold the same.
    """
    folder = path.with_name(f"{path.name}.compact")
    with exclusive(path, lock_seconds, memory_limit):
        shutil.rmtree(folder, ignore_errors=True)
        beside = private_folder(folder) / path.name
        try:
            with closing(duckdb.connect(config={"memory_limit": memory_limit})) as connection:
                connection.execute(f"ATTACH '{_quoted(path)}' AS old (READ_ONLY)")
                connection.execute(f"ATTACH '{_quoted(beside)}' AS new")
                connection.execute("COPY FROM DATABASE old TO new")
                is_same = _content(connection, "old") == _content(connection, "new")
                connection.execute("CHECKPOINT new")
            if not is_same:
                raise WarehouseError(f"A copy of {path} holds other tables or rows. The file was left as it is.")
            beside.chmod(path.stat().st_mode)
            beside.replace(path)
        finally:
            shutil.rmtree(folder)


def _content(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str, str, int]]:
    """Every table, view and macro of an attached file, tables with their number of rows."""
    found = []
    for kind, schema, one in connection.execute(OBJECTS, {"name": name}).fetchall():
        count = f'SELECT COUNT(*) FROM {name}."{schema}"."{one}"'
        rows = connection.execute(count).fetchall()[0][0] if kind == "table" else 0
        found.append((kind, schema, one, rows))
    return found


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
