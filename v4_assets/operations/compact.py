"""`v4 prune --compact`: give the space of deleted rows back to the disk, in Dagster's files and in the warehouse."""

import sqlite3
from contextlib import closing
from pathlib import Path

from v4_assets.config.environment import Settings
from v4_assets.warehouse.duckdb import compact as warehouse


def compact(settings: Settings) -> int:
    """Rewrite the files without their empty pages. Returns the bytes given back. Raises WarehouseBusyError."""
    files = sorted(settings.dagster_home.rglob("*.db"))
    embedded = [settings.duckdb_file] if settings.warehouse == "duckdb" and settings.duckdb_file.exists() else []
    before = _size([*files, *embedded])
    for file in files:
        # Autocommit: SQLite rewrites no file inside a transaction.
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in embedded:
        warehouse.compact(file, settings.warehouse_lock_seconds, settings.warehouse_memory)
    return before - _size([*files, *embedded])


def _size(files: list[Path]) -> int:
    beside = [file.with_name(file.name + ending) for file in files for ending in ("-wal", ".wal")]
    return sum(file.stat().st_size for file in (*files, *beside) if file.exists())
