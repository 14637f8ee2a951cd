"""Which leads are scored on a day."""

from collections.abc import Sequence

import dagster as dg

from v4_assets import tables
from v4_assets.checks import Finding
from v4_assets.config.rollout import Rollout
from v4_assets.daily import table_asset
from v4_assets.names import LEADS_GROUP
from v4_assets.partition import Day, Desk, coverage, range_before
from v4_assets.sources import lead_checks as checks
from v4_assets.warehouse.latest_writes import latest_writes


def scored_leads(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The open leads as of the day's cut-off: the one list every version scores."""
    return table_asset(
        tables.SCORED_LEADS,
        rollout=rollout,
        partitions=partitions,
        group=LEADS_GROUP,
        kinds={"sql"},
        checks=checks.CHECKS,
        judge=_judge,
    )


def _judge(desk: Desk, day: Day) -> Sequence[Finding]:
    window = range_before(day, desk.limits)
    table = desk.catalogue[tables.SCORED_LEADS]
    writes = latest_writes(desk.warehouse, desk.catalogue, window["first_day"], window["last_day"])
    return checks.judge(
        coverage(desk, day, expected=table.key, actual=table.key),
        counts_before=[write.row_count for (name, _), write in writes.items() if name == table.name],
        limits=desk.limits,
    )
