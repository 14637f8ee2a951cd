"""While the candidate is live: rollback, sunset, and what a hold says."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from v4_assets.production.decision import EVIDENCE_GATES, ROLLBACK_GATES, Action, Evaluated, Phase
from v4_assets.production.decision_state import State
from v4_assets.production.gates import history_of
from v4_assets.production.rules import decide
from v4_assets_tests.fixtures.policy_worlds import (
    CALM,
    DUE,
    EVALUATION,
    FAIL,
    INCONCLUSIVE,
    POLICY,
    VERSIONS,
    baseline,
    candidate,
    changed,
    day_gates,
    gate,
    history,
    status,
    watch,
)

# --- watching


@pytest.mark.parametrize("name", ROLLBACK_GATES)
def test_the_same_criterion_at_two_week_closes_running_rolls_back(name):
    decision = watch(history(W03={name: FAIL}, W04={name: FAIL}))
    assert decision.action == Action.ROLLBACK
    assert [one.name for one in decision.gates] == [name, name]
    assert decision.reason.startswith(
        f"{name} failed at 2 consecutive week-closes. 2026-W03: {name} is FAIL. 2026-W04:"
    )


@pytest.mark.parametrize(
    ("cohorts", "said"),
    [
        pytest.param(
            ((date(2025, 11, 20), date(2025, 11, 30)), (date(2025, 11, 27), date(2025, 12, 7))),
            "All of these leads, contacted 2025-11-20 to 2025-12-07, were contacted before v4.1.0 went live on "
            "2026-01-04: the version before it ranked them for calling.",
            id="all before",
        ),
        pytest.param(
            ((date(2025, 12, 20), date(2025, 12, 30)), (date(2025, 12, 27), date(2026, 1, 6))),
            "Some of these leads, contacted 2025-12-20 to 2026-01-06, were contacted before v4.1.0 went live on "
            "2026-01-04: the version before it ranked them for calling.",
            id="some before",
        ),
        pytest.param(((date(2026, 1, 4), date(2026, 1, 6)), (date(2026, 1, 5), date(2026, 1, 9))), "", id="none"),
        pytest.param((None, None), "", id="evidence without a cohort"),
    ],
)
def test_a_rollback_says_which_version_ranked_the_leads_it_rests_on_and_when_they_were_contacted(cohorts, said):
    past = history(W03={"auc": FAIL}, W04={"auc": FAIL})
    days = zip(sorted(past), cohorts, strict=True)
    decision = watch({day: replace(past[day], cohort=cohort) for day, cohort in days})
    assert decision.action == Action.ROLLBACK
    assert decision.reason.endswith(said or "auc is FAIL.")
    assert ("of these leads" in decision.reason) == bool(said)


@pytest.mark.parametrize("name", ROLLBACK_GATES)
@pytest.mark.parametrize("needed", [1, 2, 3])
@pytest.mark.parametrize("failed", [0, 1, 2, 3])
def test_as_many_weeks_convict_as_the_policy_says(name, needed, failed):
    weeks = POLICY.rollback.weeks_running.model_copy(update={name: needed})
    failing: dict[str, Any] = {f"W{week:02d}": {name: FAIL} for week in range(5 - failed, 5)}
    past = history(**failing)
    decision = watch(past, policy=changed("rollback", weeks_running=weeks))
    assert (decision.action == Action.ROLLBACK) == (failed >= needed)


def test_two_criteria_that_fail_in_turn_do_not_roll_back():
    decision = watch(history(W03={"auc": FAIL}, W04={"top_decile_lift": FAIL}))
    assert decision.action == Action.HOLD
    assert "2026-W04 closed with top_decile_lift failing; 1 more such week will roll back" in decision.reason


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
    letter = changed("rollback", on_champion_also_failing="rollback", conversion_line="literal")
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
    today = tuple(market if one.name == market.name else one for one in day_gates(promotion_auc=INCONCLUSIVE))
    assert decide(State(status(phase), today, CALM, POLICY)).alert
    assert not decide(State(status(phase), day_gates(auc=INCONCLUSIVE, promotion_auc=INCONCLUSIVE), CALM, POLICY)).alert


def test_a_live_version_of_unknown_age_is_left_alone():
    decision = watch(history(W03={"auc": FAIL}, W04={"auc": FAIL}), live_since=None)
    assert (decision.action, decision.alert) == (Action.HOLD, True)


# --- sunset


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
        pytest.param({"baseline_readers": ("report.sql",)}, "names to be moved: report.sql", id="a reader left"),
        pytest.param({"unchecked_readers": "no right"}, "what reads v4.0.0's names: no right", id="nobody may look"),
        pytest.param({"baseline_readers": None}, "a check that nothing reads v4.0.0's names", id="nobody looked"),
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
    assert (calm.action, calm.alert, calm.reason) == (Action.HOLD, False, "v4.1.0 is the only version.")
