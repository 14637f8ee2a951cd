"""Reads a file of known answers: inputs, the scores their author got, and whether the leads converted. Pure."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from v4_assets.errors import FeatureError

TOLERANCE = 1e-6
SCORE, LABEL = "score", "converted"


@dataclass(frozen=True)
class KnownAnswers:
    """Rows, the scores they must get, and how far a score may be off; `converted` where the rows are labelled."""

    rows: pa.Table
    scores: NDArray[Any]
    tolerance: NDArray[Any]
    converted: NDArray[Any] | None


def read_answers(path: Path) -> KnownAnswers:
    """The rows of a Parquet or CSV file. Raises FeatureError when it has no rows or no column `score`."""
    try:
        if path.suffix == ".parquet":
            with pa.parquet.ParquetFile(path) as file:
                rows = file.read()
        elif path.suffix == ".csv":
            options = pa.csv.ConvertOptions(
                column_types={SCORE: pa.string()}, strings_can_be_null=True, null_values=["", "NULL", "NaN", "nan"]
            )
            rows = pa.csv.read_csv(path, convert_options=options)
        else:
            raise FeatureError(f"{path} is neither .parquet nor .csv. Convert it to one of them.")
    except (pa.ArrowException, OSError) as error:
        raise FeatureError(f"{path} cannot be read: {str(error).rstrip('.')}. Correct the file.") from error
    if rows.column_names.count(SCORE) != 1 or not len(rows) or rows[SCORE].null_count:
        raise FeatureError(
            f"{path} needs rows with one column `score` that is never NULL: what the author's model gave."
        )
    scores, tolerance = _scores(rows[SCORE], path)
    return KnownAnswers(rows, scores, tolerance, _converted(rows, path))


def numbers(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """The column as float64. Raises FeatureError."""
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowException as error:
        raise FeatureError(f"column {name} of the known answers is {column.type}, expected numbers") from error


def _scores(column: pa.ChunkedArray, path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """The scores, and how far each may be off: a text states them to its own decimals."""
    values = column.to_pylist()
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        scores = numbers(column, SCORE).to_numpy()
        return _finite(scores, path), np.full(len(scores), TOLERANCE)
    try:
        scores = np.asarray([float(Decimal(value)) for value in values])
    except InvalidOperation as error:
        raise FeatureError(f"{path}: a score is not a number. Correct the column `score`.") from error
    return _finite(scores, path), np.asarray([half_unit(value) + TOLERANCE for value in values])


def _finite(scores: NDArray[Any], path: Path) -> NDArray[Any]:
    if not np.isfinite(scores).all():
        raise FeatureError(f"{path}: a score is NaN or infinite. Correct the column `score`.")
    return scores


def half_unit(text: str) -> float:
    """Half of the last decimal a number is written with."""
    exponent = Decimal(text).as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent) if isinstance(exponent, int) and exponent < 0 else 0.0


def _converted(rows: pa.Table, path: Path) -> NDArray[Any] | None:
    if LABEL not in rows.column_names:
        return None
    labels = numbers(rows[LABEL], LABEL).to_numpy()
    if not np.isin(labels, (0, 1)).all():
        raise FeatureError(f"{path}: {LABEL} must be true or false, or 1 or 0, on every row.")
    result: NDArray[Any] = labels.astype(bool)
    return result
