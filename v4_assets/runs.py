"""Whether a run is still executing. A killed process leaves its run STARTED; Dagster notices only after hours."""

import os
import socket
from datetime import UTC, datetime, timedelta

import dagster as dg

from v4_assets.clock import Clock
from v4_assets.names import PROCESS_TAG

LONGEST_RUN = timedelta(hours=2)
"""max_runtime_seconds of deploy/*.yaml. An older unfinished run counts as abandoned."""
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


def end_left_over(instance: dg.DagsterInstance) -> None:
    """Mark every abandoned run failed: it would otherwise occupy a slot of the run queue."""
    for run in unfinished(instance):
        at_work(instance, run)


def why_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Why an unfinished run is known to be abandoned; None while it may be executing. Reads only."""
    if _is_dead(run.tags.get(PROCESS_TAG, "")):
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
