"""Opening the embedded warehouse: one process at a time, one connection per process.

DuckDB allows one writing process and refuses all others, so processes queue on this project's own lock file next to
the database, with a deadline and a message that names the holder. The system releases a killed process's lock.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import filelock
import pyarrow as pa

from v4_assets.errors import WarehouseBusyError, WarehouseError

SETTINGS = (
    "SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET checkpoint_threshold = '256MB'; "
    "SET enable_progress_bar = false"
)
"""By default DuckDB would rewrite the file at nearly every partition of a large day, and a process without a script,
such as a spawned one, would print progress bars."""


@dataclass
class _Shared:
    """The only connection of this process to a file. Threads take turns; calls inside a session share it."""

    turn: threading.RLock = field(default_factory=threading.RLock)
    connection: duckdb.DuckDBPyConnection | None = None


_shared: dict[Path, _Shared] = {}
_shared_guard = threading.Lock()
_feeding = threading.local()
"""`.now` is set in a thread that is computing rows of a running write."""


@contextmanager
def shared_connection(
    path: Path, lock_seconds: float, memory_limit: str, verify: Callable[[], None] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The connection to the file, opened unless an outer caller holds it. Raises WarehouseBusyError.

    `verify` is called after the file was opened, and may use the connection.
    """
    if getattr(_feeding, "now", False):
        raise WarehouseError(
            "The rows of a running write query the same warehouse, which would be a deadlock. Read first, then write."
        )
    with _shared_guard:
        shared = _shared.setdefault(path.resolve(), _Shared())
    with shared.turn:
        if shared.connection is not None:
            yield shared.connection
            return
        lock = _acquire(path, lock_seconds)
        try:
            shared.connection = _open(path, lock_seconds, memory_limit)
            if verify:
                verify()
            yield shared.connection
        finally:
            if shared.connection is not None:
                shared.connection.close()
            shared.connection = None
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
    path.parent.mkdir(parents=True, exist_ok=True)
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


def _open(path: Path, seconds: float, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """The opened file. Also waits for a program that does not use this project's lock, such as a DuckDB shell."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            opened = duckdb.connect(path, config={"memory_limit": memory_limit})
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise WarehouseError(f"{path} cannot be opened: {error}") from error
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"{path} was busy for {seconds:.0f} s: {error}. Close that program, then run again."
                ) from error
            time.sleep(0.2)
        else:
            opened.execute(SETTINGS)
            return opened


def _name(holder: Path) -> str:
    try:
        found = json.loads(holder.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "an unknown process"
    return f"process {found['pid']} on {found['host']}"
