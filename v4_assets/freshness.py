"""By when the day's assets are expected: Dagster's freshness policies, which the asset pages show as fresh or stale.

A policy asks whether an asset was made at all since midnight, whatever day it was made for. That today's own rows are
there is checked by the alert sensor and by `v4 status` (production/overdue.py).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import dagster as dg

from v4_assets import tables
from v4_assets.clock import NEW_YORK
from v4_assets.config.rollout import Rollout
from v4_assets.names import SALESFORCE_SYNC
from v4_assets.production.overdue import due

SHORTEST = timedelta(minutes=1)
"""The shortest window of a cron policy in Dagster."""


def expected(rollout: Rollout, archived: Iterable[str]) -> set[str]:
    """The assets that must be there every morning: scores of every version that is not archived, comparison, sync."""
    gone = set(archived)
    scored = {tables.scores_key(entry.key) for version, entry in rollout.versions.items() if version not in gone}
    return {*scored, tables.LIFT_COMPARISON, SALESFORCE_SYNC}


def every_morning(rollout: Rollout) -> dg.FreshnessPolicy:
    """Made between midnight and the end of the day's grace, New York."""
    deadline = due(rollout, rollout.first_day)
    midnight = datetime.combine(rollout.first_day, datetime.min.time(), NEW_YORK)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{deadline.minute} {deadline.hour} * * *",
        lower_bound_delta=max(deadline - midnight, SHORTEST),
        timezone=NEW_YORK.key,
    )
