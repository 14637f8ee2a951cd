"""Every check of features passes on good data and fails on bad data."""

from dataclasses import replace

import numpy as np
import pytest

from v4_assets.checks import Check, Finding
from v4_assets.features import checks as feature_checks
from v4_assets.features.feature_statistics import FeatureStatistics
from v4_assets.models.contract import Feature
from v4_assets.scores import checks as score_checks
from v4_assets_tests.fixtures.check_cases import LIMITS, Case, answer, coverage

TIER = Feature("tier", "STRING", ("low", "high"), missing="low")
SPAN = Feature("span", "INT64", low=0, high=9)
CONTRACT = (TIER, SPAN)
COLUMNS = {
    **{"prediction_date": "DATE", "lead_id": "STRING", "advisor_crd": "INT64", "tie_break": "INT64"},
    **{"tier": "STRING", "span": "INT64"},
    "retrospective": "BOOL",
}


def counted(feature: Feature = TIER, counts: tuple[int, int] = (50, 50), **changes) -> FeatureStatistics:
    rows = FeatureStatistics(feature, (0.0,), (0.5, 0.5), rows=100, counts=np.array(counts))
    return replace(rows, **changes)


def ask_features(
    check: Check, *statistics: FeatureStatistics, columns=COLUMNS, profiles_before=(), covered=None, unscorable=0
) -> Finding:
    found = feature_checks.judge(
        columns, CONTRACT, covered or coverage(), statistics, profiles_before, LIMITS, unscorable
    )
    return answer(found, check)


def profiled(missing_count: int, row_count: int = 100, feature: str = "tier") -> dict:
    """A row of feature_profile of a day before."""
    return {"feature": feature, "missing_count": missing_count, "row_count": row_count}


FEATURE_CASES = (
    Case(
        feature_checks.EXACT_SET,
        good=lambda: ask_features(feature_checks.EXACT_SET),
        bad=lambda: ask_features(
            feature_checks.EXACT_SET,
            columns={"lead_id": "STRING", "tier": "STRING", "span": "FLOAT64", "industry_tenure_months": "INT64"},
        ),
        found_good="2 features",
        found_bad="3 features",
        expected="2 features",
        details=(
            "not the model's: span FLOAT64",
            "not the model's: industry_tenure_months INT64",
            "not in the table: span INT64",
            "removed in V4.1.0 but present: industry_tenure_months",
        ),
    ),
    Case(
        feature_checks.ONE_PER_LEAD,
        good=lambda: ask_features(feature_checks.ONE_PER_LEAD),
        bad=lambda: ask_features(feature_checks.ONE_PER_LEAD, covered=coverage(105, distinct=101, missing=2, extra=3)),
        found_good="100 rows: 0 leads missing, 0 not expected, 0 surplus",
        found_bad="105 rows: 2 leads missing, 3 not expected, 4 surplus",
        expected="100 rows, one per lead",
    ),
    Case(
        feature_checks.VALUES_ALLOWED,
        good=lambda: ask_features(feature_checks.VALUES_ALLOWED, counted(), counted(SPAN)),
        bad=lambda: ask_features(
            feature_checks.VALUES_ALLOWED,
            counted(unknown={"odd", "huge"}),
            counted(SPAN, nulls=2, out_of_range=3),
            unscorable=2,
        ),
        found_good="0 of 100 leads are not scored",
        found_bad="2 of 100 leads are not scored",
        expected="at most 1.0%",
        details=(
            "tier: unknown ['huge', 'odd'], known ['low', 'high']",
            "span: NULL in 2 rows",
            "span: 3 rows outside [0, 9]",
        ),
    ),
    Case(
        feature_checks.MISSING_STEADY,
        good=lambda: ask_features(
            feature_checks.MISSING_STEADY, counted(not_known=19), profiles_before=[profiled(5), profiled(15)]
        ),
        bad=lambda: ask_features(
            feature_checks.MISSING_STEADY, counted(not_known=100), profiles_before=[profiled(5), profiled(15)]
        ),
        found_good="largest change +9.0%",
        found_bad="largest change +90.0%",
        expected="within ±10%",
        details=("tier: +90.0%",),
    ),
    Case(
        feature_checks.DRIFT,
        good=lambda: ask_features(feature_checks.DRIFT, counted(), counted(SPAN)),
        bad=lambda: ask_features(feature_checks.DRIFT, counted(counts=(90, 10)), counted(SPAN)),
        found_good=0.0,
        found_bad=0.8789,
        expected="at most 0.25",
        details=("tier: 0.879",),
    ),
)


def test_leads_that_the_model_cannot_score_stop_the_day_only_above_the_limit():
    at_the_limit = ask_features(feature_checks.VALUES_ALLOWED, counted(), counted(SPAN, out_of_range=1), unscorable=1)
    assert (at_the_limit.passed, at_the_limit.details) == (True, ("span: 1 rows outside [0, 9]",))
    assert not ask_features(
        feature_checks.VALUES_ALLOWED, counted(), counted(SPAN, out_of_range=2), unscorable=2
    ).passed


@pytest.mark.parametrize(
    ("missing", "left_out", "passed"), [(0, 0, True), (3, 3, True), (2, 3, True), (4, 3, False), (1, 0, False)]
)
def test_only_leads_that_no_version_can_score_may_be_missing(missing, left_out, passed):
    covered = coverage(100 - missing, missing=missing)
    assert feature_checks.covers(score_checks.SAME_LEADS, covered, left_out).passed is passed


def test_the_model_s_features_are_a_set_in_whatever_order_the_table_has_them():
    columns = {name: COLUMNS[name] for name in ("lead_id", "span", "tier", "retrospective")}
    found = ask_features(feature_checks.EXACT_SET, columns=columns)
    assert (found.passed, found.details) == (True, ())


@pytest.mark.parametrize("removed", feature_checks.REMOVED_FEATURES)
def test_a_removed_feature_never_comes_back(removed):
    found = ask_features(feature_checks.EXACT_SET, columns={**COLUMNS, removed: "INT64"})
    assert found.passed is False
    assert f"removed in V4.1.0 but present: {removed}" in found.details


def test_null_is_allowed_where_the_contract_says_so():
    nullable = replace(SPAN, nulls="nan")
    assert ask_features(feature_checks.VALUES_ALLOWED, counted(nullable, nulls=7)).passed


@pytest.mark.parametrize(
    "profiles_before",
    [
        pytest.param([], id="no day before"),
        pytest.param([profiled(0, row_count=0)], id="an empty day before"),
        pytest.param([profiled(0, feature="span")], id="another feature only"),
    ],
)
def test_missing_rates_without_history_are_steady(profiles_before):
    found = ask_features(feature_checks.MISSING_STEADY, counted(not_known=100), profiles_before=profiles_before)
    assert (found.passed, found.actual) == (True, "largest change +0.0%")


def test_a_feature_known_more_often_than_usual_is_unsteady_too():
    found = ask_features(feature_checks.MISSING_STEADY, counted(not_known=0), profiles_before=[profiled(40)])
    assert (found.passed, found.details) == (False, ("tier: -40.0%",))


def test_features_of_an_empty_day_have_not_drifted():
    assert ask_features(feature_checks.DRIFT, counted(rows=0, counts=(0, 0))).passed


@pytest.mark.parametrize(
    ("covered", "passed"),
    [
        (coverage(100), True),
        (coverage(99, missing=1), False),
        (coverage(101, extra=1), False),
        (coverage(101, distinct=100), False),
        (coverage(100, missing=1, extra=1), False),
    ],
    ids=["the same", "one missing", "one more", "one twice", "one exchanged"],
)
def test_a_table_covers_the_leads_only_when_it_holds_each_once_and_no_other(covered, passed):
    assert feature_checks.covers(feature_checks.ONE_PER_LEAD, covered).passed is passed
