"""What a command reads of Dagster's SQLite files: runs, materializations, check results.

Importing Dagster's own storage takes longer than importing Dagster. What is asked for beyond these reads is done by the
real instance, which is opened then. Both read the same tables; the tests compare their answers.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._serdes import deserialize_value

INDEX = "index"
"""The file of all runs' asset events, beside a file for each run."""


def names_a_storage(config: Path) -> bool:
    """Whether a dagster.yaml says where runs and events are; otherwise it is SQLite beside it."""
    written = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    return any(key == "storage" or key.endswith("_storage") for key in written)


@dataclass(frozen=True)
class Records:
    """Events, as the instance returns them."""

    records: Sequence[dg.EventLogRecord]


class ReadInstance:
    """Reads the instance whose folder is `home`. `opened` gives the real one, once."""

    def __init__(self, home: Path, opened: Callable[[], dg.DagsterInstance]) -> None:
        self._history = home / "history"
        self._opened = opened

    def __getattr__(self, name: str) -> Any:
        """Anything that is not read here, writes above all."""
        return getattr(self._real, name)

    @cached_property
    def _real(self) -> dg.DagsterInstance:
        return self._opened()

    def report_run_failed(self, run: dg.DagsterRun, message: str | None = None) -> None:
        """Nothing: reading changes no run. The sensors report what was abandoned."""

    def get_runs(self, filters: dg.RunsFilter | None = None, *, limit: int | None = None) -> list[dg.DagsterRun]:
        """Runs, newest first."""
        return [record.dagster_run for record in self.get_run_records(filters, limit=limit)]

    def get_run_by_id(self, run_id: str) -> dg.DagsterRun | None:
        """A run; None when there is none of this id."""
        record = self.get_run_record_by_id(run_id)
        return record.dagster_run if record else None

    def get_run_record_by_id(self, run_id: str) -> dg.RunRecord | None:
        """A run and its times; None when there is none of this id."""
        return next(iter(self.get_run_records(dg.RunsFilter(run_ids=[run_id]), limit=1)), None)

    def get_run_records(self, filters: dg.RunsFilter | None = None, *, limit: int | None = None) -> list[dg.RunRecord]:
        """Runs and their times, newest first. Filters by ids, job, statuses and tags."""
        where, values = _where(filters or dg.RunsFilter())
        columns = "id, run_body, status, create_timestamp, update_timestamp, start_time, end_time"
        query = f"SELECT {columns} FROM runs WHERE {where} ORDER BY id DESC LIMIT {-1 if limit is None else limit}"
        return [_run(row) for row in _rows(self._history / "runs.db", query, values)]

    def fetch_materializations(self, wanted: dg.AssetRecordsFilter, limit: int) -> Records:
        """The latest materializations of an asset, newest first. Filters by asset and partitions."""
        _verify(wanted, dg.AssetRecordsFilter(wanted.asset_key, asset_partitions=wanted.asset_partitions))
        where, values = "dagster_event_type = ? AND asset_key = ?", [_MADE, wanted.asset_key.to_string()]
        if wanted.asset_partitions:
            where += f" AND partition IN ({_marks(wanted.asset_partitions)})"
            values += wanted.asset_partitions
        return self._events(INDEX, f"{where} ORDER BY id DESC LIMIT {limit}", values)

    def get_records_for_run(self, run_id: str, *, of_type: dg.DagsterEventType) -> Records:
        """The events of a run of one type, in their order."""
        return self._events(run_id, "run_id = ? AND dagster_event_type = ? ORDER BY id", [run_id, of_type.value])

    def _events(self, file: str, where: str, values: Sequence[str]) -> Records:
        query = f"SELECT id, event FROM event_logs WHERE {where}"
        rows = _rows(self._history / "runs" / f"{file}.db", query, values)
        return Records(
            [dg.EventLogRecord(row["id"], deserialize_value(row["event"], dg.EventLogEntry)) for row in rows]
        )


_MADE = dg.DagsterEventType.ASSET_MATERIALIZATION.value


def _where(filters: dg.RunsFilter) -> tuple[str, list[str]]:
    """The condition on runs, and its values."""
    names = ("run_ids", "job_name", "statuses", "tags")
    _verify(filters, dg.RunsFilter(**{name: getattr(filters, name) for name in names}))
    parts, values = ["1 = 1"], list[str]()
    if filters.run_ids is not None:
        parts.append(f"run_id IN ({_marks(filters.run_ids)})")
        values += filters.run_ids
    if filters.job_name:
        parts.append("pipeline_name = ?")
        values.append(filters.job_name)
    if filters.statuses:
        parts.append(f"status IN ({_marks(filters.statuses)})")
        values += [status.value for status in filters.statuses]
    for key, value in filters.tags.items():
        wanted = [value] if isinstance(value, str) else value
        parts.append(f"run_id IN (SELECT run_id FROM run_tags WHERE key = ? AND value IN ({_marks(wanted)}))")
        values += [key, *wanted]
    return " AND ".join(parts), values


def _verify(filters: object, read: object) -> None:
    """Raise NotImplementedError for a condition that would be ignored here."""
    if filters != read:
        raise NotImplementedError(f"{filters} holds a condition that is not read here. Add it, or use the instance.")


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _rows(file: Path, query: str, values: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The answer of a file; empty where Dagster has not made it yet."""
    if not file.exists():
        return
    with closing(sqlite3.connect(f"file:{file}?{_mode(file)}", uri=True, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        yield from connection.execute(query, values).fetchall()


def _mode(file: Path) -> str:
    """How SQLite opens a file that is read. In a folder without the right to write it cannot make its index of the log;
    without a log it needs none."""
    effective = os.access in os.supports_effective_ids
    if all(os.access(path, os.W_OK, effective_ids=effective) for path in (file.parent, file)):
        return "mode=rw"
    return "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "mode=ro&immutable=1"


def _run(row: Mapping[str, Any]) -> dg.RunRecord:
    # The column is set last; the body may hold an earlier status.
    run = deserialize_value(row["run_body"], dg.DagsterRun).with_status(dg.DagsterRunStatus(row["status"]))
    created, updated = (
        datetime.fromisoformat(row[name]).replace(tzinfo=UTC) for name in ("create_timestamp", "update_timestamp")
    )
    return dg.RunRecord(
        storage_id=row["id"],
        dagster_run=run,
        create_timestamp=created,
        update_timestamp=updated,
        start_time=row["start_time"],
        end_time=row["end_time"],
    )
