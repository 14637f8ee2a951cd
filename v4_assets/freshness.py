"""By when the day's assets are expected: Dagster's freshness policies, which the asset pages show as fresh or stale.

A policy asks whether an asset was made at all since midnight, whatever day it was made for. That today's own rows are
there is asked by the alert sensor and by `v4 status` (rollout/missing.py).
"""

from datetime import datetime

import dagster as dg

from v4_assets.clock import NEW_YORK
from v4_assets.rollout.assess import due
from v4_assets.rollout_file import Rollout


def expected(asset: dg.AssetsDefinition, rollout: Rollout) -> dg.AssetsDefinition:
    """The asset with the policy that it is made every day before it counts as missing."""
    policy = every_morning(rollout)
    return asset.map_asset_specs(lambda spec: dg.apply_freshness_policy(spec, policy))


def every_morning(rollout: Rollout) -> dg.FreshnessPolicy:
    """Made between midnight and the end of the day's grace, New York."""
    deadline = due(rollout, rollout.first_day)
    midnight = datetime.combine(rollout.first_day, datetime.min.time(), NEW_YORK)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{deadline.minute} {deadline.hour} * * *",
        lower_bound_delta=deadline - midnight,
        timezone=NEW_YORK.key,
    )
