"""Evidence becomes gates, and gates a decision: every threshold at its line, every phase, every way to be short."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.checks import Finding
from v4_assets.checks import models as model_checks
from v4_assets.configuration.rollout_file import read_rollout
from v4_assets.errors import SettingsError
from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.intervals import lift_interval, logit_auc_interval, wilson
from v4_assets.policy.criteria import RATE, judge
from v4_assets.policy.decide import decide
from v4_assets.policy.decision import (
    EVIDENCE_GATES,
    GATE_NAMES,
    ROLLBACK_GATES,
    Action,
    Decision,
    Evaluated,
    Gate,
    Phase,
    RolloutStatus,
    Verdict,
)
from v4_assets.policy.gates import TEST_METRICS, evidence_gates, gates, history_of
from v4_assets.policy.state import State
from v4_assets.policy.weeks import closes, name_of, running
from v4_assets.settings import PROJECT
from v4_assets_tests.evidences import evidence

ROLLOUT = PROJECT / "rollout.yaml"
FILE = read_rollout(ROLLOUT)
POLICY, EVALUATION = FILE.policy, FILE.evaluation
VERSIONS = {"candidate": "v4.1.0", "baseline": "v4.0.0"}
PASS, INCONCLUSIVE, FAIL = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL
HAIR = 1e-6


def changed(section, **changes):
    """POLICY with numbers of one of its sections changed."""
    return POLICY.model_copy(update={section: getattr(POLICY, section).model_copy(update=changes)})


def candidate(**changes) -> Evidence:
    """The candidate's row: 4,750 leads of which 200 converted, 42 in the top decile of 475, a lift of 2.1."""
    sizes = {
        "model_sha256": "a" * 64,
        "leads": 4_750,
        "top_leads": 475.0,
        "only_own_top": 20.0,
        "only_baseline_top": 8.0,
    }
    return evidence(**{**sizes, **changes})


def baseline(**changes) -> Evidence:
    return candidate(version="v4.0.0", only_own_top=None, only_baseline_top=None, **changes)


def judged(*rows: Evidence, policy=POLICY, evaluation=EVALUATION) -> dict[str, Gate]:
    found = evidence_gates(rows, **VERSIONS, policy=policy, evaluation=evaluation)
    assert tuple(gate.name for gate in found) == EVIDENCE_GATES
    return {gate.name: gate for gate in found}


def crossing(bound, line: float, low: float, high: float) -> float:
    """The figure between low and high whose rising `bound` meets the line."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if bound(middle) > line else (middle, high)
    return low


LIFT_BOUND = crossing(lambda x: lift_interval(x, 200, 4_750, 475.0, 0.6).high, 1.5, 10, 40)
LIFT_BOUND_2 = crossing(lambda x: lift_interval(x, 200, 4_750, 475.0, 0.6).high, 2.0, 10, 60)
AUC_BOUND = crossing(lambda auc: logit_auc_interval(auc, 0.02, 0.6).high, 0.59, 0.5, 0.6)
RATE_BOUND = crossing(lambda x: wilson(x, 475, 0.6).high, 0.05, 5, 40)


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


def test_by_the_letter_shortage_matters_only_where_nothing_can_be_said():
    policy = changed("rollback", judge_by="estimate", on_champion_also_failing="rollback")
    short = {"uncovered": 4_000, "longest_silence_days": 60, "model_sha256": None, "conversions": 10}
    gates_ = judged(candidate(**short, top_conversions=1.0), policy=policy)
    assert gates_["top_decile_lift"].verdict == gates_["top_decile_conversion"].verdict == FAIL
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
        pytest.param({"longest_silence_days": 8}, True, id="outcomes silent for a day too long"),
        pytest.param({"longest_silence_days": 7}, False, id="outcomes silent as long as believable"),
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
    assert found["auc"].reason == "AUC: nothing was measured."


def test_a_cohort_at_its_longest_reach_says_so():
    row = candidate(conversions=149, cohort_from=date(2025, 6, 1), cohort_to=date(2025, 11, 29))
    assert "149 of the 150 conversions a verdict needs, at the longest reach of 182 days" in judged(row)["auc"].reason


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
    assert found["not_behind_baseline"].reason.startswith("v4.0.0 is not scored")
    assert found["top_decile_conversion"].verdict == FAIL
    assert "v4.0.0 is not scored on these leads" in found["top_decile_conversion"].reason


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
        "Top-decile lift is 2.10, not below 2.00 (4,750 leads contacted 2025-11-20 to 2025-11-29, 200 of which "
        "converted). 7 % of the first scores are live."
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
    assert "auc_gap were not judged" in of_day(findings()[:2])["model_test_metrics"].reason


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
        "Top-decile lift is 1.00, below 1.50 by more than chance explains: with 80 % confidence it is at most 1.19 "
        "(4,750 leads contacted 2025-11-20 to 2025-11-29, 200 of which converted)."
    )
    assert (gate.actual, gate.threshold) == (1.0, 1.5)
    assert gate.bound == lift_interval(20.0, 200, 4_750, 475.0, 0.6).high


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


# --- weeks

TODAY = date(2026, 1, 26)  # the Monday of 2026-W05


def gate(name: str, verdict: Verdict = PASS, **more) -> Gate:
    return Gate(name, verdict, f"{name} is {verdict.name}.", **more)


def day_gates(names=GATE_NAMES, **verdicts: Verdict) -> tuple[Gate, ...]:
    """All pass but those named."""
    return tuple(gate(name, verdicts.get(name, PASS)) for name in names)


def sunday(week: str) -> date:
    year, _, number = week.partition("-W")
    return date.fromisocalendar(int(year), int(number), 7)


def history(*, retrospective: bool = False, **weeks: dict[str, Verdict]) -> dict[date, Evaluated]:
    """Closes of weeks of 2026 by keywords like W03; all gates pass but those given."""
    return {
        sunday(f"2026-{week}"): Evaluated(day_gates(EVIDENCE_GATES, **verdicts), retrospective)
        for week, verdicts in weeks.items()
    }


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2020, 12, 31), "2020-W53"),
        (date(2021, 1, 3), "2020-W53"),
        (date(2021, 1, 4), "2021-W01"),
        (date(2024, 12, 30), "2025-W01"),
        (date(2026, 12, 31), "2026-W53"),
        (date(2027, 1, 3), "2026-W53"),
    ],
)
def test_weeks_are_named_as_iso_names_them(day, name):
    assert name_of(day) == name


@pytest.mark.parametrize(
    ("first", "second", "adjacent"),
    [
        ("2020-W52", "2020-W53", True),
        ("2020-W53", "2021-W01", True),
        ("2020-W52", "2021-W01", False),
        ("2021-W52", "2022-W01", True),
        ("2026-W53", "2027-W01", True),
        ("2026-W02", "2026-W03", True),
        ("2026-W01", "2026-W03", False),
    ],
)
def test_adjacent_weeks_are_those_of_the_calendar(first, second, adjacent):
    bad = Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False)
    past = {sunday(first): bad, sunday(second): bad}
    today = sunday(second) + timedelta(days=1)
    found = running(closes(past, today, lambda day, one: True), today, "auc", FAIL)
    assert [close.week for close in found] == ([first, second] if adjacent else [second])


@pytest.mark.parametrize(
    ("today", "closed"),
    [(date(2026, 1, 25), []), (date(2026, 1, 26), ["2026-W04"]), (date(2026, 2, 1), ["2026-W04"])],
    ids=["still Sunday", "Monday", "the Sunday after"],
)
def test_a_week_is_closed_when_the_next_one_has_begun(today, closed):
    made = closes(history(W04={}), today, lambda day, one: True)
    assert [close.week for close in made.values()] == closed


def test_the_last_evaluated_day_of_a_week_speaks_for_it():
    past = {
        date(2026, 1, 20): Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False),
        date(2026, 1, 23): Evaluated(day_gates(EVIDENCE_GATES), False),
        date(2026, 1, 19): Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False),
    }
    (close,) = closes(past, TODAY, lambda day, one: True).values()
    assert (close.day, close.gates["auc"].verdict) == (date(2026, 1, 23), PASS)


# --- watching


def status(phase: Phase = Phase.WATCH, **changes) -> RolloutStatus:
    known = {
        "phase": phase,
        "live": "v4.1.0" if phase in (Phase.WATCH, Phase.SUNSET) else "v4.0.0",
        "today": TODAY,
        "live_since": date(2026, 1, 4),
        "phase_since": date(2026, 1, 4),
        **VERSIONS,
    }
    return RolloutStatus(**{**known, **changes})


def watch(past, found=None, policy=POLICY, facts=None, **changes) -> Decision:
    return decide(State(status(**changes), found or day_gates(), past, policy, **(facts or {})))


@pytest.mark.parametrize("name", ROLLBACK_GATES)
def test_the_same_criterion_at_two_week_closes_running_rolls_back(name):
    decision = watch(history(W03={name: FAIL}, W04={name: FAIL}))
    assert decision.action == Action.ROLLBACK
    assert [one.name for one in decision.gates] == [name, name]
    assert decision.reason.startswith(f"{name} failed at 2 week-closes running. 2026-W03: {name} is FAIL. 2026-W04:")


@pytest.mark.parametrize("name", ROLLBACK_GATES)
@pytest.mark.parametrize("needed", [1, 2, 3])
@pytest.mark.parametrize("failed", [0, 1, 2, 3])
def test_as_many_weeks_convict_as_the_policy_says(name, needed, failed):
    weeks = POLICY.rollback.weeks_running.model_copy(update={name: needed})
    past = history(**{f"W{week:02d}": {name: FAIL} for week in range(5 - failed, 5)})
    decision = watch(past, policy=changed("rollback", weeks_running=weeks))
    assert (decision.action == Action.ROLLBACK) == (failed >= needed)


def test_two_criteria_that_fail_in_turn_do_not_roll_back():
    decision = watch(history(W03={"auc": FAIL}, W04={"top_decile_lift": FAIL}))
    assert decision.action == Action.HOLD
    assert (
        "2026-W04 closed with top_decile_lift failing, and it takes 1 more week like it to roll back" in decision.reason
    )


def test_every_criterion_that_convicts_is_named():
    both = {"auc": FAIL, "top_decile_lift": FAIL}
    decision = watch(history(W03=both, W04=both))
    assert [one.name for one in decision.gates] == ["top_decile_lift"] * 2 + ["auc"] * 2


@pytest.mark.parametrize(
    "past",
    [
        pytest.param(history(W02={"auc": FAIL}, W04={"auc": FAIL}), id="bad, missing, bad"),
        pytest.param(history(W02={"auc": FAIL}, W03={"auc": INCONCLUSIVE}, W04={"auc": FAIL}), id="bad, unclear, bad"),
        pytest.param(history(W02={"auc": FAIL}, W03={}, W04={"auc": FAIL}), id="bad, good, bad"),
        pytest.param(history(W02={"auc": FAIL}, W03={"auc": FAIL}, W04={}), id="bad, bad, good"),
        pytest.param(history(W02={"auc": FAIL}, W03={"auc": FAIL}), id="bad, bad, missing"),
        pytest.param(history(W04={"auc": FAIL}), id="bad"),
    ],
)
def test_what_is_not_two_bad_weeks_running_does_not_roll_back(past):
    assert watch(past).action == Action.HOLD


def test_a_bad_week_evaluated_on_several_days_counts_once():
    bad = Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False)
    past = {date(2026, 1, day): bad for day in range(19, 26)}
    assert watch(past).action == Action.HOLD


def test_a_bad_week_before_the_promotion_does_not_count():
    past = history(W03={"auc": FAIL}, W04={"auc": FAIL})
    assert watch(past, live_since=date(2026, 1, 17)).action == Action.ROLLBACK
    assert watch(past, live_since=date(2026, 1, 18)).action == Action.HOLD


def test_a_day_computed_later_does_not_convict():
    past = history(W03={"auc": FAIL}) | history(W04={"auc": FAIL}, retrospective=True)
    assert watch(past).action == Action.HOLD


def test_a_day_computed_later_does_not_hide_the_live_one_before_it():
    past = history(W03={"auc": FAIL}) | history(W04={}, retrospective=True)
    past[date(2026, 1, 24)] = Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False)
    assert watch(past).action == Action.ROLLBACK


def test_the_current_week_convicts_nobody_before_it_closes():
    past = history(W04={"auc": FAIL}) | {date(2026, 1, 27): Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False)}
    assert watch(past, day_gates(auc=FAIL), today=date(2026, 1, 28)).action == Action.HOLD


def test_both_versions_failing_the_conversion_line_holds_and_tells():
    rows = []
    for week in (3, 4):
        day = date.fromisocalendar(2026, week, 7)
        rows.append(candidate(prediction_date=day, top_conversions=10.0, conversions=30))
        rows.append(baseline(prediction_date=day, top_decile_conversion=0.01))
    fewer = EVALUATION.model_copy(
        update={"min_conversions": EVALUATION.min_conversions.model_copy(update={"rollback": 30})}
    )
    past = history_of(rows, **VERSIONS, policy=POLICY, evaluation=fewer)
    market = gate("top_decile_conversion", INCONCLUSIVE, alert=True)
    today = tuple(market if one.name == market.name else one for one in day_gates())
    decision = watch(past, today)
    assert (decision.action, decision.alert) == (Action.HOLD, True)
    assert market in decision.gates
    letter = changed("rollback", on_champion_also_failing="rollback")
    past = history_of(rows, **VERSIONS, policy=letter, evaluation=fewer)
    assert watch(past, policy=letter).action == Action.ROLLBACK


@pytest.mark.parametrize(
    ("past", "alert"),
    [
        pytest.param(history(W02={}, W03={}, W04={"auc": INCONCLUSIVE}), False, id="one week unclear"),
        pytest.param(
            history(W02={}, W03={"auc": INCONCLUSIVE}, W04={"auc": INCONCLUSIVE}), True, id="two weeks unclear"
        ),
        pytest.param(history(W02={}, W03={"auc": INCONCLUSIVE}), True, id="unclear, then missing"),
        pytest.param(history(W02={}), True, id="two weeks missing"),
        pytest.param(history(W02={}, W03={}), False, id="one week missing"),
    ],
)
def test_two_weeks_without_a_verdict_are_told(past, alert):
    assert watch(past).alert == alert


@pytest.mark.parametrize(
    ("live_since", "alert"),
    [(date(2026, 1, 11), True), (date(2026, 1, 12), False), (date(2026, 1, 18), False)],
    ids=["the Sunday before both weeks", "the Monday of the first", "the Sunday of the first"],
)
def test_weeks_that_began_before_the_promotion_was_over_are_not_missed(live_since, alert):
    assert watch({}, live_since=live_since).alert == alert


def test_weeks_without_a_verdict_are_named():
    decision = watch(history(W02={}, W03={"auc": INCONCLUSIVE}))
    assert "auc had no verdict at the close of 2026-W03, 2026-W04." in decision.reason


@pytest.mark.parametrize("phase", [Phase.PARALLEL, Phase.WATCH, Phase.SUNSET])
def test_what_a_gate_of_today_finds_worth_telling_is_told(phase):
    market = gate("top_decile_conversion", INCONCLUSIVE, alert=True)
    today = tuple(market if one.name == market.name else one for one in day_gates())
    assert decide(State(status(phase), today, CALM, POLICY)).alert
    assert not decide(State(status(phase), day_gates(auc=INCONCLUSIVE), CALM, POLICY)).alert


def test_a_live_version_of_unknown_age_is_left_alone():
    decision = watch(history(W03={"auc": FAIL}, W04={"auc": FAIL}), live_since=None)
    assert (decision.action, decision.alert) == (Action.HOLD, True)


# --- sunset

DUE = {"cohort_from": date(2026, 1, 5), "baseline_readers": (), "approved": Action.SUNSET}
CALM = history(W02={}, W03={}, W04={})


def test_a_sunset_that_is_due_and_approved_is_carried_out():
    assert watch(CALM, facts=DUE).action == Action.SUNSET


def test_a_sunset_is_asked_for_unless_the_policy_says_otherwise():
    waiting = {"cohort_from": date(2026, 1, 5), "baseline_readers": ()}
    asked = watch(CALM, facts=waiting)
    assert (asked.action, asked.wanted) == (Action.ASK, Action.SUNSET)
    assert "`v4 approve`" in asked.reason
    assert watch(CALM, facts=waiting, policy=changed("sunset", approval="auto")).action == Action.SUNSET


def test_the_approval_of_a_promotion_is_none_of_a_sunset():
    other = {"cohort_from": date(2026, 1, 5), "baseline_readers": (), "approved": Action.PROMOTE}
    assert watch(CALM, facts=other).action == Action.ASK


@pytest.mark.parametrize(
    ("live_since", "due"),
    [(date(2026, 1, 13), False), (date(2026, 1, 12), True), (date(2026, 1, 11), True)],
    ids=["13 days", "14 days", "15 days"],
)
def test_a_sunset_waits_for_two_healthy_weeks(live_since, due):
    facts = {"cohort_from": date(2026, 1, 20), "baseline_readers": (), "approved": Action.SUNSET}
    decision = watch(CALM, facts=facts, live_since=live_since)
    assert (decision.action == Action.SUNSET) == due
    assert due or "waits for 13 of 14 healthy days" in decision.reason


@pytest.mark.parametrize(
    ("failed", "due"), [(date(2026, 1, 13), False), (date(2026, 1, 12), True), (date(2026, 1, 4), True)]
)
@pytest.mark.parametrize("retrospective", [False, True])
def test_a_failing_day_begins_the_healthy_days_anew(failed, due, retrospective):
    past = CALM | {failed: Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), retrospective)}
    assert (watch(past, facts=DUE).action == Action.SUNSET) == due


@pytest.mark.parametrize(
    ("changes", "awaited"),
    [
        pytest.param({"cohort_from": None}, "a matured cohort contacted wholly after 2026-01-04", id="no cohort"),
        pytest.param({"cohort_from": date(2026, 1, 4)}, "wholly after 2026-01-04", id="contacted on the day itself"),
        pytest.param({"baseline_readers": ("report.sql",)}, "names: report.sql", id="a reader left"),
        pytest.param({"unchecked_readers": "no right"}, "who reads v4.0.0's names: no right", id="nobody may look"),
        pytest.param(
            {"baseline_readers": None}, "somebody to say that nothing reads v4.0.0's names", id="nobody looked"
        ),
    ],
)
def test_a_sunset_says_what_it_waits_for(changes, awaited):
    known = {"cohort_from": date(2026, 1, 5), "baseline_readers": (), "approved": Action.SUNSET}
    decision = watch(CALM, facts={**known, **changes})
    assert (decision.action, awaited in decision.reason) == (Action.HOLD, True)


@pytest.mark.parametrize("verdict", [INCONCLUSIVE, FAIL])
@pytest.mark.parametrize("name", ROLLBACK_GATES)
def test_nothing_is_archived_on_a_day_that_does_not_pass(name, verdict):
    assert watch(CALM, day_gates(**{name: verdict}), facts=DUE).action == Action.HOLD


def test_after_sunset_a_breach_is_told_and_v4_restore_is_named():
    past = history(W02={}, W03={"auc": FAIL}, W04={"auc": FAIL})
    decision = watch(past, phase=Phase.SUNSET)
    assert (decision.action, decision.alert) == (Action.HOLD, True)
    assert "`v4 restore v4.0.0`" in decision.reason
    calm = watch(CALM, phase=Phase.SUNSET)
    assert (calm.action, calm.alert, calm.reason) == (Action.HOLD, False, "v4.1.0 is alone.")


# --- promotion

GOOD = history(W03={}, W04={}, retrospective=True)


def parallel(past=GOOD, found=None, policy=POLICY, facts=None, **changes) -> Decision:
    return decide(State(status(Phase.PARALLEL, **changes), found or day_gates(), past, policy, **(facts or {})))


def test_a_candidate_that_shows_everything_is_promoted():
    decision = parallel()
    assert (decision.action, decision.gates) == (Action.PROMOTE, day_gates())
    assert "2026-W03: promotion_lift is PASS. 2026-W04: promotion_lift is PASS." in decision.reason


@pytest.mark.parametrize("verdict", [INCONCLUSIVE, FAIL])
@pytest.mark.parametrize("name", GATE_NAMES)
def test_any_gate_that_does_not_pass_today_stands_in_the_way(name, verdict):
    decision = parallel(found=day_gates(**{name: verdict}))
    assert (decision.action, [one.name for one in decision.gates]) == (Action.HOLD, [name])
    assert f"{name} is {verdict.name}." in decision.reason


@pytest.mark.parametrize(
    ("past", "done"),
    [
        pytest.param({}, "0 of 2 weeks running", id="none"),
        pytest.param(history(W04={}), "1 of 2 weeks running", id="one"),
        pytest.param(history(W02={}, W04={}), "1 of 2 weeks running", id="good, missing, good"),
        pytest.param(history(W03={"promotion_lift": INCONCLUSIVE}, W04={}), "1 of 2 weeks running", id="unclear, good"),
        pytest.param(history(W02={}, W03={}), "0 of 2 weeks running", id="the last one missing"),
        pytest.param(history(W03={}, W04={"promotion_lift": FAIL}), "0 of 2 weeks running", id="good, bad"),
    ],
)
def test_promotion_waits_for_two_week_closes_running(past, done):
    decision = parallel(past)
    assert (decision.action, f"v4.1.0 waits: {done} closed with a lift of at least 2" in decision.reason) == (
        Action.HOLD,
        True,
    )


@pytest.mark.parametrize("needed", [1, 2, 3])
def test_promotion_waits_for_as_many_weeks_as_the_policy_says(needed):
    policy = changed("promotion", weeks_running=needed)
    assert (parallel(policy=policy).action == Action.PROMOTE) == (needed <= 2)


@pytest.mark.parametrize(
    ("since", "action"),
    [(TODAY - timedelta(days=days), action) for days, action in ((83, "promote"), (84, "promote"), (85, "hold"))],
    ids=["a day before twelve weeks", "twelve weeks", "a day after"],
)
def test_a_promotion_expires_after_twelve_weeks(since, action):
    decision = parallel(phase_since=since)
    assert (decision.action.value, decision.alert) == (action, action == "hold")
    assert action == "promote" or "has not earned its promotion in 12 weeks. A person decides" in decision.reason


def test_a_phase_of_unknown_age_promotes_nobody():
    decision = parallel(phase_since=None)
    assert (decision.action, decision.alert) == (Action.HOLD, True)


def test_failing_data_checks_stand_in_the_way_of_promotion_but_not_of_rollback():
    failing = {"failing_checks": ("daily_scores_v41/one_row_per_lead",)}
    decision = parallel(facts=failing)
    assert (decision.action, "daily_scores_v41/one_row_per_lead" in decision.reason) == (Action.HOLD, True)
    bad = history(W03={"auc": FAIL}, W04={"auc": FAIL})
    assert watch(bad, facts=failing).action == Action.ROLLBACK


def test_a_promotion_is_asked_for_when_approval_is_manual():
    policy = changed("promotion", approval="manual")
    asked = parallel(policy=policy)
    assert (asked.action, asked.wanted, asked.alert) == (Action.ASK, Action.PROMOTE, True)
    assert parallel(policy=policy, facts={"approved": Action.PROMOTE}).action == Action.PROMOTE
    assert parallel(policy=policy, facts={"approved": Action.SUNSET}).action == Action.ASK


def test_a_version_that_was_rolled_back_is_promoted_only_when_allowed_again():
    out = parallel(facts={"rolled_back_before": True})
    assert (out.action, "`v4 allow v4.1.0 --reason …`" in out.reason) == (Action.HOLD, True)
    assert parallel(facts={"rolled_back_before": False}).action == Action.PROMOTE


# --- every phase


@pytest.mark.parametrize(
    ("phase", "said"), [(Phase.NOT_ADOPTED, "`v4 init` adopts v4.0.0"), (Phase.ROLLED_BACK, "`v4 allow v4.1.0")]
)
def test_a_phase_without_a_next_step_says_what_a_person_can_do(phase, said):
    for past in (GOOD, history(W03={"auc": FAIL}, W04={"auc": FAIL})):
        decision = decide(State(status(phase), day_gates(), past, POLICY))
        assert (decision.action, said in decision.reason) == (Action.HOLD, True)


@pytest.mark.parametrize("phase", Phase)
def test_a_disagreement_holds_and_is_told(phase):
    bad = history(W03={"auc": FAIL}, W04={"auc": FAIL})
    decision = decide(State(status(phase, disagreement="Two rows in production."), day_gates(), bad, POLICY))
    assert decision == Decision(Action.HOLD, "Two rows in production.", alert=True)


@pytest.mark.parametrize("phase", [Phase.PARALLEL, Phase.WATCH, Phase.SUNSET])
@pytest.mark.parametrize(
    ("today", "said"),
    [
        pytest.param((), "missing", id="none"),
        pytest.param(day_gates()[1:], "top_decile_lift missing", id="one missing"),
        pytest.param((*day_gates(), gate("auc")), "auc too many", id="one twice"),
        pytest.param((*day_gates(), gate("other")), "other too many", id="an unknown one"),
        pytest.param((*day_gates()[1:], gate("auc")), "top_decile_lift missing; auc too many", id="one for another"),
    ],
)
def test_gates_that_are_not_complete_hold(phase, today, said):
    for past in (GOOD, history(W03={"auc": FAIL}, W04={"auc": FAIL})):
        decision = decide(State(status(phase), today, past, POLICY))
        assert (decision.action, decision.alert, said in decision.reason) == (Action.HOLD, True, True)


# --- invariants

VERDICTS, BOOLEANS = st.sampled_from(Verdict), st.booleans()
DAYS = st.dates(date(2025, 11, 1), date(2026, 2, 10))


@st.composite
def evaluated(draw, retrospective=BOOLEANS):
    verdicts = {name: draw(VERDICTS) for name in EVIDENCE_GATES}
    return Evaluated(day_gates(EVIDENCE_GATES, **verdicts), draw(retrospective))


HISTORIES = st.dictionaries(DAYS, evaluated(), max_size=30)
TODAYS = st.fixed_dictionaries(dict.fromkeys(GATE_NAMES, VERDICTS)).map(lambda found: day_gates(**found))
SINCE = st.dates(date(2025, 11, 1), TODAY)


def convicted_by_hand(past, today: date, live_since: date) -> bool:
    """The rule in other words: day by day, gate by gate, over week numbers counted from an old Monday."""

    def number(day: date) -> int:
        return (day - date(2000, 1, 3)).days // 7

    last = {}
    for day in sorted(past):
        if day > live_since and not past[day].retrospective:
            last[number(day)] = {one.name: one.verdict for one in past[day].gates}
    weeks = [last.get(number(today) - back, {}) for back in (1, 2)]
    return any(all(week.get(name) == FAIL for week in weeks) for name in ROLLBACK_GATES)


@settings(deadline=None)
@given(HISTORIES, TODAYS, SINCE, st.dates(TODAY, date(2026, 2, 8)))
def test_rollback_is_exactly_two_bad_live_week_closes_running(past, today, since, day):
    decision = watch(past, today, live_since=since, today=day)
    assert (decision.action == Action.ROLLBACK) == convicted_by_hand(past, day, since)


@settings(deadline=None)
@given(HISTORIES, TODAYS)
def test_nothing_is_promoted_unless_every_gate_passes_today(past, today):
    decision = parallel(past, today)
    assert decision.action in (Action.PROMOTE, Action.HOLD)
    if any(one.verdict != PASS for one in today):
        assert decision.action == Action.HOLD


@settings(deadline=None)
@given(st.dictionaries(DAYS, evaluated(st.just(True)), max_size=30), TODAYS, SINCE)
def test_days_computed_later_never_convict(past, today, since):
    assert watch(past, today, live_since=since).action != Action.ROLLBACK


@settings(deadline=None)
@given(HISTORIES, TODAYS, st.sampled_from(Phase), st.randoms(use_true_random=False))
def test_the_order_of_the_history_does_not_matter(past, today, phase, random):
    items = list(past.items())
    random.shuffle(items)
    stands = status(phase)
    assert decide(State(stands, today, dict(items), POLICY, **DUE)) == decide(State(stands, today, past, POLICY, **DUE))


@settings(deadline=None)
@given(HISTORIES, TODAYS, st.sampled_from(Phase), st.permutations(range(len(GATE_NAMES))))
def test_the_order_of_the_gates_changes_no_action(past, today, phase, order):
    stands = status(phase)
    shuffled = tuple(today[place] for place in order)
    assert (
        decide(State(stands, shuffled, past, POLICY, **DUE)).action
        == decide(State(stands, today, past, POLICY, **DUE)).action
    )


@settings(deadline=None)
@given(HISTORIES, TODAYS, st.sampled_from(Phase))
def test_every_decision_says_why(past, today, phase):
    decision = decide(State(status(phase), today, past, POLICY, **DUE))
    assert len(decision.reason) > 10
    allowed = {
        Phase.PARALLEL: {Action.HOLD, Action.PROMOTE},
        Phase.WATCH: {Action.HOLD, Action.ROLLBACK, Action.SUNSET},
    }
    assert decision.action in allowed.get(phase, {Action.HOLD})


@settings(deadline=None)
@given(
    st.permutations(
        [candidate(prediction_date=date(2026, 1, day), top_conversions=float(day)) for day in range(10, 31)]
    )
)
def test_history_is_the_same_whatever_the_order_of_the_rows(rows):
    made = history_of(rows, **VERSIONS, policy=POLICY, evaluation=EVALUATION)
    assert list(made) == sorted(made)
    assert [made[day].gates[0].actual for day in made] == pytest.approx([day.day / 20 for day in made])
    assert made[date(2026, 1, 12)].gates == tuple(judged(candidate(top_conversions=12.0)).values())


def test_one_row_computed_later_makes_the_day_retrospective():
    rows = [candidate(), baseline(retrospective=True), candidate(prediction_date=date(2026, 1, 13))]
    made = history_of(rows, **VERSIONS, policy=POLICY, evaluation=EVALUATION)
    assert [made[day].retrospective for day in sorted(made)] == [True, False]


# --- the numbers in rollout.yaml


def refused(tmp_path: Path, place: str, value: object) -> str:
    content = yaml.safe_load(ROLLOUT.read_text(encoding="utf-8"))
    *parents, last = place.split("/")
    entry = content
    for parent in parents:
        entry = entry[parent]
    if value is None:
        del entry[last]
    else:
        entry[last] = value
    path = tmp_path / "rollout.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_rollout(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("policy/rollback/lift_bellow", 1.5, "policy.rollback.lift_bellow: Extra inputs are not permitted"),
        ("policy/rollback/lift_below", None, "policy.rollback.lift_below: Field required"),
        ("policy/rollback/lift_below", 0, "policy.rollback.lift_below: Input should be greater than 0"),
        ("policy/rollback/auc_below", 1, "policy.rollback.auc_below: Input should be less than 1"),
        ("policy/rollback/top_decile_conversion_below", 5, "top_decile_conversion_below: Input should be less than or"),
        (
            "policy/rollback/judge_by",
            "feeling",
            "policy.rollback.judge_by: Input should be 'upper_bound' or 'estimate'",
        ),
        ("policy/rollback/confidence", 1, "policy.rollback.confidence: Input should be less than 1"),
        (
            "policy/rollback/confidence",
            0.49,
            "policy.rollback.confidence: Input should be greater than or equal to 0.5",
        ),
        ("policy/rollback/weeks_running/auc", 0, "policy.rollback.weeks_running.auc: Input should be greater than or"),
        (
            "policy/rollback/weeks_running/auc",
            1.5,
            "policy.rollback.weeks_running.auc: Input should be a valid integer",
        ),
        ("policy/rollback/weeks_running/lift", 2, "policy.rollback.weeks_running.lift: Extra inputs are not permitted"),
        ("policy/rollback/on_champion_also_failing", "panic", "on_champion_also_failing: Input should be 'hold_and_"),
        ("policy/promotion/min_live_share", 1.1, "policy.promotion.min_live_share: Input should be less than or equal"),
        (
            "policy/promotion/min_parallel_days",
            0,
            "policy.promotion.min_parallel_days: Input should be greater than or",
        ),
        ("policy/promotion/expires_after_weeks", 53, "policy.promotion.expires_after_weeks: Input should be less than"),
        ("policy/promotion/approval", "maybe", "policy.promotion.approval: Input should be 'auto' or 'manual'"),
        ("policy/sunset/healthy_days", 0, "policy.sunset.healthy_days: Input should be greater than or equal to 1"),
        ("policy/max_attempts", 0, "policy.max_attempts: Input should be greater than or equal to 1"),
        (
            "evaluation/min_conversions/rollback",
            -1,
            "evaluation.min_conversions.rollback: Input should be greater than",
        ),
        ("evaluation/max_days", 6, "evaluation: Value error, min_days 7 lies above max_days 6"),
        ("policy/promotion/lift_at_least", 1.4, "lift_at_least 1.4 lies below rollback.lift_below 1.5"),
    ],
)
def test_a_mistake_in_the_policy_is_told_by_its_place(tmp_path, place, value, said):
    assert said in refused(tmp_path, place, value)


def test_the_project_s_own_policy_holds_the_guide_s_numbers():
    rollback, promotion, sunset = POLICY.rollback, POLICY.promotion, POLICY.sunset
    assert (rollback.lift_below, rollback.auc_below, rollback.top_decile_conversion_below) == (1.5, 0.59, 0.05)
    assert (promotion.lift_at_least, promotion.min_parallel_days, sunset.healthy_days) == (2.0, 7, 14)
