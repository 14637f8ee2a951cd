"""Dagster's SQLite files as `v4` uses them: the same files and tables, kept open as long as the instance.

Dagster opens and closes a database for every event. Closing the last connection writes SQLite's log back into the file,
which takes longer than storing the event. A connection that stays open avoids this, and with `synchronous = NORMAL` a
commit does not wait for the disk: a killed process loses nothing; a power failure loses at most the last events, and
the operator reruns that day. The warehouse keeps its own log.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event, inspect

from v4_assets.dagster_reading import names_a_storage

BUSY_SECONDS = 30
FILES_OPEN = 8
"""Open files per storage: the index and the latest runs."""


_shared: dict[tuple[int, Path], dg.DagsterInstance] = {}
"""By process and home: SQLite connections must not cross a fork."""


@contextmanager
def opened(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance that dagster.yaml of `home` describes; reuses the one an outer caller has opened.

    Where dagster.yaml names no storage, it is SQLite under `home`, which is kept open.
    """
    home = home.resolve()
    key = (os.getpid(), home)
    if key in _shared:
        yield _shared[key]
        return
    with dg.DagsterInstance.from_ref(_reference(home)) as instance:
        _shared[key] = instance
        try:
            yield instance
        finally:
            del _shared[key]


def _reference(home: Path) -> InstanceRef:
    if names_a_storage(home / "dagster.yaml"):
        return InstanceRef.from_dir(str(home))
    custom = {"module": __name__, "class": KeptStorage.__name__, "config": {"base_dir": str(home)}}
    return InstanceRef.from_dir(str(home), overrides={"storage": {"custom": custom}})


class _Files:
    """Engines by file. The least recently used one is closed when there are too many."""

    def __init__(self) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()

    def engine(self, url: str) -> Engine:
        """The engine of a database, whose pool keeps its connection."""
        if url not in self._engines:
            arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
            self._engines[url] = create_engine(url, connect_args=arguments)
            event.listen(self._engines[url], "connect", _without_waiting)
        self._engines.move_to_end(url)
        while len(self._engines) > FILES_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[url]

    def close(self) -> None:
        """Close every file."""
        while self._engines:
            self._engines.popitem()[1].dispose()


def _without_waiting(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")


class KeptRuns(SqliteRunStorage):
    """Runs and their tags."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._files = _Files()
        super().__init__(conn_string, inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A transaction."""
        with self._files.engine(self._conn_string).begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the file."""
        self._files.close()
        super().dispose()


class KeptEvents(SqliteEventLogStorage):
    """Events: one database for each run, and an index of all."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._files = _Files()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """A transaction on the database of a run, or on the index."""
        with self._db_lock:
            engine = self._files.engine(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                if not inspect(engine).has_table("alembic_version"):
                    self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def has_table(self, table_name: str) -> bool:
        """Whether the index has the table. Dagster asks for every event; a table that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close the files."""
        super().dispose()
        self._files.close()


class KeptStorage(DagsterSqliteStorage):
    """Dagster's default storage with the two classes above."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        DagsterStorage.__init__(self)  # type: ignore[no-untyped-call,arg-type] # Dagster leaves it untyped
        home = Path(base_dir)
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = KeptRuns.from_local(str(home / "history"))
        self._event_log_storage = KeptEvents(str(home / "history" / "runs"))
        self._schedule_storage = SqliteScheduleStorage.from_local(str(home / "schedules"))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptStorage":
        """From `overrides`."""
        return cls(inst_data=inst_data, **config_value)
