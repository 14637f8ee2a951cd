"""The firm's own tables: never written here, looked at every day before anything reads them."""

from collections.abc import Sequence

import dagster as dg

from v4_assets import tables
from v4_assets.assets.daily import Day, Desk, range_before, table_asset
from v4_assets.checks import Finding
from v4_assets.checks import sources as checks
from v4_assets.clock import cutoff
from v4_assets.settings import Rollout

GROUP = "sources"


def source_specs(rollout: Rollout) -> list[dg.AssetSpec]:
    """The source tables as external assets."""
    return [
        dg.AssetSpec(
            table.key,
            group_name=GROUP,
            description=f"{table.description}. Written by the firm's own systems.",
            kinds={"bigquery"},
            metadata={"dagster/table_name": f"{table.dataset}.{table.name}"},
        )
        for table in rollout.catalogue.sources
    ]


def source_observations(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """Row counts, nulls and freshness of every source column, and the checks that stop a broken source."""
    return table_asset(
        tables.SOURCE_OBSERVATIONS,
        rollout=rollout,
        partitions=partitions,
        group=GROUP,
        kinds={"sql"},
        checks=checks.CHECKS,
        judge=_judge,
    )


def _judge(desk: Desk, day: Day) -> Sequence[Finding]:
    window = {"first_day": range_before(day, desk.limits)["first_day"], "last_day": day.date}
    return checks.judge(
        declared=[(table, desk.warehouse.columns(table)) for table in desk.catalogue.sources],
        observations=desk.warehouse.read(desk.catalogue.query("recent_source_observations", window)).to_pylist(),
        day=day.date,
        known_at=cutoff(day.date),
        limits=desk.limits,
    )
