"""Scoring files and checking models trained elsewhere, for `v4 score` and `v4 register`. No Dagster."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import xgboost as xgb

from v4_assets.atomic_files import atomic
from v4_assets.errors import FeatureError, ModelContractError, V4Error
from v4_assets.models import training
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import ALL_ROUNDS, Contract, Feature, encode
from v4_assets.models.training import Period
from v4_assets.scores.scoring import ROWS_AT_ONCE, read_ahead
from v4_assets.warehouse.protocol import ARROW_TYPES

MINIMUM_DISTINCT_SCORES = 100
"""With fewer distinct scores, leads cannot be ranked into percentiles."""

LONGEST_HEADER = 2**20
"""Bytes of a CSV's first line that are looked at."""
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def read_rows(path: Path, features: tuple[Feature, ...]) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet or CSV file in batches. A CSV's feature columns are read in the features' types."""
    if not path.is_file():
        raise V4Error(f"There is no {path}. Give a Parquet or CSV file of features.")
    try:
        if path.suffix == ".parquet":
            categorical = [feature.name for feature in features if feature.categories]
            with pa.parquet.ParquetFile(path, read_dictionary=categorical) as file:
                yield from file.iter_batches(ROWS_AT_ONCE)
        elif path.suffix == ".csv":
            _verify_text(path)
            types = {feature.name: ARROW_TYPES[feature.type] for feature in features} | {"lead_id": pa.string()}
            convert = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""])
            with pa.csv.open_csv(path, convert_options=convert) as reader:
                yield from reader
        else:
            raise V4Error(f"{path} is neither .parquet nor .csv. Convert it to one of them.")
    except (pa.ArrowException, OSError) as error:
        raise FeatureError(f"{path} cannot be read: {_reason(error)}. Correct the file.") from error


def _verify_text(path: Path) -> None:
    """Raise FeatureError for a CSV whose first line is not one of text: what follows is not looked at as text."""
    with path.open("rb") as file:
        line = file.readline(LONGEST_HEADER)
    if CONTROL.search(line) or "\ufffd" in line.decode(errors="replace"):
        raise FeatureError(
            f"{path} is not text in UTF-8, so it is no CSV of features. Export it as CSV in UTF-8, or as Parquet."
        )


def _reason(error: Exception) -> str:
    """The error, without the row it quotes where that is not text."""
    text = str(error).rstrip(".")
    return text if text.isprintable() and "\ufffd" not in text else re.sub(r"(?s)(got \d+): .*", r"\1", text)


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises ModelContractError when it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelContractError(f"{path} is not JSON: {error}. Correct the file.") from error


def score_file(bundle: Bundle, source: Path, target: Path, progress: Callable[[int], None] = lambda rows: None) -> int:
    """Score every row of `source` into `target` (.parquet or .csv): its other columns, score and model_version.

    The target appears whole or not at all, a new one readable by its owner only. Returns the row count. Raises
    FeatureError as `model.encode` does.
    """
    if target.suffix not in (".parquet", ".csv"):
        raise V4Error(f"{target} is neither .parquet nor .csv. Choose one of them.")
    if not target.parent.is_dir():
        raise V4Error(f"There is no folder {target.parent}. Create it, or choose another.")
    count = 0
    with atomic(target, private=True) as beside:
        writer = None
        try:
            for batch in read_ahead(read_rows(source, bundle.features)):
                scored = _scored(bundle, batch)
                writer = writer or _writer(beside, target.suffix, scored.schema)
                writer.write_batch(scored)
                count += len(batch)
                progress(len(batch))
            if writer is None:
                raise V4Error(f"{source} holds no rows. Nothing was written.")
        finally:
            if writer is not None:
                writer.close()
    return count


def brought_bundle(
    version: str,
    booster: xgb.Booster,
    contract: Contract,
    figures: Mapping[str, Any],
    rows: Iterator[pa.RecordBatch],
) -> dict[str, bytes]:
    """The files of a bundle for a model trained elsewhere, profiled on `rows`.

    Raises ModelContractError on scores outside of [0, 1] and on fewer than MINIMUM_DISTINCT_SCORES different ones.
    """
    batches = list(rows)
    if not batches:
        raise V4Error("No rows to profile the model on. Give a file of features with --data.")
    matrix = encode(contract.features, pa.Table.from_batches(batches))
    rounds = 0 if contract.rounds == ALL_ROUNDS else int(contract.rounds)
    scores = booster.inplace_predict(matrix, iteration_range=(0, rounds))
    if scores.ndim != 1 or not ((scores >= 0) & (scores <= 1)).all():
        raise ModelContractError(
            f"{version} gives scores of shape {scores.shape} from {scores.min():.4g} to {scores.max():.4g}, "
            "expected one number in [0, 1] per lead. Train it with objective binary:logistic."
        )
    distinct = len(np.unique(scores))
    if distinct < MINIMUM_DISTINCT_SCORES:
        raise ModelContractError(
            f"{version} gives {distinct} different scores on {len(matrix)} rows of profile data, expected at "
            f"least {MINIMUM_DISTINCT_SCORES} for percentiles. Check early stopping and the class "
            "weight, or give more rows with --data."
        )
    return training.bundle_files(version, contract.features, booster, figures, Period(matrix, scores), contract.rounds)


def _scored(bundle: Bundle, batch: pa.RecordBatch) -> pa.RecordBatch:
    scores = pa.array(bundle.score(batch))
    others = [name for name in batch.schema.names if name not in bundle.feature_names]
    columns = {name: batch.column(name) for name in others}
    version = pa.repeat(pa.scalar(bundle.version), len(batch))
    return pa.record_batch({**columns, "score": scores, "model_version": version})


def _writer(path: Path, suffix: str, schema: pa.Schema) -> Any:
    if suffix == ".csv":
        return pa.csv.CSVWriter(path, schema)
    # Identifiers and scores hardly repeat: dictionary encoding would cost more than the rest of the file.
    return pa.parquet.ParquetWriter(path, schema, use_dictionary=["model_version"])
