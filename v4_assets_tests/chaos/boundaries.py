"""Where a process writes: every boundary between two writes has a name, and the process can be killed at any of them.

A boundary is the moment before a write: a commit of the warehouse (its rows are written, not committed), a statement of
the warehouse outside a transaction, a commit to Dagster's storage, a change of a file under the home, a request to the
org. Nothing is persisted between two boundaries, so killing before each of them leaves every state that a kill can.
"""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import duckdb
import requests
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

from v4_assets.salesforce.client.http import LoopbackAdapter

_CHANGES = re.compile(
    r"(?:/\*.*?\*/|\s)*(INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM|MERGE INTO|ALTER TABLE|DROP \w+(?: IF EXISTS)?"
    r'|CREATE (?:OR REPLACE )?(?:UNIQUE )?\w+(?: IF NOT EXISTS)?)\s+(?:["\w]+\.)?"?(\w+)',
    re.IGNORECASE | re.DOTALL,
)
_VARYING = re.compile(
    r"(?:promotion|rollback|sunset)-v4\.\d\.\d-[0-9a-f]{8}|v4\.\d\.\d-[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}"
    r"|750[0-9A-Za-z]{12,15}|\d{4}-\d\d(?:-\d\d)?|(?<=-)\d(?=\.png)|(?<=\.new/).+"
)
_DAGSTERS_OWN = "dagster" + os.sep
"""Its databases are watched at their commits; its logs of runs are read by people alone."""
_LOCKS = (".lock", ".holder")
_FILE_EVENTS = {"os.rename": "move", "os.remove": "remove", "os.rmdir": "remove"}


@dataclass(frozen=True)
class Point:
    """Where a process is killed: before or after the write of this name that is the nth of its name."""

    name: str | None
    """None counts the boundaries of every name."""
    nth: int = 1
    after: bool = False
    """After it: before the write that follows, whatever that is, or at the end."""

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.nth} {self.name or '*'}"

    @classmethod
    def parse(cls, text: str) -> "Point":
        """The reverse of str()."""
        side, nth, name = text.split(" ", 2)
        return cls(None if name == "*" else name, int(nth), side == "after")


class Boundaries:
    """The boundaries of a process in their order, each a line of `log`; it is killed at `point`."""

    def __init__(self, log: Path, home: Path, point: Point | None) -> None:
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self._home = f"{home}{os.sep}"
        self._point, self._met = point, 0
        self._turn = threading.RLock()

    def reached(self, name: str) -> None:
        """A write of this name is next."""
        with self._turn:
            if self._point:
                self._meet(self._point, name)
            os.write(self._log, f"{name}\n".encode())

    def end(self) -> None:
        """No write is left."""
        if self._point and self._point.after and self._met == self._point.nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def _meet(self, point: Point, name: str) -> None:
        if point.after and self._met == point.nth:
            os.kill(os.getpid(), signal.SIGKILL)
        self._met += point.name in (None, name)
        if not point.after and self._met == point.nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def audited(self, name: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook of Python: the writes to files under the home."""
        if name == "open":
            path, mode, flags = arguments
            writes = bool(set(mode) & set("wax+")) if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_RDWR)
            what = "write" if writes else ""
        elif what := _FILE_EVENTS.get(name, ""):
            path = arguments[1] if what == "move" else arguments[0]
        if what and str(path).startswith(self._home) and (what != "remove" or Path(path).exists()):
            within = str(path)[len(self._home) :]
            if not (within.startswith(_DAGSTERS_OWN) or within.endswith(_LOCKS)):
                self.reached(f"file: {what} {_general(within)}")


@contextmanager
def watched(log: Path, home: Path, point: Point | None) -> Iterator[None]:
    """Inside, every boundary is logged. For a process of its own: an audit hook stays until the process ends."""
    found = Boundaries(log, home, point)
    connect, commit, send = duckdb.connect, DefaultDialect.do_commit, LoopbackAdapter.send
    changed: dict[int, set[str]] = {}

    def connected(*args: Any, **kwargs: Any) -> Any:
        return _Connection(connect(*args, **kwargs), found)

    def noted(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if named := _CHANGES.match(statement):
            name = "tables" if named[1].upper().startswith("CREATE") else named[2]
            changed.setdefault(id(connection.connection.dbapi_connection), set()).add(name)

    def committed(dialect: DefaultDialect, connection: Any) -> None:
        names = changed.pop(id(connection.dbapi_connection), None)
        if names:
            found.reached(f"dagster: {_listed(names)}")
        commit(dialect, connection)

    def sent(adapter: LoopbackAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        found.reached(f"org: {request.method} {_general(urlsplit(request.url or '').path)}")
        return send(adapter, request, *args, **kwargs)

    event.listen(Engine, "before_cursor_execute", noted)
    sys.addaudithook(found.audited)
    with (
        patch.object(duckdb, "connect", connected),
        patch.object(DefaultDialect, "do_commit", committed),
        patch.object(LoopbackAdapter, "send", sent),
    ):
        yield
        found.end()


class _Connection:
    """A connection to the warehouse whose commits, and statements outside a transaction, are boundaries."""

    def __init__(self, real: Any, found: Boundaries) -> None:
        self._real, self._found = real, found
        self._open, self._changed = False, set[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._real.close()

    def execute(self, text: str, *parameters: Any) -> Any:
        word, named = text.split(None, 1)[0].upper(), _CHANGES.match(text)
        if word == "BEGIN":
            self._open, self._changed = True, set()
        elif word == "ROLLBACK":
            self._open = False
        elif word == "COMMIT":
            self._open = False
            self._found.reached(f"warehouse: {_listed(self._changed)}")
        elif named:
            kind, name = named[1].split()[0].upper(), _general(named[2])
            if self._open:
                self._changed.add(name if kind != "CREATE" else "tables")
            else:
                self._found.reached(f"warehouse: {kind} {name}")
        return self._real.execute(text, *parameters)


def _listed(names: set[str]) -> str:
    return "tables" if "tables" in names else " + ".join(sorted(names))


def _general(text: str) -> str:
    """The same for every run, job and day."""
    return _VARYING.sub("*", text)
