"""What of today should be there by now and is not, beside the evaluation: the live version's scores, and the sync.

Dagster's own freshness policies ask whether an asset was made at all since midnight, whatever day it was made for.
"""

from dataclasses import dataclass

import dagster as dg

from v4_assets.clock import Clock
from v4_assets.configuration.rollout_file import Rollout
from v4_assets.record import verdicts
from v4_assets.resources.warehouse import Warehouse
from v4_assets.rollout import owed_sync
from v4_assets.rollout.assess import Assessment, due
from v4_assets.rollout.runs import at_work

RUNS_LOOKED_AT = 20


@dataclass(frozen=True)
class Missing:
    """Scores or sync of today, not there though they are due."""

    what: str
    """scores or sync."""
    text: str


def missing(
    instance: dg.DagsterInstance, warehouse: Warehouse, rollout: Rollout, clock: Clock, assessment: Assessment
) -> Missing | None:
    """The first thing that is missing; None when nothing is, it is not due, a run is at it, or it is told already."""
    today, live = assessment.status.today, assessment.status.live
    told = assessment.missing_day or assessment.unfinished
    if live is None or told or clock.now() < due(rollout, today):
        return None
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": today.isoformat()}), limit=RUNS_LOOKED_AT)
    if any(at_work(instance, run) for run in runs):
        return None
    problems = verdicts.unpassed(warehouse, rollout.catalogue, today, live)
    if problems:
        return Missing("scores", f"{live}, which is live, has no scores of {today} that passed: {'; '.join(problems)}.")
    if not owed_sync.is_done(instance, today):
        return Missing("sync", f"Salesforce has not got {live}'s scores of {today}: no sync of the day went through.")
    return None
