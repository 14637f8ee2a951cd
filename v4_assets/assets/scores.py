"""Each version's scores of the day: read the frozen features, score, rank, write."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import production, tables
from v4_assets.assets.daily import Day, Desk, Written, coverage, daily_asset, write_partition
from v4_assets.checks import Finding
from v4_assets.checks import scores as checks
from v4_assets.model import Bundle, encode
from v4_assets.ranking import deciles, deprioritized, percentiles
from v4_assets.resources.warehouse import Warehouse, arrow_schema
from v4_assets.settings import Rollout, Version
from v4_assets.sql import Query
from v4_assets.tables import Table

GROUP = "scores"
REASONS = ("reason_1", "reason_2", "reason_3")


def scores_asset(
    version: str, entry: Version, rollout: Rollout, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """The daily scores of one version."""
    features, scores = tables.features_key(entry.key), tables.scores_key(entry.key)

    def work(desk: Desk, day: Day) -> tuple[Written, Sequence[Finding]]:
        bundle = production.approved_bundle(desk.warehouse, desk.catalogue, desk.registry, version)
        with_reasons = rollout.reasons == "all" or (
            rollout.reasons == "production" and production.live_version(desk.warehouse, desk.catalogue) == version
        )
        query = desk.catalogue.query("features_of_day", day.params, features=features)
        table = desk.catalogue[scores]
        rows = partial(scored_batches, desk.warehouse, query, bundle, table, day, with_reasons=with_reasons)
        written = write_partition(desk, table, day, rows, (version, bundle.sha256, f"reasons {with_reasons}"))
        return written, _judge(desk, day, bundle, features, scores)

    return daily_asset(
        scores,
        rollout=rollout,
        partitions=partitions,
        group=GROUP,
        deps=[features, tables.SCORED_LEADS],
        description=f"Score, percentile and decile of every open lead by {version}, once a day.",
        kinds={"xgboost"},
        checks=checks.CHECKS,
        work=work,
    )


def scored_batches(
    warehouse: Warehouse, features: Query, bundle: Bundle, table: Table, day: Day, *, with_reasons: bool
) -> Iterator[pa.RecordBatch]:
    """The partition's rows. Features stream through; what is held is one key, one score and the reasons per lead.

    Raises FeatureError when the rows do not fit the model.
    """
    with warehouse.stream(features) as batches:
        kept = [_scored(batch, bundle, with_reasons=with_reasons) for batch in batches]
    scores = _joined(kept, "score", np.float32)
    ranks = percentiles(scores, _joined(kept, "tie_break", np.int64)).astype(np.int8)
    return _as_rows(kept, ranks, bundle, table, day)


def _scored(batch: pa.RecordBatch, bundle: Bundle, *, with_reasons: bool) -> pa.RecordBatch:
    matrix = encode(bundle.features, batch)
    columns = {name: batch.column(name) for name in ("lead_id", "advisor_crd", "tie_break")}
    reasons = bundle.reasons(matrix, len(REASONS)) if with_reasons else []
    return pa.record_batch(
        {**columns, "score": pa.array(bundle.predict(matrix)), **dict(zip(REASONS, reasons, strict=False))}
    )


def _as_rows(
    kept: list[pa.RecordBatch],
    percentile: np.ndarray,
    bundle: Bundle,
    table: Table,
    day: Day,
) -> Iterator[pa.RecordBatch]:
    """The table's columns in its order; a batch is let go as soon as it is written."""
    schema = arrow_schema(table)
    constant = {
        "prediction_date": day.date,
        "model_version": bundle.version,
        "model_sha256": bundle.sha256,
        "scored_at": day.clock.now(),
        "retrospective": day.retrospective,
    }
    start = 0
    kept.reverse()
    while kept:
        batch = kept.pop()
        ranks = percentile[start : start + len(batch)]
        start += len(batch)
        columns = {
            **{name: batch.column(name) for name in batch.schema.names},
            "percentile": pa.array(ranks),
            "decile": pa.array(deciles(ranks)),
            "deprioritize": pa.array(deprioritized(ranks)),
        }
        yield pa.record_batch([_column(field, columns, constant, len(batch)) for field in schema], schema=schema)


def _column(field: pa.Field, columns: dict[str, pa.Array], constant: dict[str, object], count: int) -> pa.Array:
    if field.name in columns:
        return pc.cast(columns[field.name], field.type)
    return pa.repeat(pa.scalar(constant.get(field.name), field.type), count)


def _joined(batches: Iterable[pa.RecordBatch], name: str, dtype: type) -> np.ndarray:
    parts = [batch.column(name).to_numpy() for batch in batches]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _judge(desk: Desk, day: Day, bundle: Bundle, features: str, scores: str) -> list[Finding]:
    """What stands in the warehouse is judged, not what was meant to be written."""
    rows = desk.warehouse.read(desk.catalogue.query("daily_scores", day.params, daily_scores=scores))
    return checks.judge(
        scores=rows["score"].cast(pa.float64()).to_numpy(),
        percentile=rows["percentile"].to_numpy(),
        featured=coverage(desk, day, expected=features, actual=scores),
        scored=coverage(desk, day, expected=tables.SCORED_LEADS, actual=scores),
        training=bundle.profile.score,
        limits=desk.limits,
    )
