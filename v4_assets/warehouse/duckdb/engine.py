"""DuckDB itself, started once in a process; the file is attached at each opening, in a seventh of a start's time."""

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

SETTINGS = (
    "SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET checkpoint_threshold = '1GB'; "
    "SET enable_progress_bar = false"
)
"""By default DuckDB would rewrite the file at nearly every partition of a large day, and a process without a script,
such as a spawned one, would print progress bars. What a crash leaves of the log, 1 GB at most, is read in seconds."""

_NO_FILE = '"no file"'
"""The database while no file is attached. DuckDB's own name for it, `memory`, may be a dataset's."""
_idle: dict[Path, duckdb.DuckDBPyConnection] = {}
"""DuckDB while no file is attached, by the file beside which its temporary files go. One at most: a process works on
one file at a time."""
_guard = threading.Lock()


def attach(path: Path, memory_limit: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection in which names without a database are the file's. Raises duckdb.Error."""
    with _guard:
        connection = _idle_for(path) or _started(path)
    file, name, mode = _text(str(path)), _database(path), " (READ_ONLY)" if read_only else ""
    try:
        connection.execute(f"SET memory_limit = '{memory_limit}'; ATTACH '{file}' AS {name}{mode}; USE {name}")
    except duckdb.IOException:  # another process has the file
        _keep(path, connection)
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def detach(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Close the file, which then holds all that was committed."""
    try:
        connection.execute(f"USE {_NO_FILE}; DETACH {_database(path)}")
    except duckdb.Error:  # a transaction that was not ended, a file that an error has made unusable
        connection.close()
    else:
        _keep(path, connection)


def _keep(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    with _guard:
        _end()
        _idle[path.resolve()] = connection


@contextmanager
def cursor_of(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A second connection to the attached file."""
    [(name,)] = connection.execute("SELECT current_database()").fetchall()
    with connection.cursor() as cursor:
        cursor.execute(f"{SETTINGS}; USE {_quoted(name)}")
        yield cursor


def _idle_for(path: Path) -> duckdb.DuckDBPyConnection | None:
    """The idle connection, whose temporary files go beside this file from now on. None where there is none, or where it
    has already written temporary files beside another: DuckDB refuses to move them."""
    if not _idle:
        return None
    beside, connection = _idle.popitem()
    if beside != path.resolve():
        try:
            connection.execute(f"SET temp_directory = '{_text(_temp_directory(path))}'")
        except duckdb.Error:
            connection.close()
            return None
    return connection


def _temp_directory(path: Path) -> str:
    return f"{path}.tmp"


def _started(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"temp_directory": _temp_directory(path)})
    connection.execute(f"{SETTINGS}; ATTACH ':memory:' AS {_NO_FILE}; USE {_NO_FILE}; DETACH memory")
    return connection


@atexit.register
def _end() -> None:
    while _idle:
        _idle.popitem()[1].close()


# DuckDB's threads do not survive a fork, and closing it would wait for them.
os.register_at_fork(before=_end)


def _database(path: Path) -> str:
    """The name DuckDB gives the database of a file, which a view of others may have in its text."""
    return _quoted(f"{path.stem}_db" if path.stem.lower() in ("main", "memory", "system", "temp") else path.stem)


def _text(value: str) -> str:
    return value.replace("'", "''")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
