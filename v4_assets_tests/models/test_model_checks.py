"""Every check of a model passes on good data and fails on bad data."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import xgboost as xgb

from v4_assets.checks import Check, Finding, results
from v4_assets.config.rollout_policy import PreDeployment
from v4_assets.models import checks as model_checks
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Feature
from v4_assets.models.profile import Histogram, Profile, profile_of
from v4_assets_tests.fixtures.check_cases import DAY, Case, answer

PRE_DEPLOYMENT = PreDeployment(test_lift_above=1.5, auc_gap_at_most=0.10, additivity_tolerance=1e-4)
FIGURES = {"train_auc": 0.70, "test_auc": 0.62, "test_top_decile_lift": 2.0, "test_rows": 5000, "test_base_rate": 0.04}


def trained(version: str = "v9.1.0", **figures: float | None) -> Bundle:
    """A small bundle with the figures of FIGURES, but for those given."""
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 8, (400, 2)).astype(np.float32)
    chance = 1 / (1 + np.exp(4 - matrix[:, 0] - 0.3 * matrix[:, 1]))
    data = xgb.DMatrix(matrix, label=rng.random(400) < chance, feature_names=["a", "b"])
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 2, "nthread": 1}, data, 20)
    profile = profile_of(["a", "b"], matrix, booster.inplace_predict(matrix))
    contract = (Feature("a", "INT64"), Feature("b", "INT64"))
    return Bundle(version, contract, booster, FIGURES | figures, profile, "", Path())


@dataclass(frozen=True)
class Unexplained(Bundle):
    """A bundle whose explanation is off by a hundredth."""

    def contributions(self, matrix):
        values = super().contributions(matrix)
        values[0, 0] += 0.01
        return values


def ask_models(check: Check, bundle: Bundle | None = None, baseline: Bundle | None = None, count: int = 2) -> Finding:
    bundle, baseline = bundle or trained(), baseline or trained("v9.0.0", test_auc=0.60)
    return answer(model_checks.judge(bundle, baseline, count, PRE_DEPLOYMENT, model_checks.CHALLENGER), check)


def unexplained() -> Bundle:
    return Unexplained(**vars(trained()))


TESTED = "period not stated, 5,000 leads, 200 of which converted"
TESTED_ALIKE = (f"v9.1.0 was tested on: {TESTED}", f"v9.0.0 was tested on: {TESTED}")
MODEL_CASES = (
    Case(
        model_checks.FEATURE_COUNT,
        good=lambda: ask_models(model_checks.FEATURE_COUNT),
        bad=lambda: ask_models(model_checks.FEATURE_COUNT, count=3),
        found_good=2,
        found_bad=2,
        expected=2,
        expected_bad=3,
    ),
    Case(
        model_checks.AUC_ABOVE,
        good=lambda: ask_models(model_checks.AUC_ABOVE),
        bad=lambda: ask_models(model_checks.AUC_ABOVE, trained(test_auc=0.60)),
        found_good="0.620 (90% interval 0.584 to 0.655)",
        found_bad="0.600 (90% interval 0.564 to 0.635)",
        expected="above v9.0.0's 0.600 (90% interval 0.564 to 0.635)",
        details=TESTED_ALIKE,
        details_good=TESTED_ALIKE,
    ),
    Case(
        model_checks.LIFT_ABOVE,
        good=lambda: ask_models(model_checks.LIFT_ABOVE),
        bad=lambda: ask_models(model_checks.LIFT_ABOVE, trained(test_top_decile_lift=1.5)),
        found_good="2.000 (90% interval 1.576 to 2.504)",
        found_bad="1.500 (90% interval 1.132 to 1.962)",
        expected="above 1.5",
        details=(f"tested on: {TESTED}",),
        details_good=(f"tested on: {TESTED}",),
    ),
    Case(
        model_checks.AUC_GAP,
        good=lambda: ask_models(model_checks.AUC_GAP),
        bad=lambda: ask_models(model_checks.AUC_GAP, trained(train_auc=0.74)),
        found_good=0.08,
        found_bad=0.12,
        expected="at most 0.1",
    ),
    Case(
        model_checks.ADDITIVE,
        good=lambda: replace_actual(ask_models(model_checks.ADDITIVE), "off by less than 1e-4"),
        bad=lambda: ask_models(model_checks.ADDITIVE, unexplained()),
        found_good="off by less than 1e-4",
        found_bad="off by 1.00e-02",
        expected="at most 0.0001 log-odds",
    ),
)


def replace_actual(finding: Finding, words: str) -> Finding:
    """Below the tolerance words stand for the number: the last digits of a rounding error depend on the machine."""
    error = float(str(finding.actual).removeprefix("off by "))
    return replace(finding, actual=words) if error < 1e-4 else finding


def test_the_baseline_itself_needs_only_to_be_above_chance():
    baseline = trained("v9.0.0", test_auc=0.51)
    found = ask_models(model_checks.AUC_ABOVE, baseline, baseline)
    assert (found.passed, found.expected) == (True, "above 0.5")
    guessing = trained("v9.0.0", test_auc=0.5)
    assert ask_models(model_checks.AUC_ABOVE, guessing, guessing).passed is False


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ({"test_rows": 3393, "test_base_rate": 0.0392}, "they are other leads"),
        ({"test_base_rate": 0.05}, "they are other leads"),
        ({"test_from": "2025-09-01", "test_until": "2025-10-31"}, "they are not stated to be the same leads"),
        ({"test_rows": None}, "they are not stated to be the same leads"),
    ],
)
def test_versions_that_were_not_tested_on_the_same_leads_are_not_compared(stated, why):
    found = ask_models(model_checks.AUC_ABOVE, trained(**stated))
    assert (found.passed, found.inconclusive) == (False, True)
    assert str(found.actual).endswith(f"not compared: {why}")
    [result] = results([found.check], {DAY: [found]}, "model_v91")
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_another_test_period_is_another_test_even_of_as_many_leads():
    months: dict[str, Any] = {"test_from": "2025-08-01", "test_until": "2025-10-31"}
    later: dict[str, Any] = {"test_from": "2025-09-01", "test_until": "2025-10-31"}
    assert ask_models(model_checks.AUC_ABOVE, trained(**months), trained("v9.0.0", test_auc=0.6, **months)).passed
    assert ask_models(model_checks.AUC_ABOVE, trained(**later), trained("v9.0.0", test_auc=0.6, **months)).inconclusive


def test_no_other_leads_excuse_a_model_that_is_no_better_than_chance():
    found = ask_models(model_checks.AUC_ABOVE, trained(test_auc=0.5, test_rows=17))
    assert (found.passed, found.inconclusive) == (False, False)


@pytest.mark.parametrize(
    ("check", "figure"),
    [
        (model_checks.AUC_ABOVE, "test_auc"),
        (model_checks.LIFT_ABOVE, "test_top_decile_lift"),
        (model_checks.AUC_GAP, "train_auc"),
        (model_checks.AUC_GAP, "test_auc"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_figure_a_model_does_not_state_never_passes(check, figure):
    assert ask_models(check, trained("v9.1.0", **{figure: None})).passed is False


@pytest.mark.parametrize(
    ("train_auc", "test_auc"),
    [
        (0.72, 0.62),
        pytest.param(
            *(0.68, 0.58),
        ),
    ],
)
def test_a_gap_at_the_limit_is_allowed(train_auc, test_auc):
    assert ask_models(model_checks.AUC_GAP, trained(train_auc=train_auc, test_auc=test_auc)).passed


def test_only_the_checks_asked_for_are_answered():
    found = model_checks.judge(trained(), trained("v9.0.0"), 2, PRE_DEPLOYMENT, model_checks.EVERY_MODEL)
    assert [finding.check for finding in found] == list(model_checks.EVERY_MODEL)
    assert model_checks.LIFT_ABOVE not in model_checks.EVERY_MODEL


def test_rows_like_a_profile_are_the_same_every_time_and_distributed_like_it():
    profile = Profile(10, {"a": Histogram((1.0, 2.0), (0.5, 0.3, 0.2))}, Histogram((), (1.0,)), 1)
    rows = model_checks.rows_like(profile, ["a"], 2000)
    assert rows.tobytes() == model_checks.rows_like(profile, ["a"], 2000).tobytes()
    assert [np.mean(rows == value) for value in (1.0, 2.0, 3.0)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_rows_like_a_profile_in_which_a_feature_was_never_known_can_be_drawn():
    profile = profile_of(["a"], np.full((5, 1), np.nan, dtype=np.float32), np.ones(5))
    assert model_checks.rows_like(profile, ["a"], 3).shape == (3, 1)
