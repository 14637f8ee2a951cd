"""The author's own scores are compared row by row: a difference is refused, and explained where its cause is known."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from v4_assets.evaluation.metrics import top_decile_lift
from v4_assets_tests.fixtures.firm_models import (
    ENCODED,
    FIRM_ORDER,
    SQL_COLUMNS,
    Case,
    assert_refused,
    assert_scores,
    coded,
    early_native,
    firm_list,
    labels,
    native,
    table,
    trained,
)


def test_wrong_rounds_are_explained(home):
    rows = table()
    case = Case(home, early_native(coded(rows)), rows)
    expect = case.answers(native(case.booster, coded(rows), 21))
    assert_refused(case.register("--rounds", "all", expect=expect), "agree with the 21 rounds up to the best")


def test_codes_stated_in_another_order_are_explained(home):
    rows = table()
    listed = firm_list(categorical_mappings={name: list(SQL_COLUMNS[one].categories) for name, one in ENCODED.items()})
    case = Case(home, trained(coded(rows)), rows, listed=listed)
    expect = case.answers(native(case.booster, coded(rows)))
    assert_refused(case.register(expect=expect), "All rows agree with alphabetical codes")


def with_nulls(rows: pa.Table, name: str = "firm_rep_count_at_contact") -> pa.Table:
    values = [None if row % 5 == 0 else value for row, value in enumerate(rows[name].to_pylist())]
    return rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.int64()))


@pytest.mark.parametrize(("rule", "null"), [("0", 0.0), ("nan", np.nan)])
def test_a_null_is_read_as_was_stated(home, rule, null):
    rows = with_nulls(table())
    case = Case(home, trained(coded(rows, null)), rows)
    wanted = native(case.booster, coded(rows, null))
    assert case.register("--nulls", rule, expect=case.answers(wanted)).exit_code == 0
    assert_scores(rows, wanted)


@pytest.mark.parametrize(("null", "said"), [(0.0, "NULL as 0 (--nulls 0)"), (np.nan, "NULL as missing (--nulls nan)")])
@pytest.mark.parametrize("stated", ["error", "0", "nan"])
def test_another_null_rule_is_explained(home, null, said, stated):
    rows = with_nulls(table())
    case = Case(home, trained(coded(rows, np.nan)), rows)
    expect = case.answers(native(case.booster, coded(rows, null)))
    if (stated, said) in {("0", "NULL as 0 (--nulls 0)"), ("nan", "NULL as missing (--nulls nan)")}:
        assert case.register("--nulls", stated, expect=expect).exit_code == 0
    else:
        assert_refused(case.register("--nulls", stated, expect=expect), said)


def test_answers_may_be_in_the_booster_s_codes(home):
    rows = table()
    case = Case(home, early_native(coded(rows)), rows)
    wanted = native(case.booster, coded(rows), 21)
    expect = pa.table({name: coded(rows)[:, place] for place, name in enumerate(FIRM_ORDER)} | {"score": wanted})
    assert case.register(expect=expect).exit_code == 0
    assert_scores(rows, wanted)


@pytest.mark.parametrize("off", [2e-6, 0.01])
def test_one_row_that_differs_is_enough_to_refuse(home, off):
    rows = table()
    case = Case(home, trained(coded(rows)), rows)
    scores = native(case.booster, coded(rows)).astype(float)
    scores[7] += off
    refused = case.register(expect=case.answers(scores))
    assert_refused(refused, "1 of 1500 rows differ, row 8 most")
    assert "No other rounds, codes, NULL rule or order explains them" in str(refused.exception)


def test_text_is_held_to_its_own_decimals(home):
    rows = table()
    case = Case(home, trained(coded(rows)), rows)
    texts = [f"{score:.3f}" for score in native(case.booster, coded(rows))]
    assert case.register(expect=case.answers(np.array(texts)), text=True).exit_code == 0


def test_text_that_differs_by_more_than_its_decimals_is_refused(home):
    rows = table()
    case = Case(home, trained(coded(rows)), rows)
    texts = [f"{score + 0.002:.3f}" for score in native(case.booster, coded(rows))]
    assert_refused(case.register(expect=case.answers(np.array(texts)), text=True), "rows differ")


def test_labelled_rows_are_compared_with_the_figures(home):
    rows = table()
    case = Case(home, trained(coded(rows), 5), rows)
    scores, converted = native(case.booster, coded(rows)), labels(coded(rows))
    auc, lift = float(roc_auc_score(converted, scores)), top_decile_lift(scores, converted)
    wrong = case.register(expect=case.answers(scores, converted=converted))
    assert_refused(wrong, f"test_auc is {auc:.4f} on the labelled rows, 0.62 in the metrics file")
    case.metrics = {"test_auc": round(auc, 3), "test_top_decile_lift": round(lift or 0, 2), "train_auc": 0.9}
    right = case.register(expect=case.answers(scores, converted=converted))
    assert right.exit_code == 0, right.exception


ANSWERS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "no score": (lambda rows: rows.drop_columns("score"), "needs rows with one column `score`"),
    "a NULL score": (
        lambda rows: rows.set_column(rows.num_columns - 1, "score", pa.array([None] * len(rows), pa.float64())),
        "never NULL",
    ),
    "no rows": (lambda rows: rows.slice(0, 0), "needs rows with one column `score`"),
    "a missing input": (lambda rows: rows.drop_columns("has_email"), "have no column has_email"),
    "an input that is no number": (
        lambda rows: rows.set_column(
            rows.column_names.index("has_email"), "has_email", pa.array([0] * len(rows), pa.timestamp("s"))
        ),
        "column has_email of the known answers is timestamp[ms], expected numbers",
    ),
    "a score that is no number": (
        lambda rows: rows.set_column(rows.num_columns - 1, "score", pa.array([0] * len(rows), pa.timestamp("s"))),
        "column score of the known answers is timestamp[ms], expected numbers",
    ),
    "a label that is a word": (
        lambda rows: rows.append_column("converted", pa.array(["yes"] * len(rows))),
        "column converted of the known answers is string, expected numbers",
    ),
    "a label that is missing": (
        lambda rows: rows.append_column("converted", pa.array([None] * len(rows), pa.bool_())),
        "converted must be true or false, or 1 or 0, on every row",
    ),
    "no words and no codes": (
        lambda rows: rows.drop_columns("tenure_bucket"),
        "no column tenure_bucket (or tenure_bucket_encoded)",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), ANSWERS.values(), ids=ANSWERS)
def test_answers_that_are_none_are_refused(home, spoil, said):
    rows = table()
    case = Case(home, trained(coded(rows), 5), rows)
    assert_refused(case.register(expect=spoil(case.answers(native(case.booster, coded(rows))))), said)
