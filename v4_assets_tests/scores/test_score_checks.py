"""Every check of scores passes on good data and fails on bad data."""

import numpy as np
import pytest

from v4_assets.checks import Check, Finding
from v4_assets.models.profile import Histogram
from v4_assets.scores import checks as score_checks
from v4_assets_tests.fixtures.check_cases import LIMITS, Case, answer, coverage

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
