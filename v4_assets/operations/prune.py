"""What piles up and is not needed for any decision: Dagster's old runs, and files of old days under V4_HOME.

A decision reads the checks of its day's own run and the evidence in the warehouse, so old runs are history only. Runs
and reports of promotions, rollbacks and sunsets stay, and so do the archive, the models and every table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from v4_assets.clock import Clock
from v4_assets.config.environment import Settings
from v4_assets.errors import V4Error
from v4_assets.names import ACTION_JOBS
from v4_assets.operations.instance import dagster_instance
from v4_assets.runs import UNFINISHED

LEAST_DAYS = 30
"""Younger runs are looked into when something is asked of last month."""
FINISHED = [status for status in dg.DagsterRunStatus if status not in UNFINISHED]


@dataclass(frozen=True)
class Old:
    """What is older than so many days."""

    run_ids: tuple[str, ...]
    files: tuple[Path, ...]


def old(settings: Settings, keep_days: int) -> Old:
    """Runs and files that are older. Raises V4Error below LEAST_DAYS."""
    if keep_days < LEAST_DAYS:
        raise V4Error(f"{keep_days} days are too few: at least {LEAST_DAYS} are kept. Give a larger number.")
    files = tuple(_files(settings, settings.clock.today() - timedelta(days=keep_days)))
    if not (settings.dagster_home / "dagster.yaml").exists():
        return Old((), files)
    # Dagster stamps runs by the machine's time, whatever V4_NOW says.
    before = Clock().now() - timedelta(days=keep_days)
    with dagster_instance(settings) as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=FINISHED, created_before=before))
    return Old(tuple(run.run_id for run in runs if run.job_name not in ACTION_JOBS.values()), files)


def remove(settings: Settings, what: Old) -> None:
    """Delete the runs with their events, and the files."""
    for file in what.files:
        file.unlink(missing_ok=True)
    if what.run_ids:
        with dagster_instance(settings) as instance:
            for run_id in what.run_ids:
                instance.delete_run(run_id)


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
