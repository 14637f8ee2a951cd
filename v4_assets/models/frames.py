"""Scoring a pandas frame: columns by name in any order, categories as words. Pure.

pandas takes half a second to import, so it is imported with the first frame.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.errors import FeatureError, listed
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Feature, encode

if TYPE_CHECKING:
    import pandas as pd


def score_frame(bundle: Bundle, frame: "pd.DataFrame") -> "pd.DataFrame":
    """lead_id (where the frame has it), score and margin (log-odds), float32, on the frame's index and in its order.

    Raises FeatureError naming every column that is missing or of another type, and every value the model does not know.
    """
    import pandas as pd  # noqa: PLC0415 # half a second

    matrix = encode(bundle.features, feature_rows(bundle.features, frame))
    scored = {"score": bundle.predict(matrix), "margin": bundle.margins(matrix)}
    leads = {"lead_id": frame["lead_id"].to_numpy()} if "lead_id" in frame.columns else {}
    return pd.DataFrame({**leads, **scored}, index=frame.index)


def feature_rows(features: Sequence[Feature], frame: "pd.DataFrame") -> pa.Table:
    """The frame's feature columns as Arrow, NaN and NA as NULL. Raises FeatureError as `score_frame` does."""
    names = list(frame.columns)
    problems = [f"column {one.name} is missing" for one in features if one.name not in names]
    problems += [
        f"column {one.name} appears {names.count(one.name)} times" for one in features if names.count(one.name) > 1
    ]
    if problems:
        raise FeatureError(f"The frame does not fit the model: {listed(problems)}. Give one column per feature.")
    columns = {}
    for feature in features:
        try:
            columns[feature.name] = _column(feature, pa.Array.from_pandas(frame[feature.name]))
        except (pa.ArrowException, TypeError) as error:
            problems.append(f"column {feature.name} is not {feature.type} ({str(error).splitlines()[0]})")
    if problems:
        raise FeatureError(f"The frame does not fit the model: {listed(problems)}. Correct these columns.")
    return pa.table(columns)


def _column(feature: Feature, column: pa.Array) -> pa.Array:
    """Accept pandas' types: integers with a gap are floats, flags are bool, an empty column is null."""
    kind = column.type
    if pa.types.is_null(kind):
        return column.cast(
            pa.string() if feature.type == "STRING" else pa.float64() if feature.type == "FLOAT64" else pa.int64()
        )
    if feature.type == "INT64" and (pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return pc.cast(column, pa.int64())
    return column
