"""Every check passes on good data and fails on bad data, saying what it found, what it expected and where."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import numpy as np
import pytest
import xgboost as xgb

from v4_assets import checks
from v4_assets.checks import Check, Finding, results, specs
from v4_assets.config.rollout import CheckLimits
from v4_assets.config.rollout_policy import PreDeployment
from v4_assets.features import checks as feature_checks
from v4_assets.features.feature_statistics import FeatureStatistics
from v4_assets.models import checks as model_checks
from v4_assets.models.bundle import Bundle
from v4_assets.models.contract import Feature
from v4_assets.models.profile import Histogram, Profile, profile_of
from v4_assets.prospects import checks as prospect_checks
from v4_assets.scores import checks as score_checks
from v4_assets.sources import checks as source_checks
from v4_assets.sql import Column
from v4_assets.tables import Table

MODULES = (source_checks, feature_checks, score_checks, model_checks, prospect_checks)
DAY = date(2026, 1, 12)
CUTOFF = datetime(2026, 1, 12, 5, tzinfo=UTC)
LIMITS = CheckLimits(
    history_days=7,
    row_count_change=0.30,
    missing_rate_change=0.10,
    distinct_scores=100,
    psi=0.25,
    source_age_days={"lead": 4, "ria_contacts_current": 45},
)


@dataclass(frozen=True)
class Case:
    """A check with data on which it passes and data on which it fails."""

    check: Check
    good: Callable[[], Finding]
    bad: Callable[[], Finding]
    found_good: str | float
    found_bad: str | float
    expected: str | float
    expected_bad: str | float | None = None
    """What was expected of the bad data where that differs."""
    details: tuple[str, ...] = ()
    details_good: tuple[str, ...] = ()
    """What a check says of good data, too."""


def answer(findings: list[Finding], check: Check) -> Finding:
    (found,) = [finding for finding in findings if finding.check == check]
    return found


# --- sources

SOURCE = Table("lead", "crm", "Lead", (Column("Id", "STRING"), Column("CreatedDate", "TIMESTAMP")), is_source=True)
ASKED = (SOURCE, {"Id": "STRING", "CreatedDate": "TIMESTAMP"})


def observed(day: date = DAY, source: str = "lead", column: str = "Email", **changes) -> dict:
    """A row of source_observations."""
    row = {"prediction_date": day, "source": source, "column_name": column, "row_count": 1000, "null_count": 100}
    row |= {"impossible_count": 0, "impossible_examples": None}
    return row | {"latest_at": CUTOFF - timedelta(hours=12)} | changes


def ask_sources(check: Check, *observations: dict, declared=(ASKED,)) -> Finding:
    contacts = observed(source="ria_contacts_current", column="REP_TYPE", latest_at=CUTOFF - timedelta(days=30))
    return answer(source_checks.judge(declared, [*observations, contacts], DAY, CUTOFF, LIMITS), check)


def replace_limits(**changes) -> CheckLimits:
    return CheckLimits.model_validate({**LIMITS.model_dump(), **changes})


def before(offset: int, **changes) -> dict:
    return observed(DAY - timedelta(days=offset), **changes)


SOURCE_CASES = (
    Case(
        source_checks.COLUMNS,
        good=lambda: ask_sources(source_checks.COLUMNS, observed()),
        bad=lambda: ask_sources(source_checks.COLUMNS, observed(), declared=[ASKED, (SOURCE, {"Id": "INT64"})]),
        found_good="all columns as declared",
        found_bad="2 columns not as declared",
        expected="all columns as declared",
        details=("Lead.Id is INT64, expected STRING", "Lead.CreatedDate is missing, expected TIMESTAMP"),
    ),
    Case(
        source_checks.FILLED,
        good=lambda: ask_sources(source_checks.FILLED, observed(row_count=1)),
        bad=lambda: ask_sources(source_checks.FILLED, observed(row_count=0), observed(source="a", row_count=0)),
        found_good="0 empty",
        found_bad="2 empty",
        expected="0 empty",
        details=("a", "lead"),
    ),
    Case(
        source_checks.ROWS_STEADY,
        good=lambda: ask_sources(source_checks.ROWS_STEADY, observed(row_count=1299), before(1), before(2)),
        bad=lambda: ask_sources(
            source_checks.ROWS_STEADY, observed(row_count=600), before(1, row_count=800), before(2, row_count=1200)
        ),
        found_good="largest change +29.9%",
        found_bad="largest change -40.0%",
        expected="within ±30%",
        details=("lead: -40.0%",),
    ),
    Case(
        source_checks.NULLS_STEADY,
        good=lambda: ask_sources(source_checks.NULLS_STEADY, observed(null_count=199), before(1), before(2)),
        bad=lambda: ask_sources(
            source_checks.NULLS_STEADY, observed(null_count=1000), before(1, null_count=50), before(2, null_count=150)
        ),
        found_good="largest change +9.9%",
        found_bad="largest change +90.0%",
        expected="within ±10%",
        details=("lead.Email: +90.0%",),
    ),
    Case(
        source_checks.POSSIBLE,
        good=lambda: ask_sources(source_checks.POSSIBLE, observed(impossible_count=50, impossible_examples="x")),
        bad=lambda: ask_sources(source_checks.POSSIBLE, observed(impossible_count=51, impossible_examples="x, y")),
        found_good="largest share 5.00%",
        found_bad="largest share 5.10%",
        expected="≤ 5.00%",
        details=("lead.Email: 5.10%, such as x, y",),
    ),
    Case(
        source_checks.RARE,
        good=lambda: ask_sources(source_checks.RARE, observed(impossible_count=1)),
        bad=lambda: ask_sources(source_checks.RARE, observed(impossible_count=2, impossible_examples="x")),
        found_good="largest share 0.10%",
        found_bad="largest share 0.20%",
        expected="≤ 0.10%",
        details=("lead.Email: 0.20%, such as x",),
    ),
    Case(
        source_checks.FRESH,
        good=lambda: ask_sources(source_checks.FRESH, observed(latest_at=CUTOFF - timedelta(days=4))),
        bad=lambda: ask_sources(source_checks.FRESH, observed(latest_at=CUTOFF - timedelta(days=50))),
        found_good="oldest 30.0 days",
        found_bad="oldest 50.0 days",
        expected="days: lead ≤ 4, ria_contacts_current ≤ 45",
        details=("lead: 50.0 days, at most 4",),
    ),
)


@pytest.mark.parametrize("check", [source_checks.ROWS_STEADY, source_checks.NULLS_STEADY], ids=lambda check: check.name)
def test_a_first_day_has_nothing_to_differ_from(check):
    found = ask_sources(check, observed(row_count=3, null_count=3))
    assert found.passed
    assert found.actual == "largest change +0.0%"


@pytest.mark.parametrize("count", [700, 1300])
def test_a_source_at_the_limit_is_steady(count):
    assert ask_sources(source_checks.ROWS_STEADY, observed(row_count=count), before(1)).passed


def test_a_source_that_was_empty_before_has_no_usual_row_count():
    assert ask_sources(source_checks.ROWS_STEADY, observed(), before(1, row_count=0)).passed


def test_a_column_that_is_new_today_has_no_usual_share_of_nulls():
    new = observed(column="Phone", null_count=1000)
    assert ask_sources(source_checks.NULLS_STEADY, observed(), new, before(1)).passed


def test_a_column_that_went_silent_is_named_beside_steady_ones():
    found = ask_sources(
        source_checks.NULLS_STEADY,
        *(observed(column=column, null_count=nulls) for column, nulls in (("Email", 100), ("Company", 990))),
        *(before(1, column=column) for column in ("Email", "Company")),
    )
    assert (found.passed, found.details) == (False, ("lead.Company: +89.0%",))


def test_a_column_with_a_limit_of_its_own_blocks_by_that_one():
    observations = [observed(impossible_count=900), observed(column="Company", impossible_count=51)]
    own = replace_limits(impossible_values={"columns": {"lead.Email": 0.9}})
    found = answer(source_checks.judge([ASKED], observations, DAY, CUTOFF, own), source_checks.POSSIBLE)
    assert (found.passed, [one.split(":")[0] for one in found.details]) == (False, ["lead.Company"])


def test_observations_of_an_earlier_release_counted_no_impossible_values():
    assert ask_sources(source_checks.POSSIBLE, observed(impossible_count=None)).passed


def test_a_source_without_a_dated_entry_is_not_fresh():
    found = ask_sources(source_checks.FRESH, observed(latest_at=None))
    assert (found.passed, found.details) == (False, ("lead: no dated entry before the day",))


def test_a_source_without_observations_is_not_fresh():
    found = ask_sources(source_checks.FRESH)
    assert (found.passed, found.details) == (False, ("lead: no dated entry before the day",))


# --- leads


def coverage(actual: int = 100, distinct: int | None = None, missing: int = 0, extra: int = 0) -> dict[str, int]:
    """The row of lead_coverage."""
    distinct = actual if distinct is None else distinct
    return {
        "expected_count": distinct + missing - extra,
        "actual_count": actual,
        "distinct_count": distinct,
        "missing_count": missing,
        "extra_count": extra,
    }


def ask_leads(check: Check, count: int = 100, counts_before=(100,), distinct: int | None = None) -> Finding:
    return answer(source_checks.judge_leads(coverage(count, distinct), counts_before, LIMITS), check)


LEAD_CASES = (
    Case(
        source_checks.ONE_ROW_PER_LEAD,
        good=lambda: ask_leads(source_checks.ONE_ROW_PER_LEAD),
        bad=lambda: ask_leads(source_checks.ONE_ROW_PER_LEAD, 100, distinct=97),
        found_good="0 surplus rows",
        found_bad="3 surplus rows",
        expected="0 surplus rows",
    ),
    Case(
        source_checks.COUNT_STEADY,
        good=lambda: ask_leads(source_checks.COUNT_STEADY, 130, (90, 110)),
        bad=lambda: ask_leads(source_checks.COUNT_STEADY, 131, (90, 110)),
        found_good=130,
        found_bad=131,
        expected="70 to 130 leads",
    ),
)


@pytest.mark.parametrize(
    ("count", "counts_before", "passed"),
    [
        pytest.param(70, (100,), True, id="at the lower border"),
        pytest.param(69, (100,), False, id="below it"),
        pytest.param(5, (), True, id="first day"),
        pytest.param(5, (0, 0), True, id="after empty days"),
        pytest.param(0, (), False, id="first day without leads"),
        pytest.param(0, (100,), False, id="no leads"),
    ],
)
def test_the_lead_count_is_compared_with_the_days_before(count, counts_before, passed):
    assert ask_leads(source_checks.COUNT_STEADY, count, counts_before).passed is passed


def test_no_leads_at_all_are_answered_with_what_to_look_at():
    found = ask_leads(source_checks.COUNT_STEADY, 0)
    assert (found.actual, found.expected) == ("0 leads", "at least 1 lead")
    assert found.details == ("Is the CRM copy filled? Is first_day right?",)


# --- features

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


# --- scores

TRAINED_SCORES = Histogram((0.5,), (0.5, 0.5))
SPREAD = np.linspace(0.2, 0.8, 1000)
RANKS = np.repeat(np.arange(1, 101), 10)


def ask_scores(check: Check, values=SPREAD, ranks=None, featured=None, scored=None) -> Finding:
    ranks = -(-100 * np.arange(1, len(values) + 1) // len(values)) if ranks is None else ranks
    found = score_checks.judge(
        np.asarray(values), np.asarray(ranks), featured or coverage(), scored or coverage(), TRAINED_SCORES, LIMITS
    )
    return answer(found, check)


SCORE_CASES = (
    Case(
        score_checks.IN_RANGE,
        good=lambda: ask_scores(score_checks.IN_RANGE, [0.0, 0.25, 1.0]),
        bad=lambda: ask_scores(score_checks.IN_RANGE, [-0.25, 0.5, 1.5]),
        found_good="0 outside, from 0.0000 to 1.0000",
        found_bad="2 outside, from -0.2500 to 1.5000",
        expected="0 outside [0, 1]",
    ),
    Case(
        score_checks.ONE_PER_FEATURED,
        good=lambda: ask_scores(score_checks.ONE_PER_FEATURED, scored=coverage(100, missing=5)),
        bad=lambda: ask_scores(score_checks.ONE_PER_FEATURED, featured=coverage(100, missing=5)),
        found_good="100 rows: 0 leads missing, 0 not expected, 0 surplus",
        found_bad="100 rows: 5 leads missing, 0 not expected, 0 surplus",
        expected="100 rows, one per lead",
        expected_bad="105 rows, one per lead",
    ),
    Case(
        score_checks.SAME_LEADS,
        good=lambda: ask_scores(score_checks.SAME_LEADS, featured=coverage(100, extra=2)),
        bad=lambda: ask_scores(score_checks.SAME_LEADS, scored=coverage(100, extra=2)),
        found_good="100 rows: 0 leads missing, 0 not expected, 0 surplus",
        found_bad="100 rows: 0 leads missing, 2 not expected, 0 surplus",
        expected="100 rows, one per lead",
        expected_bad="98 rows, one per lead",
    ),
    Case(
        score_checks.DISTINCT,
        good=lambda: ask_scores(score_checks.DISTINCT, np.repeat(SPREAD[:100], 20)),
        bad=lambda: ask_scores(score_checks.DISTINCT, np.repeat(SPREAD[:99], 20)),
        found_good=100,
        found_bad=99,
        expected="at least 100",
    ),
    Case(
        score_checks.RANKED,
        good=lambda: ask_scores(score_checks.RANKED),
        bad=lambda: ask_scores(score_checks.RANKED, ranks=[0, *RANKS[1:-1], 101]),
        found_good="200 leads at 20 or below, 0 percentiles outside 1 to 100, 0 out of order",
        found_bad="200 leads at 20 or below, 2 percentiles outside 1 to 100, 0 out of order",
        expected="200 leads at 20 or below, 0 outside 1 to 100, 0 out of order",
    ),
    Case(
        score_checks.DRIFT,
        good=lambda: ask_scores(score_checks.DRIFT),
        bad=lambda: ask_scores(score_checks.DRIFT, [0.3] * 90 + [0.7] * 10),
        found_good=0.0,
        found_bad=0.8789,
        expected="at most 0.25",
    ),
)


@pytest.mark.parametrize("value", [float("nan"), -0.0001, 1.0001, float("inf")])
def test_a_single_score_that_is_no_number_between_0_and_1_is_seen(value):
    assert ask_scores(score_checks.IN_RANGE, [0.5, value, 0.5]).passed is False


def test_a_few_leads_need_only_one_score_for_every_ten_of_them():
    assert ask_scores(score_checks.DISTINCT, np.repeat(SPREAD[:3], 10)).passed
    found = ask_scores(score_checks.DISTINCT, np.repeat(SPREAD[:2], 15))
    assert (found.passed, found.actual, found.expected) == (False, 2, "at least 3")


@pytest.mark.parametrize("not_called", [199, 201])
def test_neither_more_nor_fewer_than_a_fifth_are_left_out(not_called):
    ranks = np.array([20] * not_called + [21] * (1000 - not_called))
    found = ask_scores(score_checks.RANKED, ranks=ranks)
    assert (found.passed, found.actual) == (
        False,
        f"{not_called} leads at 20 or below, 0 percentiles outside 1 to 100, 0 out of order",
    )


def test_a_ranking_against_the_scores_is_seen():
    found = ask_scores(score_checks.RANKED, ranks=RANKS[::-1])
    assert (found.passed, found.actual) == (
        False,
        "200 leads at 20 or below, 0 percentiles outside 1 to 100, 99 out of order",
    )


def test_a_day_without_scores_is_not_a_fault_of_the_scores():
    nothing = np.zeros(0)
    for check in (score_checks.IN_RANGE, score_checks.DISTINCT, score_checks.RANKED, score_checks.DRIFT):
        assert ask_scores(check, nothing, nothing).passed


# --- models

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
    """A rounding error's last digits depend on the machine; below the tolerance it is told in words."""
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


# --- prospects


def ask_prospects(
    check: Check, count: int = 100, distinct: int | None = None, month_before: int | None = 100
) -> Finding:
    coverage = {"actual_count": count, "distinct_count": count if distinct is None else distinct}
    return answer(prospect_checks.judge_prospects(coverage, month_before, 0.30), check)


def ask_list(check: Check, callers: tuple[int, ...] = (1, 1, 2), version: str = "v4.1.0") -> Finding:
    return answer(prospect_checks.judge_list((7, 8, 9), callers, version, "v4.1.0", 2), check)


def of_advisors(case: Case) -> Case:
    """A case of the daily checks, asked of a month."""

    def monthly(ask: Callable[[], Finding]) -> Callable[[], Finding]:
        return lambda: prospect_checks.of_advisors([ask()])[0]

    good, bad = monthly(case.good), monthly(case.bad)
    expected_bad = None if case.expected_bad is None else bad().expected
    return replace(
        case,
        check=good().check,
        good=good,
        bad=bad,
        found_good=good().actual,
        found_bad=bad().actual,
        expected=good().expected,
        expected_bad=expected_bad,
    )


RENAMED = (
    feature_checks.ONE_PER_LEAD,
    feature_checks.MISSING_STEADY,
    feature_checks.VALUES_ALLOWED,
    score_checks.ONE_PER_FEATURED,
    score_checks.SAME_LEADS,
)
PROSPECT_CASES = (
    *(of_advisors(case) for case in (*FEATURE_CASES, *SCORE_CASES) if case.check in RENAMED),
    Case(
        prospect_checks.ONE_ROW,
        good=lambda: ask_prospects(prospect_checks.ONE_ROW),
        bad=lambda: ask_prospects(prospect_checks.ONE_ROW, 100, distinct=97),
        found_good="0 surplus rows",
        found_bad="3 surplus rows",
        expected="0 surplus rows",
    ),
    Case(
        prospect_checks.COUNT_STEADY,
        good=lambda: ask_prospects(prospect_checks.COUNT_STEADY, 130),
        bad=lambda: ask_prospects(prospect_checks.COUNT_STEADY, 131),
        found_good=130,
        found_bad=131,
        expected="70 to 130 advisors",
    ),
    Case(
        prospect_checks.LISTED_ONCE,
        good=lambda: ask_list(prospect_checks.LISTED_ONCE),
        bad=lambda: ask_list(prospect_checks.LISTED_ONCE, callers=(1, 1, 1)),
        found_good="3 rows, 0 surplus, at most 2 for a caller",
        found_bad="3 rows, 0 surplus, at most 3 for a caller",
        expected="0 surplus, at most 2 for a caller",
    ),
    Case(
        prospect_checks.OF_LIVE,
        good=lambda: ask_list(prospect_checks.OF_LIVE),
        bad=lambda: ask_list(prospect_checks.OF_LIVE, version="v4.0.0"),
        found_good="v4.1.0",
        found_bad="v4.0.0",
        expected="v4.1.0",
    ),
)


def test_an_advisor_listed_twice_is_surplus():
    found = answer(prospect_checks.judge_list((7, 7), (1, 2), "v4.1.0", "v4.1.0", 2), prospect_checks.LISTED_ONCE)
    assert (found.passed, found.actual) == (False, "2 rows, 1 surplus, at most 1 for a caller")


# --- every check

CASES = (*SOURCE_CASES, *LEAD_CASES, *FEATURE_CASES, *SCORE_CASES, *MODEL_CASES, *PROSPECT_CASES)
each_case = pytest.mark.parametrize("case", CASES, ids=[case.check.name for case in CASES])


def declared(module: ModuleType) -> set[Check]:
    return {value for value in vars(module).values() if isinstance(value, Check)}


def test_every_check_there_is_has_a_case_in_which_it_fails():
    assert {case.check for case in CASES} == set().union(*map(declared, MODULES))
    package = Path(checks.__file__).parent
    found = {f"{path.parent.name}.{path.stem}" for path in package.glob("*/*checks.py")}
    tested = {module.__name__.removeprefix("v4_assets.") for module in MODULES}
    assert found - tested == {"evaluation.checks", "salesforce.checks"}
    assert tested <= found


@pytest.mark.parametrize("module", [feature_checks, score_checks], ids=lambda module: module.__name__)
def test_every_check_of_a_module_is_asked_of_its_asset(module):
    assert set(module.CHECKS) == declared(module)


def test_every_check_of_the_sources_is_asked_of_the_sources_or_of_the_list_of_leads():
    assert {*source_checks.CHECKS, *source_checks.LEAD_CHECKS} == declared(source_checks)
    assert not set(source_checks.CHECKS) & set(source_checks.LEAD_CHECKS)


def test_every_check_of_a_model_is_asked_of_a_challenger():
    assert set(model_checks.CHALLENGER) == declared(model_checks)


@each_case
def test_the_check_passes_on_good_data(case: Case):
    found = case.good()
    assert found == Finding(case.check, True, case.found_good, case.expected, case.details_good)
    assert found.passed is True


@each_case
def test_the_check_fails_on_bad_data_saying_what_was_found_and_where(case: Case):
    found = case.bad()
    assert found == Finding(case.check, False, case.found_bad, case.expected_bad or case.expected, case.details)
    assert found.passed is False


@each_case
def test_the_answer_can_be_shown_by_dagster(case: Case):
    for found in (case.good(), case.bad()):
        (result,) = results([case.check], {DAY: [found]}, "asset")
        assert result.passed is found.passed
        assert result.metadata["actual"].value == found.actual
        assert result.metadata["expected"].value == found.expected


def test_no_two_checks_of_an_asset_have_one_name():
    for asked in (
        source_checks.CHECKS,
        source_checks.LEAD_CHECKS,
        feature_checks.CHECKS,
        score_checks.CHECKS,
        model_checks.CHALLENGER,
    ):
        assert len({check.name for check in asked}) == len(asked)


# --- findings as Dagster's results

STOP = Check("stop", "Stops what follows.", blocking=True, remedy="Mend it.")
WARN = Check("warn", "Only warns.", blocking=False, remedy="Look at it.")


def finding(check: Check, passed: bool, actual: int = 1, details: tuple[str, ...] = ()) -> Finding:
    return Finding(check, passed, actual, "1", details)


def value_of(result: dg.AssetCheckResult, name: str) -> object:
    return result.metadata[name].value


def test_a_blocking_check_is_an_error_and_any_other_a_warning():
    answers = {DAY: [finding(STOP, False), finding(WARN, False)]}
    found = {result.check_name: result.severity for result in results([STOP, WARN], answers, "asset")}
    assert found == {"stop": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}
    blocking = {spec.name: spec.blocking for spec in specs([STOP, WARN], "asset")}
    assert blocking == {"stop": True, "warn": False}


def test_a_check_says_what_it_asks_and_what_to_do_when_it_fails():
    assert [spec.description for spec in specs([STOP, WARN], "asset")] == [
        "Stops what follows.\n\n**When it fails:** Mend it.",
        "Only warns.\n\n**When it fails:** Look at it.",
    ]


def test_drift_freshness_and_a_list_given_out_before_a_switch_do_not_block():
    assert {case.check for case in CASES if not case.check.blocking} == {
        source_checks.FRESH,
        source_checks.RARE,
        feature_checks.DRIFT,
        score_checks.DRIFT,
        prospect_checks.OF_LIVE,
    }


def test_one_result_per_check_in_the_order_asked_whatever_the_order_of_the_findings():
    answers = {DAY: [finding(WARN, True), finding(STOP, True)]}
    assert [result.check_name for result in results([STOP, WARN], answers, "asset")] == ["stop", "warn"]


def test_a_result_says_its_day_what_was_found_and_the_details():
    (result,) = results([STOP], {DAY: [finding(STOP, False, 7, ("a: 1", "b: 2"))]}, "asset")
    assert result.description == "not ok: found 7, expected 1 (a: 1; b: 2)"
    assert {name: entry.value for name, entry in result.metadata.items()} == {
        "actual": 7,
        "expected": "1",
        "day": "2026-01-12",
        "details": "a: 1\nb: 2",
    }


def test_over_several_days_the_first_failing_one_speaks_and_all_failing_ones_are_named():
    days = [DAY + timedelta(days=offset) for offset in range(4)]
    passed = dict(zip(days, (True, False, True, False), strict=True))
    answers = {day: [finding(STOP, passed[day], offset)] for offset, day in enumerate(days)}
    (result,) = results([STOP], answers, "asset")
    assert result.passed is False
    assert result.description == "not ok: found 1, expected 1"
    assert (value_of(result, "day"), value_of(result, "actual")) == ("2026-01-13", 1)
    assert value_of(result, "failing_days") == "2026-01-13, 2026-01-15"


def test_over_several_good_days_the_last_one_speaks():
    answers = {DAY + timedelta(days=offset): [finding(STOP, True, offset)] for offset in (0, 2, 1)}
    (result,) = results([STOP], answers, "asset")
    assert (result.passed, value_of(result, "day"), value_of(result, "actual")) == (True, "2026-01-14", 2)
    assert value_of(result, "failing_days") == ""


def test_a_day_on_which_a_check_was_not_judged_is_never_a_pass():
    answers = {DAY: [finding(STOP, True)], DAY + timedelta(days=1): [finding(WARN, True)]}
    with pytest.raises(AssertionError, match=r"stop of asset has no finding for \[datetime\.date\(2026, 1, 13\)\]"):
        list(results([STOP], answers, "asset"))
