"""Which leads are scored on a day."""

from collections.abc import Sequence
from functools import partial

import dagster as dg

from v4_assets import tables
from v4_assets.checks import Finding
from v4_assets.config.rollout import CheckLimits, Rollout
from v4_assets.daily import table_asset
from v4_assets.names import LEADS_GROUP
from v4_assets.partition import Day, coverage, range_before
from v4_assets.sources import lead_checks as checks
from v4_assets.store import Store


def scored_leads(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The open leads as of the day's cut-off: the one list every version scores."""
    return table_asset(
        tables.SCORED_LEADS,
        rollout=rollout,
        partitions=partitions,
        group=LEADS_GROUP,
        kinds={"sql"},
        checks=checks.CHECKS,
        judge=partial(_judge, limits=rollout.checks),
    )


def _judge(store: Store, day: Day, limits: CheckLimits) -> Sequence[Finding]:
    window = range_before(day, limits)
    table = store.catalogue[tables.SCORED_LEADS]
    writes = store.latest_writes(window["first_day"], window["last_day"])
    return checks.judge(
        coverage(store, day, expected=table.key, actual=table.key),
        counts_before=[write.row_count for (name, _), write in writes.items() if name == table.name],
        limits=limits,
    )
