"""Production's own sync must not wait for the challenger: when the day's run ended without it, it is run by itself."""

from datetime import date

import dagster as dg

from v4_assets import verdicts
from v4_assets.names import DAILY_JOB, SALESFORCE_SYNC
from v4_assets.runs import at_work
from v4_assets.store import Store

ATTEMPTS = 3


def action_id(day: date) -> str:
    """What the runs of a day's owed sync are tagged with."""
    return f"sync-{day}"


def is_done(instance: dg.DagsterInstance, day: date) -> bool:
    """Whether a sync of the day went through; a dry run is one, too."""
    done = dg.AssetRecordsFilter(asset_key=dg.AssetKey(SALESFORCE_SYNC), asset_partitions=[day.isoformat()])
    return bool(instance.fetch_materializations(done, limit=1).records)


def is_owed(instance: dg.DagsterInstance, store: Store, day: date, live: str | None) -> bool:
    """Whether the day's run is over, the live version's scores are good, and Salesforce has not got them."""
    if live is None or is_done(instance, day):
        return False
    tags = {"dagster/partition": day.isoformat()}
    runs = instance.get_runs(dg.RunsFilter(job_name=DAILY_JOB, tags=tags), limit=1)
    if not runs or at_work(instance, runs[0]):
        return False
    return not verdicts.unpassed(store, day, live)
