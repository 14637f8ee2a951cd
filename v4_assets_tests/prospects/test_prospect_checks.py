"""Every check of prospects and of their list passes on good data and fails on bad data."""

from collections.abc import Callable
from dataclasses import replace

from v4_assets.checks import Check, Finding
from v4_assets.features import checks as feature_checks
from v4_assets.prospects import checks as prospect_checks
from v4_assets.scores import checks as score_checks
from v4_assets_tests.features.test_feature_checks import FEATURE_CASES
from v4_assets_tests.fixtures.check_cases import Case, answer
from v4_assets_tests.scores.test_score_checks import SCORE_CASES


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
