"""How often an action was tried, whether somebody is at it now, and when it is tried again.

The sensor daemon never launches a run key twice, not even when its run failed. So every attempt has a key of its own,
and looks are skipped between them, twice as many each time.
"""

import json
from dataclasses import dataclass

import dagster as dg

from v4_assets.rollout.orders import ACTION_TAG
from v4_assets.rollout.runs import at_work


@dataclass(frozen=True)
class Attempt:
    """The next attempt, or why there is none now."""

    number: int | None
    reason: str
    cursor: str
    exhausted: bool = False
    """Only a person can try again."""


def next_attempt(instance: dg.DagsterInstance, action_id: str, cursor: str | None, max_attempts: int) -> Attempt:
    """What to do about an action now. `cursor` is what the last look at it returned."""
    runs = instance.get_runs(dg.RunsFilter(tags={ACTION_TAG: action_id}))
    for run in runs:
        if at_work(instance, run):
            return Attempt(None, f"run {run.run_id} is at it", _cursor(action_id, _skips(cursor, action_id)))
    made = len(runs)
    if made >= max_attempts:
        return Attempt(None, f"it was tried {made} times", _cursor(action_id, 0), True)
    skips = _skips(cursor, action_id)
    if skips > 0:
        return Attempt(None, f"attempt {made + 1} comes after {skips} more looks", _cursor(action_id, skips - 1))
    # Looks skipped before the attempts: none before the 1st and 2nd, then 1, 3, 7, …
    return Attempt(made + 1, f"attempt {made + 1}", _cursor(action_id, 2**made - 1 if made else 0))


def _cursor(action_id: str, skips: int) -> str:
    return json.dumps({"action_id": action_id, "skips": skips})


def _skips(cursor: str | None, action_id: str) -> int:
    said = json.loads(cursor) if cursor else {}
    return int(said["skips"]) if said.get("action_id") == action_id else 0
