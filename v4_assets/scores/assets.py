"""Each version's scores of the day: read the frozen features, score, rank, write."""

from collections.abc import Iterator, Sequence
from functools import partial

import dagster as dg
import pyarrow as pa

from v4_assets import tables
from v4_assets.checks import Finding
from v4_assets.config.rollout import CheckLimits, Rollout, Version
from v4_assets.daily import daily_asset
from v4_assets.days_in_parallel import Judge
from v4_assets.features.unscorable import left_out
from v4_assets.models.bundle import Bundle
from v4_assets.names import SCORES_GROUP
from v4_assets.partitions import Day, coverage, write_partition
from v4_assets.production import production_row as production_store
from v4_assets.scores import checks
from v4_assets.scores.scoring import ROWS_AT_ONCE, score_rows
from v4_assets.sql import Query
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse.protocol import Warehouse, arrow_schema
from v4_assets.warehouse.writes import PartitionWrite


def scores_asset(
    version: str, entry: Version, rollout: Rollout, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """The daily scores of one version."""
    features, scores = tables.features_key(entry.key), tables.scores_key(entry.key)

    def work(store: Store, day: Day) -> tuple[PartitionWrite, Judge]:
        bundle = production_store.approved_bundle(store, version)
        with_reasons = not day.retrospective and (
            rollout.reasons == "all" or (rollout.reasons == "production" and store.live() == version)
        )
        query = store.catalogue.query("features_of_day", day.params, features=features)
        table = store.catalogue[scores]
        without = left_out(store, rollout, version, day.date)
        rows = partial(
            scored_batches, store.warehouse, query, bundle, table, day, with_reasons=with_reasons, without=without
        )
        definition = (version, bundle.bundle_sha256)
        write = write_partition(store, table, day, rows, definition, [store.catalogue[features]])
        return write, lambda store: _judge(store, day, bundle, features, scores, rollout.checks, len(without))

    def waits(store: Store, days: Sequence[Day]) -> str | None:
        # Nothing is served by past days, nor before anything is live; on a day that is served it is an error.
        if store.registry.has(version) or not (store.live() is None or all(day.retrospective for day in days)):
            return None
        return (
            f"{version} is not registered yet. Its features are made; `v4 register {version}` can profile it on them."
        )

    return daily_asset(
        scores,
        rollout=rollout,
        partitions=partitions,
        group=SCORES_GROUP,
        deps=[features, tables.SCORED_LEADS],
        description=(
            f"Score, percentile and decile of every open lead by {version}, once a day.\n\n"
            "- **Grain:** one row per prediction_date and lead_id\n"
            f"- **Made by:** the registered bundle of {version}, verified by its hashes\n"
            "- **Decile 10** is called first; the lowest fifth is not called."
        ),
        kinds={"xgboost"},
        checks=checks.CHECKS,
        work=work,
        waits=waits,
        version=version,
    )


def scored_batches(
    warehouse: Warehouse,
    features: Query,
    bundle: Bundle,
    table: Table,
    day: Day,
    *,
    with_reasons: bool,
    without: pa.Array | None = None,
) -> Iterator[pa.RecordBatch]:
    """The partition's rows, scored before the first is taken; leads `without` are left out.

    Raises FeatureError when the others do not fit the model.
    """
    constants = {
        "prediction_date": day.date,
        "model_version": bundle.version,
        "model_sha256": bundle.sha256,
        "bundle_sha256": bundle.bundle_sha256,
        "scored_at": day.clock.now(),
        "retrospective": day.retrospective,
    }
    with warehouse.stream(features, ROWS_AT_ONCE) as batches:
        return score_rows(
            bundle,
            batches,
            schema=arrow_schema(table),
            constants=constants,
            with_reasons=with_reasons,
            without=without,
        )


def _judge(
    store: Store, day: Day, bundle: Bundle, features: str, scores: str, limits: CheckLimits, left_out: int
) -> list[Finding]:
    """What stands in the warehouse is judged, not what was meant to be written."""
    rows = store.read("score_ranks", day.params, daily_scores=scores)
    return checks.judge(
        scores=rows["score"].to_numpy(),
        percentile=rows["percentile"].to_numpy(),
        featured=coverage(store, day, expected=features, actual=scores),
        scored=coverage(store, day, expected=tables.SCORED_LEADS, actual=scores),
        training=bundle.profile.score,
        limits=limits,
        left_out=left_out,
    )
