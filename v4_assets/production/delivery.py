"""Whether Salesforce has the day's scores: one reading of v4_salesforce_syncs, for status, sensor, alerts and report.

Production's own sync must not wait for the challenger: when the day's run ended without it, it is run by itself.
"""

from datetime import date, datetime

import dagster as dg

from v4_assets import tables, verdicts
from v4_assets.clock import NEW_YORK, Clock
from v4_assets.names import DAILY_JOB
from v4_assets.production import events as deployments
from v4_assets.production.syncs import Delivery
from v4_assets.runs import PARTITION_TAG, executing
from v4_assets.store import Store

ATTEMPTS = 3


def read(store: Store) -> Delivery:
    """Every sync on record."""
    rows = store.rows(tables.SALESFORCE_SYNCS)
    return Delivery([row | {"ended_at": row["ended_at"].astimezone(NEW_YORK)} for row in rows])


def owed(store: Store, day: date, live: str | None) -> str | None:
    """Why Salesforce lacks the live version's scores of the day; None when they are delivered."""
    switch = deployments.state_after(store.events()).live
    return read(store).owed(day, live, switch.happened_at if switch else None)


def action_id(day: date) -> str:
    """What the runs of a day's owed sync are tagged with."""
    return f"sync-{day}"


def is_owed(instance: dg.DagsterInstance, store: Store, clock: Clock, live: str | None, since: datetime) -> bool:
    """Whether the live version's scores of today are good, no run is at work on them, and Salesforce lacks them.

    Before `since`, the instant from which the day's run is overdue, that run must have begun: it sends them itself.
    """
    day = clock.today()
    if live is None or owed(store, day, live) is None:
        return False
    runs = dg.RunsFilter(job_name=DAILY_JOB, tags={PARTITION_TAG: day.isoformat()})
    if clock.now() < since and not instance.get_runs(runs, limit=1):
        return False
    return executing(instance, day) is None and not verdicts.unpassed(store, day, live)
