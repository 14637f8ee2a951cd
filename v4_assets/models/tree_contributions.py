"""TreeSHAP values of many rows, found tree by tree: one row of each pattern is explained, not every row.

What a tree adds to a row depends only on the way the row takes at each of the tree's splits, and a tree of depth 2 has
at most eight such patterns. XGBoost explains one row of each pattern; the other rows get its values. They are added in
XGBoost's own order and precision, so the sums are the same bit by bit.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from v4_assets.models.contract import Matrix, Rounds

if TYPE_CHECKING:
    import xgboost as xgb

MOST_SPLITS = 8
"""Of a tree: as many as a byte holds patterns of."""
LEAST_ROWS = 8_000
"""With fewer, explaining every row is faster: one row of each pattern takes about a millisecond a tree."""

Patterns = np.ndarray[tuple[int], np.dtype[np.uint8]]


@dataclass(frozen=True)
class Split:
    """A row goes left when its value is below the threshold."""

    place: int
    """Of the feature."""
    below: np.float32
    missing_goes_left: bool


Tree = tuple[Split, ...]


def trees_of(booster: "xgb.Booster", rounds: Rounds) -> list[Tree] | None:
    """The splits of every tree that scores; None where patterns do not pay, or XGBoost adds the trees up otherwise.

    That is: a tree with more than MOST_SPLITS, splits by category, weighted trees (DART), several trees a round.
    """
    found = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    if found["name"] != "gbtree" or int(found["model"]["gbtree_model_param"]["num_parallel_tree"]) > 1:
        return None
    trees = found["model"]["trees"][: None if rounds == "all" else int(rounds)]
    splits = [tuple(_splits(tree)) for tree in trees]
    if any(any(tree.get("split_type", ())) for tree in trees) or max(map(len, splits), default=0) > MOST_SPLITS:
        return None
    return splits


def _splits(tree: dict[str, Any]) -> Iterator[Split]:
    columns = ("left_children", "split_indices", "split_conditions", "default_left")
    for left, place, below, missing in zip(*(tree[name] for name in columns), strict=True):
        if left != -1:
            yield Split(place, np.float32(below), bool(missing))


def contributions(booster: "xgb.Booster", trees: Sequence[Tree], matrix: Matrix) -> Matrix:
    """TreeSHAP values in log-odds without the bias, shape (rows, features): the same bits as XGBoost's own."""
    columns: Matrix = np.ascontiguousarray(matrix.T)
    values: Matrix = np.zeros((matrix.shape[1], matrix.shape[0]), dtype=np.float32)
    for number, tree in enumerate(trees):
        patterns = _patterns(tree, columns)
        example = np.full(2**MOST_SPLITS, -1)
        example[patterns] = np.arange(len(patterns))
        seen = np.flatnonzero(example >= 0)
        explained = _explained(booster, number, matrix[example[seen]])
        for place in {split.place for split in tree}:
            by_pattern = np.zeros(2**MOST_SPLITS, dtype=np.float32)
            by_pattern[seen] = explained[:, place]
            values[place] += by_pattern[patterns]
    return values.T


def _patterns(tree: Iterable[Split], columns: Matrix) -> Patterns:
    """A bit per split and row: whether the row goes left."""
    patterns: Patterns = np.zeros(columns.shape[1], dtype=np.uint8)
    for bit, split in enumerate(tree):
        column = columns[split.place]
        left = column < split.below
        if split.missing_goes_left:
            left |= np.isnan(column)
        patterns |= left.view(np.uint8) << np.uint8(bit)
    return patterns


def _explained(booster: "xgb.Booster", tree: int, rows: Matrix) -> Matrix:
    """What one tree adds to the rows, by XGBoost's TreeSHAP."""
    import xgboost as xgb  # noqa: PLC0415 # seconds; paid by those who explain

    # A few rows: threads would wait for one another longer than they work, most of all on a busy machine.
    with xgb.config_context(nthread=1):
        data = xgb.DMatrix(rows, feature_names=booster.feature_names, feature_types=booster.feature_types)
        values: Matrix = booster[tree : tree + 1].predict(data, pred_contribs=True)
    return values
