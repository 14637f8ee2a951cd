"""The firm's own tables, read only and observed every day before other assets read them; the list of leads."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any

import dagster as dg

from v4_assets import tables
from v4_assets.checks import Finding
from v4_assets.clock import cutoff
from v4_assets.config.rollout import CheckLimits, Rollout
from v4_assets.daily import table_asset
from v4_assets.names import LEADS_GROUP, SOURCES_GROUP
from v4_assets.partitions import Day, coverage, range_before
from v4_assets.sources import checks
from v4_assets.store import Store


def source_specs(rollout: Rollout) -> list[dg.AssetSpec]:
    """The source tables as external assets."""
    return [
        dg.AssetSpec(
            table.key,
            group_name=SOURCES_GROUP,
            description=f"{table.description}. Written by the firm's own systems.",
            kinds={"table"},
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
        group=SOURCES_GROUP,
        kinds={"sql"},
        checks=checks.CHECKS,
        judge=partial(_judge_sources, limits=rollout.checks),
        observe=_observe,
    )


def scored_leads(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The open leads as of the day's cut-off: the one list every version scores."""
    return table_asset(
        tables.SCORED_LEADS,
        rollout=rollout,
        partitions=partitions,
        group=LEADS_GROUP,
        kinds={"sql"},
        checks=checks.LEAD_CHECKS,
        judge=partial(_judge_leads, limits=rollout.checks),
    )


def _observe(store: Store, day: Day) -> Iterator[dg.AssetObservation]:
    """Row count and newest entry of every source, for the source's own page."""
    for source, row in {row["source"]: row for row in _observations(store, day.date, day.date)}.items():
        latest = {"latest": dg.MetadataValue.timestamp(row["latest_at"])} if row["latest_at"] else {}
        yield dg.AssetObservation(
            source, metadata={"dagster/row_count": row["row_count"], "as_of": day.date.isoformat(), **latest}
        )


def _observations(store: Store, first: date, last: date) -> list[dict[str, Any]]:
    return store.rows("recent_source_observations", {"first_day": first, "last_day": last})


def _judge_sources(store: Store, day: Day, limits: CheckLimits) -> Sequence[Finding]:
    return checks.judge(
        declared=[(table, store.warehouse.columns(table)) for table in store.catalogue.sources],
        observations=_observations(store, range_before(day, limits)["first_day"], day.date),
        day=day.date,
        known_at=cutoff(day.date),
        limits=limits,
    )


def _judge_leads(store: Store, day: Day, limits: CheckLimits) -> Sequence[Finding]:
    window = range_before(day, limits)
    table = store.catalogue[tables.SCORED_LEADS]
    writes = store.latest_writes(window["first_day"], window["last_day"])
    return checks.judge_leads(
        coverage(store, day, expected=table.key, actual=table.key),
        counts_before=[write.row_count for (name, _), write in writes.items() if name == table.name],
        limits=limits,
    )
