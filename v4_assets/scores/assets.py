"""Each version's scores of the day: read the frozen features, score, rank, write."""

from collections.abc import Iterator, Sequence
from functools import partial

import dagster as dg
import pyarrow as pa

from v4_assets import tables
from v4_assets.checks import Finding
from v4_assets.config.rollout import Rollout, Version
from v4_assets.daily import daily_asset
from v4_assets.models.bundle import Bundle
from v4_assets.names import SCORES_GROUP
from v4_assets.partition import Day, Desk, Written, coverage, write_partition
from v4_assets.production import store as production_store
from v4_assets.scores import checks
from v4_assets.scores.scoring import ROWS_AT_ONCE, score_rows
from v4_assets.sql import Query
from v4_assets.tables import Table
from v4_assets.warehouse.protocol import Warehouse, arrow_schema


def scores_asset(
    version: str, entry: Version, rollout: Rollout, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """The daily scores of one version."""
    features, scores = tables.features_key(entry.key), tables.scores_key(entry.key)

    def work(desk: Desk, day: Day) -> tuple[Written, Sequence[Finding]]:
        bundle = production_store.approved_bundle(desk.warehouse, desk.catalogue, desk.registry, version)
        with_reasons = not day.retrospective and (
            rollout.reasons == "all"
            or (
                rollout.reasons == "production"
                and production_store.live_version(desk.warehouse, desk.catalogue) == version
            )
        )
        query = desk.catalogue.query("features_of_day", day.params, features=features)
        table = desk.catalogue[scores]
        rows = partial(scored_batches, desk.warehouse, query, bundle, table, day, with_reasons=with_reasons)
        written = write_partition(desk, table, day, rows, (version, bundle.sha256), [desk.catalogue[features]])
        return written, _judge(desk, day, bundle, features, scores)

    return daily_asset(
        scores,
        rollout=rollout,
        partitions=partitions,
        group=SCORES_GROUP,
        deps=[features, tables.SCORED_LEADS],
        description=(
            f"Score, percentile and decile of every open lead by {version}, once a day.\n\n"
            "- **Grain:** one row per prediction_date and lead_id\n"
            f"- **Made by:** the registered bundle of {version}, verified by its sha256\n"
            "- **Decile 10** is called first; the lowest fifth is not called."
        ),
        kinds={"xgboost"},
        checks=checks.CHECKS,
        work=work,
    )


def scored_batches(
    warehouse: Warehouse, features: Query, bundle: Bundle, table: Table, day: Day, *, with_reasons: bool
) -> Iterator[pa.RecordBatch]:
    """The partition's rows, scored before the first is taken. Raises FeatureError when they do not fit the model."""
    constants = {
        "prediction_date": day.date,
        "model_version": bundle.version,
        "model_sha256": bundle.sha256,
        "scored_at": day.clock.now(),
        "retrospective": day.retrospective,
    }
    with warehouse.stream(features, ROWS_AT_ONCE) as batches:
        return score_rows(bundle, batches, schema=arrow_schema(table), constants=constants, with_reasons=with_reasons)


def _judge(desk: Desk, day: Day, bundle: Bundle, features: str, scores: str) -> list[Finding]:
    """Findings on the stored rows: checks read the warehouse, not the rows in memory."""
    rows = desk.warehouse.read(desk.catalogue.query("score_ranks", day.params, daily_scores=scores))
    return checks.judge(
        scores=rows["score"].to_numpy(),
        percentile=rows["percentile"].to_numpy(),
        featured=coverage(desk, day, expected=features, actual=scores),
        scored=coverage(desk, day, expected=tables.SCORED_LEADS, actual=scores),
        training=bundle.profile.score,
        limits=desk.limits,
    )
