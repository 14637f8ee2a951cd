"""The file of the embedded warehouse: opened by one process at a time, and rewritten to give space back to the disk.

DuckDB allows one writing process and refuses all others, so processes queue on this project's own lock file next to
the database, with a deadline and a message that names the holder. The system releases a killed process's lock.
"""

import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import filelock
import pyarrow as pa

from v4_assets.atomic_files import own_folder, private_folder
from v4_assets.errors import DAMAGED, TableMissingError, WarehouseBusyError, WarehouseError
from v4_assets.warehouse.duckdb import engine
from v4_assets.warehouse.duckdb.errors import first_line


@dataclass
class _Shared:
    """The only connection of this process to a file. Threads take turns; calls inside a session share it."""

    path: Path
    turn: threading.RLock = field(default_factory=threading.RLock)
    connection: duckdb.DuckDBPyConnection | None = None
    reopen: Callable[[], None] | None = None
    """Opens the file again after `released`; None where nothing has opened it to write."""
    lock: filelock.BaseFileLock | None = None

    def close(self) -> None:
        if self.connection is not None:
            engine.detach(self.path, self.connection)
        self.connection = None
        if self.lock is not None:
            self.lock.release()
        self.lock = None


_shared: dict[Path, _Shared] = {}
_shared_guard = threading.Lock()
_feeding = threading.local()
"""`.now` is set in a thread that is computing rows of a running write."""


@contextmanager
def shared_connection(
    path: Path,
    lock_seconds: float,
    memory_limit: str,
    verify: Callable[[], None] | None = None,
    *,
    read_only: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The connection to the file, opened unless an outer caller holds it. Raises WarehouseBusyError.

    `verify` is called after the file was opened, and may use the connection. `read_only` writes nothing beside the file
    either, and shares it with other readers; it raises TableMissingError where there is no file.
    """
    if getattr(_feeding, "now", False):
        raise WarehouseError(
            "The rows of a running write query the same warehouse, which would be a deadlock. Read first, then write."
        )
    shared = _shared_of(path)
    with shared.turn:
        if shared.connection is not None:
            yield shared.connection
            return

        def opened() -> None:
            if read_only:
                _verify_there(path)
            else:
                shared.lock = _acquire(path, lock_seconds)
            shared.connection = _open(path, lock_seconds, memory_limit, read_only=read_only)

        try:
            opened()
            assert shared.connection is not None
            shared.reopen = None if read_only else opened
            if verify:
                verify()
            yield shared.connection
        finally:
            shared.close()
            shared.reopen = None


def _shared_of(path: Path) -> _Shared:
    with _shared_guard:
        return _shared.setdefault(path.resolve(), _Shared(path))


@contextmanager
def released(path: Path) -> Iterator[None]:
    """Leave the file to other processes meanwhile, although an outer caller keeps it open. For waits: no query may be
    open, and what is called inside opens the file for itself."""
    with _shared_guard:
        shared = _shared.get(path.resolve())
    if shared is None or shared.reopen is None:
        yield
        return
    with shared.turn:
        reopen = shared.reopen
        shared.close()
        try:
            yield
        finally:
            reopen()
            shared.reopen = reopen


@contextmanager
def exclusive(path: Path, lock_seconds: float, memory_limit: str) -> Iterator[None]:
    """Keep every process of this project away from the file, which is closed and holds all that was committed."""
    shared = _shared_of(path)
    with shared.turn:
        if shared.connection is not None:
            raise WarehouseError(f"{path} is in use by this process. Run the command by itself.")
        lock = _acquire(path, lock_seconds)
        try:
            connection = _open(path, lock_seconds, memory_limit, read_only=False)
            try:
                connection.execute("CHECKPOINT")
            finally:
                engine.detach(path, connection)
            yield
        finally:
            lock.release()


class Feed(Iterator[pa.RecordBatch]):
    """Rows being written: marks the thread that computes them, and keeps the error they raise.

    DuckDB may take rows from any thread, and reports their error only in its own words.
    """

    def __init__(self, rows: Iterable[pa.RecordBatch]) -> None:
        self._rows = iter(rows)
        self.error: BaseException | None = None

    def __next__(self) -> pa.RecordBatch:
        _feeding.now = True
        try:
            return next(self._rows)
        except StopIteration:
            raise
        except BaseException as error:  # DuckDB would also turn an interrupt into an error of its own
            self.error = error
            raise
        finally:
            _feeding.now = False


def _acquire(path: Path, seconds: float) -> filelock.BaseFileLock:
    own_folder(path.parent)  # DuckDB makes its log beside the file anew, and readable, whenever it writes
    holder = path.with_name(path.name + ".holder")
    lock = filelock.FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(timeout=seconds)
    except filelock.Timeout as error:
        raise WarehouseBusyError(
            f"{path} was busy for {seconds:.0f} s; it is held by {_name(holder)}. Wait for that process or stop it, "
            "then run again; V4_WAREHOUSE_LOCK_SECONDS sets how long to wait."
        ) from error
    holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
    return lock


def _verify_there(path: Path) -> None:
    if not path.exists():
        raise TableMissingError(f"There is no {path}. `v4 init` makes one; `v4 sample` fills it with sample data.")


def _open(path: Path, seconds: float, memory_limit: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """The opened file. Also waits for a program that does not use this project's lock, such as a DuckDB shell."""
    deadline, is_new = time.monotonic() + seconds, not path.exists()
    while True:
        try:
            opened = engine.attach(path, memory_limit, read_only=read_only)
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise _unusable(path, memory_limit, error) from error
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"{path} was busy for {seconds:.0f} s; it is held by {_holder(path, str(error))}. Wait for that "
                    "process or stop it, then run again; V4_WAREHOUSE_LOCK_SECONDS sets how long to wait."
                ) from error
            time.sleep(0.2)
        except duckdb.Error as error:
            raise _unusable(path, memory_limit, error) from error
        else:
            if is_new:
                path.chmod(0o600)  # it holds names and addresses of leads
            return opened


def _unusable(path: Path, memory_limit: str, error: duckdb.Error) -> WarehouseError:
    if path.is_dir():
        return WarehouseError(f"{path} is a folder, and the warehouse is a file. Move the folder away.")
    if "memory" in str(error).replace(str(path), "").lower():
        return WarehouseError(
            f"With V4_WAREHOUSE_MEMORY={memory_limit} DuckDB cannot open {path}: {first_line(error)} Set another, such "
            "as 1GB; the file is left as it is."
        )
    if "not a valid DuckDB database" in str(error):
        return WarehouseError(f"{path} is not a DuckDB file. {DAMAGED}")
    return WarehouseError(f"{path} cannot be opened: {first_line(error)} {DAMAGED}")


def _holder(path: Path, error: str) -> str:
    """The process that DuckDB names: one of this project's by its own note, another program by its path."""
    named = re.search(r"held in (\S+) \(PID (\d+)\)", error)
    ours = _name(path.with_name(path.name + ".holder"))
    if named is None or f"process {named[2]} on " in ours:
        return ours
    return f"process {named[2]} on {socket.gethostname()} ({named[1]})"


def _name(holder: Path) -> str:
    try:
        found = json.loads(holder.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "an unknown process"
    return f"process {found['pid']} on {found['host']}"


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
