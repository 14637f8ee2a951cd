"""Scoring: ours from file to file and from table to table, against predicting a ready array and the hand-run way.

`file` is `v4 score` (Parquet in, Parquet out); `ours` the asset's path, which also ranks and writes all columns
of daily_scores in one transaction; `reasons` the same with TreeSHAP.

python -m benchmarks.scoring prepare|file|ours|reasons|raw|by_hand FOLDER ROWS
"""

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

from benchmarks.measure import timed
from v4_assets import tables
from v4_assets.clock import Clock, cutoff
from v4_assets.config.environment import Settings, load
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Matrix
from v4_assets.models.files import score_file
from v4_assets.partitions import Day, write_partition
from v4_assets.resources import registry, store, warehouse
from v4_assets.scores.assets import scored_batches
from v4_assets.warehouse import schema
from v4_assets.warehouse.protocol import arrow_schema

VERSION, KEY = "v4.1.0", "v41"
DAY = date(2026, 1, 5)


def settings_in(folder: str) -> Settings:
    """Settings whose V4_HOME is the benchmark's folder."""
    return load({"V4_HOME": folder})


def prepare(folder: str, rows: int) -> None:
    """A feature partition of `rows` leads, its values drawn one by one from the model's training profile."""
    settings = settings_in(folder)
    engine, catalogue = warehouse(settings), settings.rollout.catalogue
    bundle = registry(settings).load(VERSION)
    table = catalogue[tables.features_key(KEY)]
    schema.upgrade(engine, catalogue, registry(settings), settings.clock)
    engine.replace_table(table, (_drawn(bundle, arrow_schema(table), start, rows) for start in range(0, rows, 500_000)))
    query = catalogue.query("features_of_day", {"prediction_date": DAY}, features=table.key)
    with (
        engine.stream(query) as batches,
        pq.ParquetWriter(Path(folder) / "features.parquet", arrow_schema(table)) as out,
    ):
        for batch in batches:
            out.write_batch(batch)


def _drawn(bundle: Bundle, schema: pa.Schema, start: int, rows: int) -> pa.RecordBatch:
    count = min(500_000, rows - start)
    rng = np.random.default_rng(start)
    numbers = np.arange(start, start + count)
    columns = {
        "prediction_date": pa.repeat(pa.scalar(DAY), count),
        "lead_id": pa.array(np.char.add("00Q", np.char.zfill(numbers.astype(str), 15))),
        "advisor_crd": pa.array(numbers),
        "tie_break": pa.array(rng.integers(0, 2**60, count)),
        "retrospective": pa.repeat(pa.scalar(True), count),
    }
    for feature in bundle.features:
        histogram = bundle.profile.features[feature.name]
        low = np.array([min(0.0, *histogram.edges, 0.0), *histogram.edges])
        high = np.array([*histogram.edges, (histogram.edges[-1] if histogram.edges else 0.0) + 1.0])
        bins = rng.choice(len(high), count, p=np.array(histogram.shares) / sum(histogram.shares))
        if feature.categories:
            columns[feature.name] = pa.array(feature.categories).take(pa.array(bins))
        else:
            values = np.ceil(low[bins] + rng.random(count) * (high[bins] - low[bins]))
            columns[feature.name] = pa.array(values)
    return pa.record_batch([pa.array(columns[field.name]).cast(field.type) for field in schema], schema=schema)


def ours(folder: str, *, with_reasons: bool) -> None:
    """The asset's own path: stream features, score, rank, replace the partition."""
    settings = settings_in(folder)
    engine, catalogue = warehouse(settings), settings.rollout.catalogue
    bundle = registry(settings).load(VERSION)
    day = Day(DAY, Clock(cutoff(date(2026, 1, 6))))
    here = store(settings)
    features = catalogue.query("features_of_day", day.params, features=tables.features_key(KEY))
    table = catalogue[tables.scores_key(KEY)]
    engine.replace_table(table, [])
    engine.replace_table(catalogue[tables.PARTITION_WRITES], [])

    def work() -> None:
        with engine.session():
            write_partition(
                here,
                table,
                day,
                lambda: scored_batches(engine, features, bundle, table, day, with_reasons=with_reasons),
                ("benchmark",),
            )

    timed(work)


def file(folder: str) -> None:
    """`v4 score`: features in a Parquet file, scores into another."""
    bundle = registry(settings_in(folder)).load(VERSION)
    timed(lambda: score_file(bundle, Path(folder) / "features.parquet", Path(folder) / "scores.parquet"))


def raw(folder: str, rows: int) -> None:
    """Booster.inplace_predict on one ready float32 array; nothing is read or written."""
    booster = registry(settings_in(folder)).load(VERSION).booster
    matrix = _matrix(folder, rows)
    timed(lambda: booster.inplace_predict(matrix))


def by_hand(folder: str) -> None:
    """The hand-run way: a data frame, pandas categories of the batch, missing filled with 0, a DMatrix, rank."""
    import pandas as pd  # noqa: PLC0415 # its memory is this rival's alone

    settings = settings_in(folder)
    bundle = registry(settings).load(VERSION)
    query = settings.rollout.catalogue.query(
        "features_of_day", {"prediction_date": DAY}, features=tables.features_key(KEY)
    )

    def work() -> None:
        frame = warehouse(settings).read(query).to_pandas()
        inputs = frame[bundle.feature_names].copy()
        for feature in bundle.features:
            if feature.categories:
                inputs[feature.name] = inputs[feature.name].astype("category").cat.codes
        scores = bundle.booster.predict(xgb.DMatrix(inputs.fillna(0).astype(float), feature_names=bundle.feature_names))
        percentile = pd.Series(scores).rank(pct=True) * 100
        result = frame[["lead_id", "advisor_crd", "prediction_date"]].assign(score=scores, percentile=percentile)
        result.to_parquet(Path(folder) / "by_hand.parquet")

    timed(work)


def _matrix(folder: str, rows: int) -> Matrix:
    bundle = registry(settings_in(folder)).load(VERSION)
    matrix: Matrix = np.empty((rows, len(bundle.features)), dtype=np.float32)
    rng = np.random.default_rng(0)
    for position, feature in enumerate(bundle.features):
        edges = np.array([*bundle.profile.features[feature.name].edges, 1e4], dtype=np.float32)
        matrix[:, position] = rng.choice(edges, rows)
    return matrix


def main(what: str, folder: str, rows: int) -> None:
    """One measurement."""
    actions = {
        "prepare": lambda: prepare(folder, rows),
        "file": lambda: file(folder),
        "ours": lambda: ours(folder, with_reasons=False),
        "reasons": lambda: ours(folder, with_reasons=True),
        "raw": lambda: raw(folder, rows),
        "by_hand": lambda: by_hand(folder),
    }
    actions[what]()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
