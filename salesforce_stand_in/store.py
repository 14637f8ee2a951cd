"""The stand-in org's memory: one SQLite file with leads and jobs, which survives a restart."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

from salesforce_stand_in.fields import STANDARD, OrgField, Value
from v4_assets.config.salesforce import is_record_id, to_18
from v4_assets.errors import SalesforceSetupError

_COLUMN = {"id": "TEXT", "double": "REAL", "boolean": "INTEGER", "string": "TEXT", "datetime": "TEXT"}
_TABLES = """
CREATE TABLE IF NOT EXISTS lead (Id TEXT PRIMARY KEY, IsDeleted INTEGER NOT NULL, IsConverted INTEGER NOT NULL,
    updates INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS field (name TEXT PRIMARY KEY, definition TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS job (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, state TEXT NOT NULL,
    line_ending TEXT NOT NULL, created_by TEXT NOT NULL, created_at TEXT NOT NULL, api_version REAL NOT NULL,
    content BLOB, rows INTEGER NOT NULL DEFAULT 0, read INTEGER NOT NULL DEFAULT 0,
    processed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, error TEXT, fault TEXT);
CREATE TABLE IF NOT EXISTS result (job TEXT NOT NULL, kind TEXT NOT NULL, line TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS result_of_job ON result (job, kind);
"""


@dataclass(frozen=True)
class SeedLead:
    """A lead as the org holds it before anything is sent."""

    id: str
    values: Mapping[str, Value] = field(default_factory=dict)
    """Of the V4 fields; one that is not named is null, a checkbox false."""
    is_converted: bool = False
    is_deleted: bool = False


@dataclass
class Job:
    """An ingest job."""

    number: int
    id: str
    state: str
    line_ending: str
    created_by: str
    created_at: str
    api_version: float
    content: bytes | None
    rows: int
    """Of the CSV, estimated by its line ends."""
    read: int
    """How many rows of the CSV were taken so far."""
    processed: int
    failed: int
    error: str | None
    fault: str | None
    """JSON of the JobFault that strikes it."""


_JOB = tuple(each.name for each in fields(Job))


class Store:
    """Leads, fields and jobs. Threads take turns inside `turn()`."""

    def __init__(self, file: Path, lead_fields: Sequence[OrgField]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self.db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _TABLES)
        for each in lead_fields:
            self.define(each, keep=True)

    @contextmanager
    def turn(self) -> Iterator[sqlite3.Connection]:
        """The database for one thread, in one transaction."""
        with self._lock:
            if self.db.in_transaction:
                yield self.db
                return
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self.db.close()

    def define(self, of: OrgField, *, keep: bool = False) -> None:
        """Create or change a field of Lead; with `keep`, one that is there stays as it is."""
        with self.turn() as db:
            there = {name for (name,) in db.execute("SELECT name FROM field")}
            if of.name in there and keep:
                return
            if of.name not in {row[1] for row in db.execute("PRAGMA table_info(lead)")}:
                default = " NOT NULL DEFAULT 0" if of.type == "boolean" else ""
                db.execute(f'ALTER TABLE lead ADD COLUMN "{of.name}" {_COLUMN[of.type]}{default}')
            db.execute("INSERT OR REPLACE INTO field VALUES (?, ?)", (of.name, of.model_dump_json()))

    def drop(self, name: str) -> None:
        """Remove a field from Lead."""
        with self.turn() as db:
            db.execute("DELETE FROM field WHERE name = ?", (name,))

    def fields(self) -> dict[str, OrgField]:
        """All fields of Lead by name, hidden ones too."""
        with self.turn() as db:
            rows = db.execute("SELECT definition FROM field ORDER BY rowid").fetchall()
        made = [OrgField.model_validate_json(definition) for (definition,) in rows]
        return {each.name: each for each in (*STANDARD, *made)}

    def visible(self) -> dict[str, OrgField]:
        """The fields the user who logs in can see."""
        return {name: each for name, each in self.fields().items() if each.visible}

    def seed(self, leads: Iterable[SeedLead | str]) -> int:
        """Put leads into the org, in place of those with the same id. Returns how many."""
        made = [each for each in self.fields().values() if each.custom]
        columns = ", ".join(f'"{name}"' for name in ("Id", "IsDeleted", "IsConverted", *(each.name for each in made)))
        marks = ", ".join("?" * (3 + len(made)))
        rows = (_row(lead if isinstance(lead, SeedLead) else SeedLead(lead), made) for lead in leads)
        with self.turn() as db:
            return db.executemany(f"INSERT OR REPLACE INTO lead ({columns}) VALUES ({marks})", rows).rowcount

    def leads(self, condition: str = "1", values: Sequence[Value] = (), limit: int = -1) -> list[dict[str, Value]]:
        """Leads by id with all their fields and `updates`, how often they were updated; `condition` is SQL."""
        booleans = [name for name, each in self.fields().items() if each.type == "boolean"]
        with self.turn() as db:
            found = db.execute(f"SELECT * FROM lead WHERE {condition} ORDER BY Id LIMIT ?", (*values, limit))
            names = [column[0] for column in found.description]
            rows: list[dict[str, Value]] = [dict(zip(names, row, strict=True)) for row in found]
        return [row | {name: bool(row[name]) for name in booleans} for row in rows]

    def count(self, condition: str, values: Sequence[Value]) -> int:
        """How many leads there are; `condition` is SQL."""
        with self.turn() as db:
            return int(db.execute(f"SELECT COUNT(*) FROM lead WHERE {condition}", tuple(values)).fetchone()[0])

    def states(self, ids: Sequence[str]) -> dict[str, tuple[bool, bool]]:
        """Whether each lead there is was deleted, and converted."""
        found: dict[str, tuple[bool, bool]] = {}
        with self.turn() as db:
            for start in range(0, len(ids), 500):
                some = ids[start : start + 500]
                marks = ", ".join("?" * len(some))
                rows = db.execute(f"SELECT Id, IsDeleted, IsConverted FROM lead WHERE Id IN ({marks})", some)
                found |= {lead_id: (bool(deleted), bool(converted)) for lead_id, deleted, converted in rows}
        return found

    def update(self, names: Sequence[str], changes: Iterable[Sequence[Value]]) -> None:
        """Update leads in order. A change is, for each field, whether to set it and to what, and then the id."""
        sets = "".join(f'"{name}" = CASE WHEN ? THEN ? ELSE "{name}" END, ' for name in names)
        with self.turn() as db:
            db.executemany(f"UPDATE lead SET {sets} updates = updates + 1 WHERE Id = ?", changes)

    def new_job(self, line_ending: str, user: str, at: str, api_version: float) -> Job:
        """Record a job that is Open."""
        with self.turn() as db:
            number = db.execute(
                "INSERT INTO job (state, line_ending, created_by, created_at, api_version) VALUES ('Open', ?, ?, ?, ?)",
                (line_ending, user, at, api_version),
            ).lastrowid
            job_id = to_18(f"7506g{number:010d}")
            db.execute("UPDATE job SET id = ? WHERE number = ?", (job_id, number))
        return self.jobs("id = ?", job_id)[0]

    def jobs(self, condition: str = "1", *values: str) -> list[Job]:
        """Jobs in order of creation; `condition` is SQL."""
        with self.turn() as db:
            rows = db.execute(f"SELECT {', '.join(_JOB)} FROM job WHERE {condition} ORDER BY number", values).fetchall()
        return [Job(*row) for row in rows]

    def save(self, job: Job) -> None:
        """Write what may change of a job, all but its content."""
        changing = ("state", "rows", "read", "processed", "failed", "error", "fault")
        sets = ", ".join(f'"{name}" = ?' for name in changing)
        with self.turn() as db:
            db.execute(f"UPDATE job SET {sets} WHERE id = ?", (*(getattr(job, name) for name in changing), job.id))

    def upload(self, job_id: str, content: bytes) -> None:
        """Keep a job's CSV."""
        with self.turn() as db:
            db.execute("UPDATE job SET content = ?, rows = ? WHERE id = ?", (content, content.count(b"\n") - 1, job_id))

    def drop_rows(self, job: Job) -> None:
        """Keep only the header of a job's CSV."""
        if job.content is not None:
            job.content = job.content.partition(b"\n")[0] + b"\n"
            with self.turn() as db:
                db.execute("UPDATE job SET content = ? WHERE id = ?", (job.content, job.id))

    def delete_job(self, job_id: str) -> None:
        """Forget a job and its results."""
        with self.turn() as db:
            db.execute("DELETE FROM result WHERE job = ?", (job_id,))
            db.execute("DELETE FROM job WHERE id = ?", (job_id,))

    def add_results(self, job_id: str, kind: str, lines: Iterable[str]) -> None:
        """Append lines of CSV to a result file."""
        with self.turn() as db:
            db.executemany("INSERT INTO result VALUES (?, ?, ?)", ((job_id, kind, line) for line in lines))

    def results(self, job_id: str, kind: str) -> list[str]:
        """Lines of a result file, without its header."""
        with self.turn() as db:
            return [
                line for (line,) in db.execute("SELECT line FROM result WHERE job = ? AND kind = ?", (job_id, kind))
            ]


def _row(lead: SeedLead, made: Sequence[OrgField]) -> tuple[Value, ...]:
    unknown = lead.values.keys() - {each.name for each in made} if lead.values else ()
    if unknown or not is_record_id(lead.id):
        raise SalesforceSetupError(f"{lead.id!r} is no lead of this org: its id is malformed, or it has no {unknown}.")
    given = [(each.type, lead.values.get(each.name)) for each in made]
    values = [bool(value) if kind == "boolean" else value for kind, value in given]
    return (to_18(lead.id), lead.is_deleted, lead.is_converted, *values)
