"""Every check passes on good data and fails on bad data, saying what it found, what it expected and where."""

from datetime import timedelta
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from v4_assets import checks
from v4_assets.checks import Check, Finding, results, specs
from v4_assets.features import checks as feature_checks
from v4_assets.models import checks as model_checks
from v4_assets.prospects import checks as prospect_checks
from v4_assets.scores import checks as score_checks
from v4_assets.sources import checks as source_checks
from v4_assets_tests.features.test_feature_checks import FEATURE_CASES
from v4_assets_tests.fixtures.check_cases import DAY, Case
from v4_assets_tests.models.test_model_checks import MODEL_CASES
from v4_assets_tests.prospects.test_prospect_checks import PROSPECT_CASES
from v4_assets_tests.scores.test_score_checks import SCORE_CASES
from v4_assets_tests.sources.test_source_checks import LEAD_CASES, SOURCE_CASES

MODULES = (source_checks, feature_checks, score_checks, model_checks, prospect_checks)

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
