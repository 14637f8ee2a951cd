"""Whether a run is still at work. A killed process leaves its run STARTED; nobody else would say so for hours."""

import os
import socket

import dagster as dg

PROCESS_TAG = "v4/process"
"""Run tag with host:pid of the process a run works in."""


def this_process() -> str:
    """The value of PROCESS_TAG for a run in this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def at_work(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run goes on. One whose process is gone is reported failed, so that nobody waits for it."""
    if run.is_finished:
        return False
    if _is_dead(run.tags.get(PROCESS_TAG, "")):
        instance.report_run_failed(run, "The process that carried out this run is gone.")
        return False
    return True


def _is_dead(process: str) -> bool:
    """It ran on this host and is no more. Of another host only Dagster's run monitoring knows."""
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
