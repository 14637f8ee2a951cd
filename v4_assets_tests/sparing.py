"""What tests are spared: work of libraries that says nothing about this project.

Dagster makes an engine, a connection and a checkpoint for every event it stores, and reads its hundred migrations for
every file it opens: more than half of a test's day. An instance of the tests keeps its SQLite files, but opens each
once and waits for no disk. No claim here is about a machine that loses power; what a killed process has committed is
in its files as before.

A private key is validated whenever it is read, for a tenth of a second. The same bytes are the same key.
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import jwt.algorithms
import sqlalchemy as db
from alembic.config import Config
from alembic.script import ScriptDirectory
from cryptography.hazmat.primitives import serialization
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

BUSY_SECONDS = 120

_engines: dict[str, db.Engine] = {}
_migrations: dict[str, ScriptDirectory] = {}
_read_migrations = ScriptDirectory.from_config
_dispose = DagsterSqliteStorage.dispose


def engine_of(address: str, **_: Any) -> db.Engine:
    """The one engine of a file. Its connections stay open until the instance is left."""
    if address not in _engines:
        made = db.create_engine(address, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
        db.event.listen(made, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF").close())
        # The event log disposes of its engine after every event.
        made.dispose = lambda close=True: None
        _engines[address] = made
    return _engines[address]


def leave(storage: DagsterSqliteStorage) -> None:
    """Close what the instance holds open; its files are then whole without SQLite's own beside them."""
    _dispose(storage)
    folder = Path(storage.base_dir).absolute()
    for address in [one for one in _engines if folder in Path(one.removeprefix("sqlite:///")).parents]:
        db.Engine.dispose(_engines.pop(address))


def migrations(config: Config) -> ScriptDirectory:
    """Dagster's migrations, read once."""
    place = config.get_main_option("script_location") or ""
    if place not in _migrations:
        _migrations[place] = _read_migrations(config)
    return _migrations[place]


@cache
def spared() -> None:
    """Once in a process."""
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        module.create_engine = engine_of
    ScriptDirectory.from_config = migrations
    DagsterSqliteStorage.dispose = leave
    read_key = lru_cache(serialization.load_pem_private_key)
    serialization.load_pem_private_key = read_key
    jwt.algorithms.load_pem_private_key = read_key
