"""Evidence becomes gates: every threshold at its line, every way to be short of evidence."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.checks import Finding
from v4_assets.evaluation.intervals import lift_interval
from v4_assets.models import checks as model_checks
from v4_assets.production.criteria import RATE, judge
from v4_assets.production.decision import GATE_NAMES, PROMOTION_GATES, ROLLBACK_GATES, Gate
from v4_assets.production.gates import TEST_METRICS, evidence_gates, gates
from v4_assets_tests.fixtures.narrow import present
from v4_assets_tests.fixtures.policy_worlds import (
    AUC_BOUND,
    EVALUATION,
    FAIL,
    HAIR,
    INCONCLUSIVE,
    LIFT_BOUND,
    LIFT_BOUND_2,
    PASS,
    POLICY,
    RATE_BOUND,
    VERSIONS,
    baseline,
    candidate,
    changed,
    judged,
)

# --- rollback criteria


@pytest.mark.parametrize(
    ("name", "field", "value", "verdict"),
    [
        pytest.param("top_decile_lift", "top_conversions", LIFT_BOUND - HAIR, FAIL, id="lift: bound just below"),
        pytest.param(
            "top_decile_lift", "top_conversions", LIFT_BOUND + HAIR, INCONCLUSIVE, id="lift: bound just above"
        ),
        pytest.param("top_decile_lift", "top_conversions", 30 - HAIR, INCONCLUSIVE, id="lift: estimate just below"),
        pytest.param("top_decile_lift", "top_conversions", 30.0, PASS, id="lift: estimate at the line"),
        pytest.param("top_decile_lift", "top_conversions", 30 + HAIR, PASS, id="lift: estimate just above"),
        pytest.param("auc", "auc", AUC_BOUND - HAIR, FAIL, id="auc: bound just below"),
        pytest.param("auc", "auc", AUC_BOUND + HAIR, INCONCLUSIVE, id="auc: bound just above"),
        pytest.param("auc", "auc", 0.59 - HAIR, INCONCLUSIVE, id="auc: estimate just below"),
        pytest.param("auc", "auc", 0.59, PASS, id="auc: estimate at the line"),
        pytest.param("auc", "auc", 0.59 + HAIR, PASS, id="auc: estimate just above"),
        pytest.param("top_decile_conversion", "top_conversions", RATE_BOUND - HAIR, FAIL, id="rate: bound just below"),
        pytest.param(
            "top_decile_conversion", "top_conversions", RATE_BOUND + HAIR, INCONCLUSIVE, id="rate: bound just above"
        ),
        pytest.param("top_decile_conversion", "top_conversions", 23.75 - HAIR, INCONCLUSIVE, id="rate: just below"),
        pytest.param("top_decile_conversion", "top_conversions", 23.75, PASS, id="rate: at the line"),
        pytest.param("top_decile_conversion", "top_conversions", 23.75 + HAIR, PASS, id="rate: just above"),
    ],
)
def test_a_rollback_criterion_fails_only_when_its_upper_bound_is_below_the_line(name, field, value, verdict):
    assert judged(candidate(**{field: value}))[name].verdict == verdict


@pytest.mark.parametrize(
    ("name", "field", "line"),
    [
        ("top_decile_lift", "top_conversions", 30.0),
        ("auc", "auc", 0.59),
        ("top_decile_conversion", "top_conversions", 23.75),
    ],
    ids=["lift", "auc", "rate"],
)
def test_by_the_letter_the_estimate_alone_decides(name, field, line):
    policy = changed("rollback", judge_by="estimate", on_champion_also_failing="rollback")
    for value, verdict in ((line - HAIR, FAIL), (line, PASS), (line + HAIR, PASS)):
        gate = judged(candidate(**{field: value}), policy=policy)[name]
        assert (gate.verdict, gate.bound) == (verdict, None)


@pytest.mark.parametrize("guard", [{"uncovered": 4_000}, {"model_sha256": None}], ids=["uncovered", "artifacts"])
def test_by_the_letter_only_the_number_of_conversions_is_waived(guard):
    policy = changed("rollback", judge_by="estimate", on_champion_also_failing="rollback")
    few = {"conversions": 10, "top_conversions": 1.0}
    gates_ = judged(candidate(**few), policy=policy)
    assert gates_["top_decile_lift"].verdict == gates_["top_decile_conversion"].verdict == FAIL
    guarded = judged(candidate(**few, **guard), policy=policy)
    assert {guarded[name].verdict for name in ROLLBACK_GATES} == {INCONCLUSIVE}


def test_by_the_letter_nothing_is_said_of_no_conversions():
    policy = changed("rollback", judge_by="estimate", on_champion_also_failing="rollback")
    nothing = judged(candidate(conversions=0, top_conversions=0.0, lift=None, auc=None, auc_se=None), policy=policy)
    assert {nothing[name].verdict for name in ROLLBACK_GATES} == {INCONCLUSIVE}


def test_a_higher_confidence_convicts_less():
    row = candidate(top_conversions=LIFT_BOUND - HAIR)
    assert judged(row, policy=changed("rollback", confidence=0.80))["top_decile_lift"].verdict == FAIL
    assert judged(row, policy=changed("rollback", confidence=0.81))["top_decile_lift"].verdict == INCONCLUSIVE
    at_one_half = judged(candidate(top_conversions=29.9), policy=changed("rollback", confidence=0.5))
    assert at_one_half["top_decile_lift"].verdict == FAIL


BAD = {"top_conversions": 10.0, "auc": 0.5}


@pytest.mark.parametrize(
    ("changes", "short"),
    [
        pytest.param({"conversions": 149}, True, id="one conversion short"),
        pytest.param({"conversions": 150}, False, id="just enough conversions"),
        pytest.param({"uncovered": 251}, True, id="uncovered just above 5 %"),
        pytest.param({"uncovered": 250}, False, id="uncovered at 5 %"),
        pytest.param({"longest_silence_days": 60}, False, id="silent days are left out of the cohort instead"),
        pytest.param({"model_sha256": None}, True, id="several artifacts"),
    ],
)
def test_short_evidence_convicts_nobody(changes, short):
    row = candidate(**{**BAD, **changes})
    found = judged(row, baseline(top_decile_conversion=0.06))
    assert {found[name].verdict for name in ROLLBACK_GATES} == {INCONCLUSIVE if short else FAIL}


@pytest.mark.parametrize(
    ("conversions", "verdict"), [(199, INCONCLUSIVE), (200, PASS), (201, PASS)], ids=["short", "enough", "more"]
)
def test_a_promotion_asks_for_its_own_number_of_conversions(conversions, verdict):
    row = candidate(question="promotion", conversions=conversions, top_conversions=45.0)
    found = judged(row)
    assert found["promotion_lift"].verdict == found["not_behind_baseline"].verdict == verdict


@pytest.mark.parametrize("changes", [{"conversions": 0, "top_conversions": 0.0}, {"leads": 0, "top_leads": 0.0}])
def test_what_cannot_be_said_is_inconclusive(changes):
    row = candidate(**{"conversions": 0, "top_conversions": 0.0, "auc": None, "auc_se": None, **changes})
    found = judged(row)
    assert {found[name].verdict for name in ROLLBACK_GATES} == {INCONCLUSIVE}
    assert "it holds 0 of the 150 conversions" in found["top_decile_lift"].reason


def test_without_evidence_every_gate_is_inconclusive():
    found = judged()
    assert {gate.verdict for gate in found.values()} == {INCONCLUSIVE}
    assert found["auc"].reason == "v4.1.0's AUC was not measured."


def test_a_cohort_at_its_longest_reach_says_so():
    row = candidate(conversions=149, cohort_from=date(2025, 6, 1), cohort_to=date(2025, 11, 29))
    assert "149 of the 150 conversions a verdict needs, and 182 days is the longest window" in judged(row)["auc"].reason


# --- the market and the model


@pytest.mark.parametrize(
    ("theirs", "verdict", "alert"),
    [
        pytest.param(10 / 475 - HAIR, INCONCLUSIVE, True, id="the baseline is lower: the market"),
        pytest.param(10 / 475, FAIL, False, id="as low as the candidate"),
        pytest.param(10 / 475 + HAIR, FAIL, False, id="the baseline is higher: the model"),
    ],
)
def test_the_conversion_line_counts_only_while_the_baseline_is_not_lower(theirs, verdict, alert):
    gate = judged(candidate(top_conversions=10.0), baseline(top_decile_conversion=theirs))["top_decile_conversion"]
    assert (gate.verdict, gate.alert, "the market fell" in gate.reason) == (verdict, alert, alert)


def test_by_the_letter_the_market_is_the_model():
    policy = changed("rollback", on_champion_also_failing="rollback")
    rows = candidate(top_conversions=10.0), baseline(top_decile_conversion=0.001)
    assert judged(*rows, policy=policy)["top_decile_conversion"].verdict == FAIL


def test_after_sunset_there_is_no_champion_to_compare_with():
    rows = (
        candidate(top_conversions=10.0, only_own_top=None, only_baseline_top=None),
        candidate(question="promotion", only_own_top=None, only_baseline_top=None),
    )
    found = judged(*rows)
    assert found["not_behind_baseline"].verdict == INCONCLUSIVE
    assert found["not_behind_baseline"].reason.startswith("v4.0.0 has no scores")
    assert found["top_decile_conversion"].verdict == FAIL
    assert "There are no scores of v4.0.0 to compare with." in found["top_decile_conversion"].reason


# --- the live version, and the line for covered leads


def evidence_of(
    *rows, live: str | None = None, policy=POLICY, covered: tuple[int, int] | None = None
) -> dict[str, Gate]:
    found = evidence_gates(rows, **VERSIONS, live=live, policy=policy, evaluation=EVALUATION, covered=covered)
    return {gate.name: gate for gate in found}


def test_the_rollback_gates_judge_the_live_version_and_name_it():
    rows = candidate(), baseline(top_conversions=10.0, top_decile_conversion=10 / 475)
    found = evidence_of(*rows, live="v4.0.0")
    assert found["top_decile_lift"].verdict == FAIL
    assert found["top_decile_lift"].reason.startswith("v4.0.0's top-decile lift is 0.50, below 1.50")
    assert found["top_decile_conversion"].verdict == FAIL
    promoted = candidate(question="promotion"), baseline(question="promotion", top_conversions=10.0)
    found = evidence_of(*promoted, live="v4.0.0")
    assert {found[name].verdict for name in PROMOTION_GATES} == {PASS}
    assert all("v4.1.0's" in found[name].reason for name in PROMOTION_GATES)


@pytest.mark.parametrize(
    ("covered", "top", "verdict"),
    [
        pytest.param((610, 1000), 475 * 0.0305, PASS, id="at the scaled line"),
        pytest.param((610, 1000), 475 * 0.0305 - 1e-3, INCONCLUSIVE, id="just below it"),
        pytest.param((1000, 1000), 475 * 0.0305, FAIL, id="every conversion is covered"),
        pytest.param((60, 99), 475 * 0.02, INCONCLUSIVE, id="99 conversions measure no share"),
        pytest.param((60, 100), 475 * 0.015, FAIL, id="100 do"),
    ],
)
def test_the_conversion_line_is_that_of_covered_leads(covered, top, verdict):
    row = candidate(top_conversions=top, top_decile_conversion=top / 475)
    letter = changed("rollback", on_champion_also_failing="rollback")
    gate = evidence_of(row, policy=letter, covered=covered)["top_decile_conversion"]
    assert gate.verdict == verdict
    literal = changed("rollback", conversion_line="literal", on_champion_also_failing="rollback")
    assert evidence_of(row, policy=literal, covered=covered)["top_decile_conversion"].threshold == 0.05
    if covered[0] < covered[1]:
        assert "The line is 5.0 % of all leads times 0.6" in gate.reason


def test_without_a_watch_the_cohort_measures_the_share_itself():
    row = candidate(converted_before_scored=200)
    assert judged(row)["top_decile_conversion"].threshold == pytest.approx(0.025)


def test_leads_from_the_live_versions_list_are_named_in_every_reason():
    listed = EVALUATION.model_copy(update={"leads_come_from": "live_list"})
    found = judged(candidate(), candidate(question="promotion"), evaluation=listed)
    assert all("The leads come from the live version's own list" in gate.reason for gate in found.values())


def test_a_version_that_ranks_exactly_like_the_baseline_is_no_challenger():
    row = candidate(question="promotion", only_own_top=0.0, only_baseline_top=0.0, auc_difference=0.0)
    gate = judged(row)["not_behind_baseline"]
    assert (gate.verdict, "ranks these leads exactly as v4.0.0 does" in gate.reason) == (INCONCLUSIVE, True)
    assert judged(replace(row, auc_difference=0.01))["not_behind_baseline"].verdict == PASS


# --- promotion criteria


@pytest.mark.parametrize(
    ("top", "verdict"),
    [
        pytest.param(LIFT_BOUND_2 - HAIR, FAIL, id="bound just below"),
        pytest.param(LIFT_BOUND_2 + HAIR, INCONCLUSIVE, id="bound just above"),
        pytest.param(40 - HAIR, INCONCLUSIVE, id="estimate just below"),
        pytest.param(40.0, PASS, id="at the line"),
        pytest.param(40 + HAIR, PASS, id="just above"),
    ],
)
def test_promotion_asks_for_a_lift_of_two(top, verdict):
    assert judged(candidate(question="promotion", top_conversions=top))["promotion_lift"].verdict == verdict


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(None, INCONCLUSIVE), (0.25 - HAIR, INCONCLUSIVE), (0.25, PASS), (0.25 + HAIR, PASS)],
    ids=["unknown", "just below", "at", "just above"],
)
def test_promotion_asks_for_a_share_of_live_scores(share, verdict):
    row = candidate(question="promotion", live_share=share)
    assert judged(row, policy=changed("promotion", min_live_share=0.25))["promotion_lift"].verdict == verdict


def test_the_live_share_stands_in_the_reason():
    row = candidate(question="promotion", live_share=0.07)
    assert judged(row)["promotion_lift"].reason == (
        "v4.1.0's top-decile lift is 2.10, not below 2.00 (4,750 leads contacted 2025-11-20 to 2025-11-29, "
        "200 of which converted). 7 % of the first scores are live."
    )


@pytest.mark.parametrize(
    ("own", "theirs", "verdict"),
    [
        pytest.param(20, 20, PASS, id="level"),
        pytest.param(20 + HAIR, 20, PASS, id="just ahead"),
        pytest.param(20, 20 + HAIR, INCONCLUSIVE, id="just behind"),
        pytest.param(20, 25, INCONCLUSIVE, id="behind by chance"),
        pytest.param(5, 40, FAIL, id="behind"),
    ],
)
def test_the_candidate_is_not_behind_the_baseline(own, theirs, verdict):
    row = candidate(question="promotion", only_own_top=float(own), only_baseline_top=float(theirs))
    assert judged(row)["not_behind_baseline"].verdict == verdict


def findings(**failing: bool) -> list[Finding]:
    checks = (model_checks.AUC_ABOVE, model_checks.LIFT_ABOVE, model_checks.AUC_GAP)
    return [Finding(check, not failing.get(check.name, False), 0.62, "above 0.599") for check in checks]


def of_day(model_findings, live_days: int = 7) -> dict[str, Gate]:
    made = gates(
        [candidate()],
        **VERSIONS,
        live="v4.1.0",
        covered=None,
        policy=POLICY,
        evaluation=EVALUATION,
        model_findings=model_findings,
        live_parallel_days=live_days,
    )
    assert tuple(gate.name for gate in made) == GATE_NAMES
    return {gate.name: gate for gate in made}


def test_the_bundle_s_own_test_figures_are_a_gate():
    assert of_day(findings())["model_test_metrics"].verdict == PASS
    failed = of_day(findings(test_lift=True))["model_test_metrics"]
    assert (failed.verdict, "test_lift is 0.62, expected above 0.599" in failed.reason) == (FAIL, True)
    assert of_day([])["model_test_metrics"].verdict == INCONCLUSIVE
    assert "auc_gap were not checked" in of_day(findings()[:2])["model_test_metrics"].reason


def test_the_bundle_s_test_figures_are_those_of_the_checklist():
    assert {check.name for check in model_checks.TEST_FIGURES} == set(TEST_METRICS)


@pytest.mark.parametrize(
    ("days", "verdict"), [(6, INCONCLUSIVE), (7, PASS), (8, PASS)], ids=["a day short", "a week", "more"]
)
def test_a_week_in_parallel_is_asked_for(days, verdict):
    gate = of_day(findings(), days)["live_parallel_days"]
    assert (gate.verdict, gate.actual, gate.threshold) == (verdict, days, 7)
    assert gate.reason.startswith(f"{days} of 7 days in parallel")


def test_rows_of_two_days_or_two_rows_of_one_version_are_refused():
    with pytest.raises(ValueError, match="one row per question and version"):
        judged(candidate(), candidate())
    with pytest.raises(ValueError, match="one row per question and version"):
        judged(candidate(), baseline(prediction_date=date(2026, 1, 13)))


# --- what a person reads


def test_a_failing_gate_gives_its_figure_its_line_its_bound_and_its_cohort():
    gate = judged(candidate(top_conversions=20.0))["top_decile_lift"]
    assert gate.reason == (
        "v4.1.0's top-decile lift is 1.00, below 1.50 by more than chance explains: 80 % upper bound 1.19 "
        "(4,750 leads contacted 2025-11-20 to 2025-11-29, 200 of which converted)."
    )
    assert (gate.actual, gate.threshold) == (1.0, 1.5)
    assert gate.bound == present(lift_interval(20.0, 200, 4_750, 475.0, 0.6)).high


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.05, "5.0 %"), (0.0499, "4.99 %"), (0.04999, "4.999 %"), (0.0794, "7.9 %")],
    ids=["at the line", "rounds to it", "rounds to it later", "away from it"],
)
def test_a_figure_near_its_line_is_written_so_that_they_differ(value, said):
    assert RATE.write(value, 0.05) == said


@settings(deadline=None)
@given(st.floats(0, 10), st.floats(0, 10), st.floats(0.1, 9))
def test_verdicts_are_ordered_and_the_same_for_numbers_and_arrays(one, two, line):
    estimate, upper = sorted((one, two))
    alone = int(judge(estimate, upper, line))
    assert alone == judge(np.array([[estimate]]), np.array([[upper]]), line)[0, 0]
    assert (alone == FAIL) == (upper < line - 1e-9)
    assert (alone == PASS) == (estimate >= line - 1e-9)
