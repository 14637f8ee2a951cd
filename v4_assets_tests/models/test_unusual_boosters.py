"""Nothing is guessed about a booster without names or of an unusual kind: it needs known answers or a confirmation."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
import xgboost as xgb

from v4_assets_tests.fixtures.firm_models import (
    ENCODED,
    FIRM_ORDER,
    PARAMETERS,
    SQL_COLUMNS,
    Case,
    assert_refused,
    assert_scores,
    coded,
    labels,
    native,
    table,
    trained,
)


def nameless(rows: pa.Table, order: Sequence[str]) -> tuple[xgb.Booster, np.ndarray]:
    matrix = coded(rows)[:, [FIRM_ORDER.index(name) for name in order]]
    booster = trained(matrix, names=None)
    return booster, native(booster, matrix)


def test_a_nameless_booster_needs_answers_or_a_confirmed_order(home):
    rows = table()
    booster, wanted = nameless(rows, FIRM_ORDER)
    case = Case(home, booster, rows)
    assert_refused(case.register(), "Give --expect scores.parquet, or --confirm order")
    assert case.register(expect=case.answers(wanted)).exit_code == 0
    assert_scores(rows, wanted)


FLAGS = ("mobility_x_heavy_bleeding", "short_tenure_x_high_mobility")


def test_answers_that_do_not_tell_two_inputs_apart_do_not_prove_their_order(home):
    rows = table()
    booster, wanted = nameless(rows, FIRM_ORDER)
    case = Case(home, booster, rows)
    both = np.array(rows[FLAGS[0]]) == np.array(rows[FLAGS[1]])
    same = case.answers(wanted).filter(pa.array(both))
    refused = "stay the same if mobility_x_heavy_bleeding and short_tenure_x_high_mobility change places"
    assert_refused(case.register(expect=same), refused)
    assert case.register("--confirm", "order", expect=same).exit_code == 0
    assert_scores(rows, wanted)


def sql_order() -> list[str]:
    names = {column: name for name, column in ENCODED.items()}
    return [names.get(column, column) for column in SQL_COLUMNS]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (sorted(FIRM_ORDER), "with the inputs in alphabetical order"),
        (sql_order(), "with the inputs in the SQL file's order"),
        (FIRM_ORDER[::-1], "Check the inputs' order, names and codes"),
    ],
    ids=["alphabetical", "the SQL's", "another"],
)
def test_a_nameless_booster_with_another_order_is_refused_and_explained(home, order, said):
    rows = table()
    booster, wanted = nameless(rows, order)
    case = Case(home, booster, rows)
    assert_refused(case.register(expect=case.answers(wanted)), said)


def categorical(matrix: np.ndarray) -> xgb.Booster:
    types = ["c" if name in ENCODED else "float" for name in FIRM_ORDER]
    data = xgb.DMatrix(
        matrix, labels(matrix), feature_names=list(FIRM_ORDER), feature_types=types, enable_categorical=True
    )
    return xgb.train({**PARAMETERS, "tree_method": "hist", "max_cat_to_onehot": 2}, data, 30)


UNUSUAL = {
    "categorical": (categorical, "categorical inputs"),
    "dart": (lambda matrix: trained(matrix, 10, booster="dart", rate_drop=0.2), "DART"),
    "forest": (lambda matrix: trained(matrix, 10, num_parallel_tree=3), "3 trees per round"),
    "reg:logistic": (lambda matrix: trained(matrix, 20, objective="reg:logistic"), "objective reg:logistic"),
}


@pytest.mark.parametrize(("make", "said"), UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_booster_needs_known_answers_and_then_scores_as_it_did(home, make, said):
    rows = table()
    case = Case(home, make(coded(rows)), rows)
    assert_refused(case.register(), said)
    wanted = native(case.booster, coded(rows))
    result = case.register(expect=case.answers(wanted))
    assert result.exit_code == 0, result.exception
    assert_scores(rows, wanted)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"booster": "gblinear"}, "gblinear booster, which has no trees"),
        ({"objective": "multi:softprob", "num_class": 2}, "gives 2 scores per lead"),
        ({"objective": "binary:logitraw"}, "expected one number in [0, 1] per lead"),
    ],
    ids=["linear", "two classes", "log-odds"],
)
def test_a_booster_without_one_score_is_refused(home, more, said):
    rows = table()
    assert_refused(Case(home, trained(coded(rows), 5, **more), rows).register("--confirm", "unusual"), said)


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_a_booster_of_two_targets_is_refused(home, strategy):
    rows = table()
    both = np.column_stack([labels(coded(rows)), 1 - labels(coded(rows))])
    data = xgb.DMatrix(coded(rows), both, feature_names=list(FIRM_ORDER))
    booster = xgb.train({**PARAMETERS, "tree_method": "hist", "multi_strategy": strategy}, data, 5)
    assert_refused(Case(home, booster, rows).register("--confirm", "unusual"), "gives 2 scores per lead")
