"""A booster that stopped early is registered with a stated number of rounds, and exactly these score."""

import numpy as np
import pyarrow as pa
import pytest
import xgboost as xgb

from v4_assets_tests.fixtures.firm_models import (
    FIRM_ORDER,
    Case,
    assert_refused,
    assert_scores,
    coded,
    early_native,
    firm_list,
    labels,
    native,
    own_list,
    registered,
    table,
    trained,
)


def early_sklearn(matrix: np.ndarray) -> xgb.Booster:
    model = xgb.XGBClassifier(n_estimators=60, max_depth=3, learning_rate=0.2, n_jobs=1)
    import pandas as pd

    model.fit(pd.DataFrame(matrix, columns=list(FIRM_ORDER)), labels(matrix))
    model.get_booster().set_attr(best_iteration="20")
    return model.get_booster()


EARLY = {"native": early_native, "XGBClassifier": early_sklearn}


@pytest.mark.parametrize("make", EARLY.values(), ids=EARLY)
def test_an_early_stopped_booster_needs_a_choice(home, make):
    rows = table()
    assert_refused(Case(home, make(coded(rows)), rows).register(), "Choose --rounds all or best, or give --expect")


@pytest.mark.parametrize("make", EARLY.values(), ids=EARLY)
@pytest.mark.parametrize(("chosen", "rounds"), [("all", 0), ("best", 21), ("33", 33)])
def test_the_chosen_rounds_score(home, make, chosen, rounds):
    rows = table()
    case = Case(home, make(coded(rows)), rows)
    assert case.register("--rounds", chosen).exit_code == 0
    assert_scores(rows, native(case.booster, coded(rows), rounds))
    assert registered().rounds == (rounds or "all")


@pytest.mark.parametrize("make", EARLY.values(), ids=EARLY)
@pytest.mark.parametrize("rounds", [0, 21])
def test_known_answers_choose_the_rounds(home, make, rounds):
    rows = table()
    case = Case(home, make(coded(rows)), rows)
    wanted = native(case.booster, coded(rows), rounds)
    result = case.register(expect=case.answers(wanted))
    assert result.exit_code == 0, result.exception
    assert_scores(rows, wanted)
    assert registered().rounds == (rounds or "all")


@pytest.mark.parametrize("rounds", [21, "all"])
@pytest.mark.parametrize("own", [False, True], ids=["a training script's list", "features.json"])
def test_the_rounds_a_list_states_are_a_choice(home, own, rounds):
    rows = table()
    case = Case(home, early_native(coded(rows)), rows, listed=own_list() if own else firm_list())
    case.listed["rounds"] = rounds
    result = case.register()
    assert result.exit_code == 0, result.exception
    assert_scores(rows, native(case.booster, coded(rows), 0 if rounds == "all" else 21))
    assert registered().rounds == rounds


def test_answers_that_fit_both_numbers_of_rounds_do_not_choose(home):
    rows = table()
    case = Case(home, early_native(coded(rows)), rows)
    expect = case.answers(native(case.booster, coded(rows), 21))
    rounded = expect.set_column(expect.num_columns - 1, "score", pa.array(["0.5"] * len(rows)))
    close = np.abs(native(case.booster, coded(rows)) - 0.5) < 0.05
    close &= np.abs(native(case.booster, coded(rows), 21) - 0.5) < 0.05
    assert close.any()
    refused = case.register(expect=rounded.filter(pa.array(close)))
    assert_refused(refused, "agree with all 60 rounds and with the 21 up to the best. Choose --rounds all or best")


def test_the_best_rounds_of_a_booster_that_states_none_are_refused(home):
    rows = table()
    assert_refused(Case(home, trained(coded(rows)), rows).register("--rounds", "best"), "has no best_iteration")


@pytest.mark.parametrize("best", ["-1", "59", "60", "900"])
def test_a_best_round_that_is_the_last_or_none_at_all_needs_no_choice(home, best):
    rows = table()
    booster = trained(coded(rows))
    booster.set_attr(best_iteration=best)
    assert Case(home, booster, rows).register().exit_code == 0
    assert registered().rounds == "all"


@pytest.mark.parametrize("chosen", ["0", "61", "-1", "some"])
def test_rounds_that_there_are_not_are_refused(home, chosen):
    rows = table()
    result = Case(home, early_native(coded(rows)), rows).register("--rounds", chosen)
    assert_refused(result, "Expected all, best, or a number from 1 to 60")
