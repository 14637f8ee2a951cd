"""Values found tree by tree are XGBoost's own, bit by bit; where they might not be, XGBoost is asked for every row."""

from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from v4_assets.models import tree_contributions
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Feature
from v4_assets.models.profile import profile_of
from v4_assets_tests.fixtures.narrow import present

NAMES = ["a", "b", "c", "d", "e"]
ROWS = 9_000


def rows(seed: int, count: int = ROWS) -> np.ndarray:
    """Whole and broken numbers, many of them equal to a threshold, and some missing."""
    random = np.random.default_rng(seed)
    matrix = random.normal(scale=3, size=(count, len(NAMES))).astype(np.float32)
    matrix[:, :2] = np.round(matrix[:, :2])
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    return matrix


def trained(depth: int, rounds: int = 30, types: list[str] | None = None, **parameters: object) -> xgb.Booster:
    """A booster whose trees are as deep as that."""
    matrix = rows(0, 2_000) if types is None else np.abs(np.nan_to_num(np.round(rows(0, 2_000))))
    known = np.nan_to_num(matrix)
    label = (known[:, 0] * known[:, 1] + known[:, 2] - (np.isnan(matrix[:, 3])) > 0).astype(int)
    data = xgb.DMatrix(matrix, label=label, feature_names=NAMES, feature_types=types, enable_categorical=bool(types))
    wanted = {"objective": "binary:logistic", "max_depth": depth, "nthread": 1, "seed": 1, **parameters}
    return xgb.train(wanted, data, rounds)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("rounds", ["all", 7])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_value_has_the_bits_of_xgboosts_own(depth, rounds, seed):
    booster, matrix = trained(depth), rows(seed)
    trees = present(tree_contributions.trees_of(booster, rounds))
    assert len(trees) == (30 if rounds == "all" else rounds)
    assert max(map(len, trees)) == 2**depth - 1
    end = 0 if rounds == "all" else rounds
    expected = booster.predict(xgb.DMatrix(matrix, feature_names=NAMES), pred_contribs=True, iteration_range=(0, end))[
        :, :-1
    ]
    found = tree_contributions.contributions(booster, trees, matrix)
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()
    assert np.abs(found).max() > 0.1


def test_a_value_equal_to_a_threshold_goes_right_and_a_missing_one_its_own_way():
    booster = trained(2)
    trees = present(tree_contributions.trees_of(booster, "all"))
    thresholds = sorted({(split.place, float(split.below)) for tree in trees for split in tree})
    assert {split.missing_goes_left for tree in trees for split in tree} == {True, False}
    matrix = rows(3, len(thresholds))
    for row, (place, below) in enumerate(thresholds):
        matrix[row, place] = below
    expected = booster.predict(xgb.DMatrix(matrix, feature_names=NAMES), pred_contribs=True)[:, :-1]
    assert (
        tree_contributions.contributions(booster, trees, matrix).tobytes() == np.ascontiguousarray(expected).tobytes()
    )


@pytest.mark.parametrize(
    "booster",
    [
        trained(4),
        trained(2, booster="dart", rate_drop=0.5),
        trained(2, num_parallel_tree=2, subsample=0.5),
        trained(2, types=["c", "q", "q", "q", "q"], max_cat_to_onehot=1),
    ],
    ids=["deeper trees", "DART", "two trees a round", "splits by category"],
)
def test_other_trees_are_left_to_xgboost(booster):
    assert tree_contributions.trees_of(booster, "all") is None


@pytest.mark.parametrize("depth", [2, 4])
def test_reasons_of_many_leads_are_those_that_each_has_alone(depth):
    matrix = rows(4)
    booster = trained(depth)
    features = tuple(Feature(name, "FLOAT64", nulls="nan") for name in NAMES)
    bundle = Bundle("v9.0.0", features, booster, {}, profile_of(NAMES, matrix, np.ones(3)), "", Path())
    assert len(matrix) > tree_contributions.LEAST_ROWS
    together = [reason.to_pylist()[::300] for reason in bundle.reasons(matrix)]
    alone = [bundle.reasons(matrix[[place]]) for place in range(0, ROWS, 300)]
    assert together == [[lead[rank][0].as_py() for lead in alone] for rank in range(3)]
    assert len({reason for rank in together for reason in rank}) > 3
