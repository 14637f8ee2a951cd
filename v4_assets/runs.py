"""Whether a run is still executing. A killed process leaves its run STARTED; Dagster notices only after hours."""

import os
import socket
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from v4_assets.clock import Clock
from v4_assets.names import ACTION_TAG, PROCESS_TAG

LONGEST_RUN = timedelta(hours=2)
"""max_runtime_seconds of deploy/*.yaml. An older unfinished run counts as abandoned."""
PARTITION_TAG = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
UNFINISHED = tuple(
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
)


def this_process() -> str:
    """The value of PROCESS_TAG for a run in this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def at_work(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run is still executing. If its process is gone, mark it failed."""
    if run.is_finished:
        return False
    reason = why_gone(instance, run)
    if reason:
        instance.report_run_failed(run, reason)
    return reason is None


def unfinished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that have not ended, executing or abandoned, newest first. Reads only."""
    return list(instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED))))


def executing(instance: dg.DagsterInstance, day: date, *, but: str | None = None) -> dg.DagsterRun | None:
    """A run that may still write or check the day, other than `but`; None when there is none. Actions do neither."""
    for run in unfinished(instance):
        is_other = run.run_id != but and ACTION_TAG not in run.tags
        if is_other and _covers(run, day) and at_work(instance, run):
            return run
    return None


def _covers(run: dg.DagsterRun, day: date) -> bool:
    """Whether the day is a run's partition or in its range of partitions."""
    first, last = run.tags.get(RANGE_START), run.tags.get(RANGE_END)
    in_range = bool(first and last and first <= day.isoformat() <= last)
    return in_range or run.tags.get(PARTITION_TAG) == day.isoformat()


def end_left_over(instance: dg.DagsterInstance) -> None:
    """Mark every abandoned run failed: it would otherwise occupy a slot of the run queue."""
    for run in unfinished(instance):
        at_work(instance, run)


def why_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Why an unfinished run is known to be abandoned; None while it may be executing. Reads only."""
    if _is_dead(_own_process(instance, run)):
        return "The process that executed this run has exited."
    record = instance.get_run_record_by_id(run.run_id)
    if record is None:
        return "The run was deleted."
    # Dagster stamps runs by the machine's time, whatever V4_NOW says.
    begun = record.start_time or record.create_timestamp.timestamp()
    if Clock().now() - datetime.fromtimestamp(begun, UTC) > LONGEST_RUN:
        hours = int(LONGEST_RUN.total_seconds() // 3600)
        return f"The run has not ended within {hours} hours; its process is assumed to be gone."
    return None


def _own_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """The process that executes a run, empty while it is not known: a re-execution begins with its parent's tags."""
    process = run.tags.get(PROCESS_TAG, "")
    if not (process and run.parent_run_id):
        return process
    parent = instance.get_run_by_id(run.parent_run_id)
    inherited = parent is None or parent.tags.get(PROCESS_TAG) == process
    return "" if inherited else process


def _is_dead(process: str) -> bool:
    """True if it ran on this host and has exited. Other hosts can only be judged by age."""
    host, _, pid = process.rpartition(":")
    if host != socket.gethostname() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
