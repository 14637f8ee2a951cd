"""The parallel phase, and what holds in every phase."""

from datetime import timedelta

import pytest

from v4_assets.production.decision import ROLLBACK_GATES, TO_PROMOTE, Action, Decision, Phase
from v4_assets.production.decision_state import State
from v4_assets.production.rules import decide
from v4_assets_tests.fixtures.policy_worlds import (
    FAIL,
    GOOD,
    INCONCLUSIVE,
    POLICY,
    TODAY,
    changed,
    day_gates,
    gate,
    history,
    parallel,
    status,
    watch,
)

# --- promotion


def test_a_candidate_that_shows_everything_is_promoted():
    decision = parallel()
    assert (decision.action, decision.gates) == (Action.PROMOTE, day_gates(TO_PROMOTE))
    assert "2026-W03: promotion_lift is PASS. 2026-W04: promotion_lift is PASS." in decision.reason


@pytest.mark.parametrize("verdict", [INCONCLUSIVE, FAIL])
@pytest.mark.parametrize("name", TO_PROMOTE)
def test_any_gate_that_does_not_pass_today_stands_in_the_way(name, verdict):
    decision = parallel(found=day_gates(**{name: verdict}))
    assert (decision.action, [one.name for one in decision.gates]) == (Action.HOLD, [name])
    assert f"{name} is {verdict.name}." in decision.reason


@pytest.mark.parametrize("name", ROLLBACK_GATES)
def test_a_failing_gate_of_the_live_baseline_does_not_stand_in_the_way_of_a_better_candidate(name):
    assert parallel(found=day_gates(**{name: FAIL})).action == Action.PROMOTE


@pytest.mark.parametrize(
    ("past", "done"),
    [
        pytest.param({}, "0 of 2 consecutive weeks", id="none"),
        pytest.param(history(W04={}), "1 of 2 consecutive weeks", id="one"),
        pytest.param(history(W02={}, W04={}), "1 of 2 consecutive weeks", id="good, missing, good"),
        pytest.param(
            history(W03={"promotion_lift": INCONCLUSIVE}, W04={}), "1 of 2 consecutive weeks", id="unclear, good"
        ),
        pytest.param(history(W02={}, W03={}), "0 of 2 consecutive weeks", id="the last one missing"),
        pytest.param(history(W03={}, W04={"promotion_lift": FAIL}), "0 of 2 consecutive weeks", id="good, bad"),
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
    assert (
        action == "promote"
        or "has not earned its promotion in 12 weeks. The parallel phase has expired" in decision.reason
    )


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
        pytest.param((*day_gates(), gate("auc")), "auc unexpected", id="one twice"),
        pytest.param((*day_gates(), gate("other")), "other unexpected", id="an unknown one"),
        pytest.param((*day_gates()[1:], gate("auc")), "top_decile_lift missing; auc unexpected", id="one for another"),
    ],
)
def test_gates_that_are_not_complete_hold(phase, today, said):
    for past in (GOOD, history(W03={"auc": FAIL}, W04={"auc": FAIL})):
        decision = decide(State(status(phase), today, past, POLICY))
        assert (decision.action, decision.alert, said in decision.reason) == (Action.HOLD, True, True)
