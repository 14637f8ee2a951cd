"""The figures a model comes with are kept under one name each, and a figure that states nothing is refused."""

import pytest
from click.testing import CliRunner

from v4_assets.cli.main import cli
from v4_assets.errors import V4Error
from v4_assets_tests.fixtures.firm_models import Case, assert_refused, coded, figures, registered, table, trained

FIGURES = {
    "nested": {"metrics": {"test_auc": 0.62, "test_top_lift": 2.03, "train_auc": 0.695}},
    "flat, the other spelling": {"test_auc_roc": 0.62, "test_lift_10": 2.03, "train_auc_roc": 0.695},
    "ours": {"test_auc": 0.62, "test_top_decile_lift": 2.03, "train_auc": 0.695},
}


@pytest.mark.parametrize("said", FIGURES.values(), ids=FIGURES)
def test_every_spelling_of_the_figures_is_kept_under_one_name(home, said):
    rows = table()
    assert Case(home, trained(coded(rows)), rows, metrics=said).register().exit_code == 0
    assert registered().metrics == {"test_auc": 0.62, "test_top_decile_lift": 2.03, "train_auc": 0.695}


ODD = {
    "unknown": ({"test_auk": 0.62}, "Did you mean test_auc?"),
    "missing": ({"metrics": {"test_auc": 0.62, "train_auc": 0.7}}, "test_top_decile_lift is None"),
    "null": (figures(metrics={"test_auc": None, "test_top_lift": 2.0, "train_auc": 0.7}), "test_auc is None"),
    "percent": (figures(metrics={"test_auc": 62, "test_top_lift": 2.0, "train_auc": 0.7}), "test_auc is 62"),
    "text": (figures(metrics={"test_auc": "0.62", "test_top_lift": 2.0, "train_auc": 0.7}), "test_auc is '0.62'"),
    "NaN": (figures(metrics={"test_auc": float("nan"), "test_top_lift": 2.0, "train_auc": 0.7}), "test_auc is nan"),
    "twice": (figures(test_auc_roc=0.6), "states test_auc twice: 0.6 and 0.62"),
    "list": ([], "holds a list"),
}


@pytest.mark.parametrize(("said", "refusal"), ODD.values(), ids=ODD)
def test_a_figure_that_would_read_as_nothing_is_refused(home, said, refusal):
    rows = table()
    assert_refused(Case(home, trained(coded(rows), 5), rows, metrics=said).register(), refusal)


def test_without_figures_a_person_must_say_so(home):
    case = Case(home, trained(coded(table()), 5))
    case.register()
    arguments = ["--model", str(home / "model.json"), "--features", str(home / "list.json")]
    result = CliRunner().invoke(cli, ["register", "v9.9.9", *arguments])
    assert isinstance(result.exception, V4Error)
    assert "Give --metrics, or --without-figures" in str(result.exception)
