"""Attempts at an action: how many were made, whether one is running, when the next one starts.

The sensor daemon never launches a run key twice, not even when its run failed. So every attempt has a key of its own,
and the sensor skips ticks between attempts, twice as many each time.

Two concurrent sensor ticks may each find no active run and start one. The later run waits for the earlier one and
finds the action carried out, or carries through what is missing.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from v4_assets.errors import PolicyError
from v4_assets.names import ACTION_TAG
from v4_assets.runs import at_work

SECONDS_BETWEEN_POLLS = 1.0


@dataclass(frozen=True)
class Attempt:
    """The next attempt, or why there is none now."""

    number: int | None
    reason: str
    cursor: str
    exhausted: bool = False
    """No attempt is left: only an operator can try again."""


def next_attempt(instance: dg.DagsterInstance, action_id: str, cursor: str | None, max_attempts: int) -> Attempt:
    """The next attempt at an action. `cursor` is what the previous call returned."""
    runs = instance.get_runs(dg.RunsFilter(tags={ACTION_TAG: action_id}))
    for run in runs:
        if at_work(instance, run):
            return Attempt(None, f"run {run.run_id} is executing it", _cursor(action_id, _skips(cursor, action_id)))
    made = len(runs)
    if made >= max_attempts:
        return Attempt(None, f"it was tried {made} times", _cursor(action_id, 0), True)
    skips = _skips(cursor, action_id)
    if skips > 0:
        return Attempt(None, f"attempt {made + 1} comes after {skips} more ticks", _cursor(action_id, skips - 1))
    # Ticks skipped before the attempts: none before the 1st and 2nd, then 1, 3, 7, …
    return Attempt(made + 1, f"attempt {made + 1}", _cursor(action_id, 2**made - 1 if made else 0))


def await_turn(
    instance: dg.DagsterInstance,
    run_id: str,
    action_id: str,
    *,
    minutes: float,
    log: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until no earlier run of an action is executing. Raises PolicyError when one still is after `minutes`."""
    deadline = time.monotonic() + minutes * 60
    logged = ""
    while ahead := _ahead(instance, run_id, action_id):
        if time.monotonic() >= deadline:
            raise PolicyError(
                f"Run {ahead.run_id} has been carrying out the same order for {minutes:g} minutes and is not over. "
                "Nothing was changed. If it works no more, terminate it on its page in Dagster, then `v4 resume`."
            )
        if ahead.run_id != logged:
            logged = ahead.run_id
            log(f"Run {logged} carries out the same order; this one waits for its end.")
        sleep(SECONDS_BETWEEN_POLLS)


def _ahead(instance: dg.DagsterInstance, run_id: str, action_id: str) -> dg.DagsterRun | None:
    """A run of the action that was recorded before this one and is not over. Of two, exactly one sees the other."""
    records = instance.get_run_records(dg.RunsFilter(tags={ACTION_TAG: action_id}))
    own = next(one.storage_id for one in records if one.dagster_run.run_id == run_id)
    earlier = (one.dagster_run for one in records if one.storage_id < own)
    # A queued one may itself be waiting for a place that this run holds.
    begun = (run for run in earlier if run.status is not dg.DagsterRunStatus.QUEUED)
    return next((run for run in begun if at_work(instance, run)), None)


def _cursor(action_id: str, skips: int) -> str:
    return json.dumps({"action_id": action_id, "skips": skips})


def _skips(cursor: str | None, action_id: str) -> int:
    saved = json.loads(cursor) if cursor else {}
    return int(saved["skips"]) if saved.get("action_id") == action_id else 0
