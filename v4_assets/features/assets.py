"""The shared snapshot of advisors and firms, and from it the features of every version."""

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg
import pyarrow as pa

from v4_assets import tables
from v4_assets.checks import Check, Finding
from v4_assets.config.rollout import Rollout, Version
from v4_assets.daily import table_asset
from v4_assets.features import checks
from v4_assets.features.feature_statistics import FeatureStatistics, profile_rows, statistics_of
from v4_assets.features.unscorable import contract_of
from v4_assets.models.contract import Feature, unusable
from v4_assets.models.profile import Profile
from v4_assets.names import FEATURES_GROUP
from v4_assets.partitions import Day, coverage, range_before, write_partition
from v4_assets.production import production_row as production_store
from v4_assets.store import Store
from v4_assets.warehouse.protocol import arrow_schema


def snapshot_assets(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Departures, firms, advisors and common features, materialised once for every version."""
    return [
        table_asset(key, rollout=rollout, partitions=partitions, group=FEATURES_GROUP, kinds={"sql"})
        for key in (tables.INFERRED_DEPARTURES, tables.FIRM_ACTIVITY, tables.ADVISOR_FIRMS)
    ] + [
        table_asset(
            tables.COMMON_FEATURES,
            rollout=rollout,
            partitions=partitions,
            group=FEATURES_GROUP,
            kinds={"sql"},
            checks=(checks.ONE_PER_LEAD,),
            judge=lambda store, day: [_one_per_scored_lead(store, day, tables.COMMON_FEATURES)],
        )
    ]


def features_asset(
    version: str, entry: Version, rollout: Rollout, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """The features of one version, compared with its bundle's contract and with the days before."""
    key = tables.features_key(entry.key)

    def judge(store: Store, day: Day) -> Sequence[Finding]:
        found = store.warehouse.columns(store.catalogue[key])
        bundle = production_store.approved_bundle(store, version) if store.registry.has(version) else None
        features = contract_of(store, version, key)
        set_finding = checks.exact_set(found, features)
        if not set_finding.passed:
            return unreadable(set_finding)
        statistics, unscorable = read_statistics(store, day, key, features, bundle.profile if bundle else None)
        before = store.rows(
            "feature_profile", range_before(day, rollout.checks), feature_profile=tables.profile_key(entry.key)
        )
        keep_profile(store, day, tables.profile_key(entry.key), bundle.bundle_sha256 if bundle else "", statistics)
        covered = coverage(store, day, expected=tables.SCORED_LEADS, actual=key)
        return checks.judge(found, features, covered, statistics, before, rollout.checks, unscorable)

    return table_asset(
        key,
        rollout=rollout,
        partitions=partitions,
        group=FEATURES_GROUP,
        kinds={"sql"},
        checks=checks.CHECKS,
        judge=judge,
        version=version,
        priority=1,  # every version's features before any scores: a lead that one cannot score is scored by none
    )


def read_statistics(
    store: Store, day: Day, key: str, features: Sequence[Feature], profile: Profile | None
) -> tuple[list[FeatureStatistics], int]:
    """The statistics, and the number of leads that the model cannot score."""
    marked = 0

    def counted(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        nonlocal marked
        for batch in batches:
            marked += int(unusable(features, batch).sum())
            yield batch

    with store.warehouse.stream(store.catalogue.query("features_of_day", day.params, features=key)) as batches:
        return statistics_of(features, profile, counted(batches)), marked


def keep_profile(store: Store, day: Day, key: str, bundle_sha256: str, statistics: Sequence[FeatureStatistics]) -> None:
    table = store.catalogue[key]
    rows = profile_rows(statistics, prediction_date=day.date, retrospective=day.retrospective)
    write_partition(
        store,
        table,
        day,
        lambda: [pa.RecordBatch.from_pylist(rows, schema=arrow_schema(table))],
        (key, bundle_sha256),
    )


def _one_per_scored_lead(store: Store, day: Day, key: str) -> Finding:
    return checks.covers(checks.ONE_PER_LEAD, coverage(store, day, expected=tables.SCORED_LEADS, actual=key))


def unreadable(set_finding: Finding) -> list[Finding]:
    """Findings when the model's columns are missing: every other check fails, because it cannot be evaluated."""
    rest: list[Check] = [check for check in checks.CHECKS if check != set_finding.check]
    unknown = "not asked: the table does not have the model's features"
    return [set_finding, *(Finding(check, False, unknown, "the model's features") for check in rest)]
