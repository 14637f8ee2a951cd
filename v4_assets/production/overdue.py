"""What should be there by now and is not, beside the evaluation: the live version's scores, the sync, the month.

Dagster's own freshness policies ask whether an asset was made at all since midnight, whatever day it was made for.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import dagster as dg

from v4_assets import verdicts
from v4_assets.clock import NEW_YORK, Clock
from v4_assets.config.rollout import Rollout
from v4_assets.prospects import readiness
from v4_assets.prospects.months import key_of
from v4_assets.runs import at_work
from v4_assets.store import Store

RUNS_READ = 20


@dataclass(frozen=True)
class Overdue:
    """Scores or sync of today, or scores of the month, that are not there although they are due."""

    what: str
    """scores, sync or month."""
    text: str


def due(rollout: Rollout, day: date) -> datetime:
    """The instant from which a day without its run is overdue."""
    return rollout.daily_run.on(day, NEW_YORK) + timedelta(minutes=rollout.policy.grace_minutes)


def overdue(
    instance: dg.DagsterInstance,
    store: Store,
    rollout: Rollout,
    clock: Clock,
    live: str | None,
    owed: str | None,
    *,
    differs: bool,
) -> Overdue | None:
    """The first thing of today that is overdue; None when nothing is, or its run is still executing.

    `owed` says why Salesforce lacks the live version's scores of today. With `differs` it carries another version's,
    which is wrong at any hour.
    """
    today = clock.today()
    is_due = clock.now() >= due(rollout, today)
    if live is None or not (is_due or differs):
        return None
    if _is_executing(instance, today.isoformat()):
        return None
    problems = verdicts.unpassed(store, today, live) if is_due else []
    if problems:
        return Overdue(
            "scores", f"{live}, the live version, has no scores of {today} that passed: {'; '.join(problems)}."
        )
    if owed:
        return Overdue("sync", f"Salesforce has not received {live}'s scores of {today}: {owed.rstrip('.')}.")
    late = readiness.late_month(store, rollout, live, today)
    return Overdue("month", late) if late and not _is_executing(instance, key_of(today)) else None


def _is_executing(instance: dg.DagsterInstance, partition: str) -> bool:
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": partition}), limit=RUNS_READ)
    return any(at_work(instance, run) for run in runs)
