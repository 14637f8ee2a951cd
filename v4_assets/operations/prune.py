"""What piles up and is not needed for any decision: Dagster's old runs, files of old days, features of old days.

A decision reads the warehouse alone, so old runs are history only. Runs and reports of promotions, rollbacks and
sunsets stay, and so do the archive, the models, and every table but those of features, on which no cohort is judged. A
removed partition is noted on its write, which stays: what was judged of it stays valid.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import select

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.environment import Settings
from v4_assets.errors import TableMissingError, V4Error
from v4_assets.names import ACTION_JOBS
from v4_assets.operations.instance import dagster_instance
from v4_assets.partitions import feature_tables
from v4_assets.resources import store
from v4_assets.runs import UNFINISHED
from v4_assets.warehouse.duckdb import file as warehouse
from v4_assets.warehouse.protocol import Statement

LEAST_DAYS = 30
"""Younger runs are looked into when something is asked of last month."""
FINISHED = [status for status in dg.DagsterRunStatus if status not in UNFINISHED]


@dataclass(frozen=True)
class Old:
    """Runs, files and features that are older than what is kept."""

    run_ids: tuple[str, ...]
    files: tuple[Path, ...]
    features: Mapping[str, tuple[date, ...]] = field(default_factory=dict)
    """Key of a table of features to the days of its old partitions, oldest first."""

    @property
    def partitions(self) -> int:
        """Number of old partitions of features."""
        return sum(map(len, self.features.values()))


def old(settings: Settings, keep_days: int) -> Old:
    """What is older: runs and files than `keep_days`, features than rollout.yaml's keep_features_days.

    Raises V4Error below LEAST_DAYS.
    """
    if keep_days < LEAST_DAYS:
        raise V4Error(f"{keep_days} days are too few: at least {LEAST_DAYS} are kept. Give a larger number.")
    files = tuple(_files(settings, settings.clock.today() - timedelta(days=keep_days)))
    features = _features(settings)
    if not (settings.dagster_home / "dagster.yaml").exists():
        return Old((), files, features)
    # Dagster stamps runs by the machine's time, whatever V4_NOW says.
    before = Clock().now() - timedelta(days=keep_days)
    with dagster_instance(settings) as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=FINISHED, created_before=before))
    return Old(tuple(run.run_id for run in runs if run.job_name not in ACTION_JOBS.values()), files, features)


def remove(settings: Settings, what: Old) -> None:
    """Delete the files, the partitions, and the runs with everything Dagster keeps of them."""
    for file in what.files:
        file.unlink(missing_ok=True)
    if what.features:
        _remove_features(settings, what.features)
    if (settings.dagster_home / "dagster.yaml").exists():
        with dagster_instance(settings) as instance:
            for run_id in what.run_ids:
                instance.delete_run(run_id)
            _remove_left_over(instance, settings.dagster_home)


def _remove_left_over(instance: dg.DagsterInstance, home: Path) -> None:
    """Delete what Dagster leaves of deleted runs, these and earlier ones: check rows, a file each, compute logs."""
    known = {run.run_id for run in instance.get_runs()}
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)  # SQLite and Postgres, the two that deploy/ offers
    column = AssetCheckExecutionsTable.c.run_id
    with storage.index_connection() as connection:
        checked = {str(row[0]) for row in connection.execute(select(column).distinct())}
        for run_id in sorted(checked - known):
            connection.execute(AssetCheckExecutionsTable.delete().where(column == run_id))
    for path in (*(home / "history" / "runs").glob("*.db*"), *(home / "storage").glob("*")):
        if _run_of(path) not in (None, *known):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _features(settings: Settings) -> dict[str, tuple[date, ...]]:
    """Old partitions of the embedded warehouse; never one that a view shows.

    A version's view shows its latest day of features, with the advisors' firms of that day.
    """
    keep_days, today = settings.rollout.keep_features_days, settings.clock.today()
    if keep_days is None or settings.warehouse != "duckdb" or not settings.duckdb_file.exists():
        return {}
    record, before = store(settings, reading=True), today - timedelta(days=keep_days)
    try:
        writes = record.latest_writes(date.min, today)
    except TableMissingError:
        return {}
    written = {
        table.key: sorted(day for (name, day), write in writes.items() if name == table.name and write.has_rows)
        for table in feature_tables(record.catalogue)
    }
    shown = {key: set(days[-1:]) for key, days in written.items()}
    for version in record.catalogue.versions.values():
        shown[tables.ADVISOR_FIRMS] |= shown[tables.features_key(version.key)]
    found = {key: tuple(day for day in days if day < before and day not in shown[key]) for key, days in written.items()}
    return {key: days for key, days in found.items() if days}


def _remove_features(settings: Settings, features: Mapping[str, Sequence[date]]) -> None:
    """Each table in one transaction; a day of which only some were removed is refused like any other."""
    record = store(settings)
    with record.session():
        for key, days in features.items():
            listed = {"days": json.dumps([day.isoformat() for day in days])}
            noted = listed | {"pruned_table": record.catalogue[key].name, "removed_at": settings.clock.now()}
            record.warehouse.transact(
                [
                    Statement(record.catalogue.query("prune_partitions", listed, pruned=key)),
                    Statement(record.catalogue.query("record_pruned", noted)),
                ]
            )


def _run_of(path: Path) -> str | None:
    """The run whose file or folder it is; None for one that belongs to no run."""
    name = path.name.partition(".")[0]
    try:
        return name if str(UUID(name)) == name else None
    except ValueError:
        return None


def _files(settings: Settings, before: date) -> Iterator[Path]:
    """Daily reports with their charts, and the files of dry runs. Their names begin with their day."""
    for folder, pattern in ((settings.places.reports, "*-daily*"), (settings.home / "salesforce", "*_*")):
        for file in sorted(folder.glob(pattern)):
            try:
                day = date.fromisoformat(file.name[:10])
            except ValueError:
                continue  # not one of ours
            if day < before:
                yield file


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
