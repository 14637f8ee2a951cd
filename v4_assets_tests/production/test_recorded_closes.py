"""A close is judged by its own time's thresholds, and is void once its evidence is computed again."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.config.rollout_policy import Weeks
from v4_assets.production.decision import EVIDENCE_GATES, ROLLBACK_GATES, Action, Evaluated, Gate, Verdict
from v4_assets.production.orders import gates_json
from v4_assets.production.weeks import Recorded, changed_since, closes, thresholds, thresholds_sha256, with_records
from v4_assets_tests.fixtures.policy_worlds import EVALUATION, FAIL, PASS, POLICY, changed, day_gates, watch

SATURDAY, SUNDAY, LAST = date(2026, 1, 17), date(2026, 1, 18), date(2026, 1, 25)
BAD, GOOD = day_gates(EVIDENCE_GATES, auc=FAIL), day_gates(EVIDENCE_GATES)
EVE = date(2026, 1, 4)


def record(day: date, gates=BAD, *, sequence: int = 1, retrospective: bool = False, policy=POLICY) -> Recorded:
    return Recorded(
        day,
        sequence,
        retrospective,
        "v4.1.0",
        thresholds_sha256(policy, EVALUATION),
        thresholds(policy, EVALUATION),
        gates_json(gates),
    )


def history(*days: date, gates=BAD, retrospective=()) -> dict[date, Evaluated]:
    return {day: Evaluated(gates, day in retrospective) for day in days}


def test_two_recorded_bad_closes_convict():
    past = with_records(history(SUNDAY, LAST), [record(SUNDAY), record(LAST)], {SUNDAY: 1, LAST: 1}, EVE)
    assert watch(past).action == Action.ROLLBACK


def test_editing_the_thresholds_convicts_nobody_for_weeks_that_have_closed():
    # By today's thresholds both days fail; by those of their time they passed.
    past = with_records(history(SUNDAY, LAST), [record(SUNDAY, GOOD), record(LAST, GOOD)], {SUNDAY: 1, LAST: 1}, EVE)
    assert watch(past).action == Action.HOLD


def test_fewer_weeks_running_judge_from_the_next_close_on():
    eased = changed("rollback", weeks_running=POLICY.rollback.weeks_running.model_copy(update={"auc": 1}))
    past = with_records(history(SUNDAY, LAST), [record(SUNDAY, GOOD), record(LAST)], {SUNDAY: 1, LAST: 1}, EVE)
    assert watch(past, policy=eased).action == Action.HOLD
    later = with_records(
        history(SUNDAY, LAST), [record(SUNDAY, GOOD), record(LAST, policy=eased)], {SUNDAY: 1, LAST: 1}, EVE
    )
    assert watch(later, policy=eased).action == Action.ROLLBACK


def test_a_repaired_sunday_voids_its_week_and_hands_nothing_to_saturday():
    recorded = [record(SATURDAY), record(SUNDAY), record(SUNDAY, sequence=2, retrospective=True), record(LAST)]
    past = with_records(
        history(SATURDAY, SUNDAY, LAST, retrospective={SUNDAY}), recorded, {SATURDAY: 1, SUNDAY: 2, LAST: 1}, EVE
    )
    assert past[SUNDAY].voided
    assert watch(past).action == Action.HOLD
    assert list(closes(past, LAST + timedelta(days=1), Weeks(), lambda day, one: True)) == [date(2026, 1, 19)]


def test_before_the_new_rows_are_judged_the_close_is_void_already():
    past = with_records(history(SUNDAY, retrospective={SUNDAY}), [record(SUNDAY)], {SUNDAY: 2}, EVE)
    assert past[SUNDAY].voided


def test_a_repaired_day_within_the_week_voids_nothing():
    wednesday = date(2026, 1, 21)
    recorded = [record(SUNDAY), record(LAST)]
    past = with_records(
        history(SUNDAY, wednesday, LAST, retrospective={wednesday}), recorded, {SUNDAY: 1, wednesday: 2, LAST: 1}, EVE
    )
    assert watch(past).action == Action.ROLLBACK


def test_a_day_replaced_on_its_own_day_is_judged_as_it_was_last_written():
    recorded = [record(SUNDAY), record(LAST), record(LAST, GOOD, sequence=2)]
    past = with_records(history(SUNDAY, LAST), recorded, {SUNDAY: 1, LAST: 2}, EVE)
    assert not past[LAST].voided
    assert {gate.verdict for gate in past[LAST].gates} == {PASS}


def test_a_missed_day_that_is_filled_later_voids_nothing():
    # Sunday was never run; its backfill is the first write, and Saturday closed the week.
    past = with_records(
        history(SATURDAY, SUNDAY, LAST, retrospective={SUNDAY}),
        [record(SATURDAY), record(LAST), record(SUNDAY, retrospective=True)],
        {SATURDAY: 1, SUNDAY: 1, LAST: 1},
        EVE,
    )
    assert not past[SUNDAY].voided
    assert watch(past).action == Action.ROLLBACK


def test_without_records_a_day_of_release_0_1_that_was_written_again_is_void():
    past = with_records(history(SUNDAY, LAST, retrospective={LAST}), [], {SUNDAY: 1, LAST: 2}, EVE)
    assert past[LAST].voided
    assert not with_records(history(SUNDAY, retrospective={SUNDAY}), [], {SUNDAY: 2}, SUNDAY)[SUNDAY].voided


def test_closes_a_day_apart_are_one_look():
    monday = date(2026, 1, 19)
    any_day = Weeks(close_from="monday")
    made = closes(history(SUNDAY, monday), date(2026, 1, 26), any_day, lambda day, one: True)
    assert [close.day for close in made.values()] == [SUNDAY]
    near = any_day.model_copy(update={"min_days_between_closes": 1})
    assert len(closes(history(SUNDAY, monday), date(2026, 1, 26), near, lambda day, one: True)) == 2


def test_a_change_of_the_thresholds_is_announced_by_name():
    def named(day: date) -> str:
        return f"the week of {day}"

    stricter = changed("rollback", auc_below=0.6)
    assert changed_since([record(SUNDAY)], POLICY, EVALUATION, named) is None
    assert changed_since([], stricter, EVALUATION, named) is None
    assert changed_since([record(SUNDAY)], stricter, EVALUATION, named) == (
        "rollout.yaml has changed since the week of 2026-01-18 closed (rollback.auc_below): closed weeks keep their "
        "verdicts, the new thresholds judge from the next close on."
    )


@pytest.mark.parametrize("name", ROLLBACK_GATES)
def test_a_record_keeps_every_gate_as_it_was(name):
    gates = day_gates(EVIDENCE_GATES, **{name: FAIL})
    assert record(SUNDAY, gates).verdicts == gates
    assert json.loads(record(SUNDAY).policy)["rollback"]["auc_below"] == 0.59


def test_a_record_gives_back_the_thresholds_it_was_judged_by_and_todays_where_it_holds_none():
    stricter = changed("rollback", auc_below=0.6)
    more = EVALUATION.model_copy(update={"max_days": 100})
    assert record(SUNDAY).thresholds_of(stricter, more) == (POLICY, EVALUATION)
    kept = json.loads(record(SUNDAY).policy)
    del kept["rollback"]["auc_below"], kept["evaluation"]["max_days"]
    older = replace(record(SUNDAY), policy=json.dumps(kept))
    assert older.thresholds_of(stricter, more) == (stricter, more)
    looser = changed("promotion", expires_after_weeks=3)
    assert record(SUNDAY).thresholds_of(looser, EVALUATION)[0] == looser


# --- whatever was written, recorded and edited


TODAY = date(2026, 2, 2)
MONDAYS = (date(2026, 1, 12), date(2026, 1, 19), date(2026, 1, 26))
EVERY_DAY = POLICY.model_copy(update={"weeks": Weeks(close_from="monday")})
"""Every day can close its week, so that closes can be near."""
POLICIES = {
    line: EVERY_DAY.model_copy(update={"rollback": POLICY.rollback.model_copy(update={"auc_below": line / 100})})
    for line in (60, 61, 62)
}
Write = tuple[bool, bool, int, Verdict]
"""Of a day's evidence: retrospective, recorded, the policy of its time, and its verdict."""


@st.composite
def written(draw) -> list[Write]:
    """The writes of one day, oldest first; the first is live more often than not."""
    live = draw(st.sampled_from([1, 1, 1, 2, 0]))
    later = draw(st.sampled_from([0, 0, 0, 1, 2] if live else [1, 2]))
    verdicts = st.sampled_from([FAIL, FAIL, FAIL, FAIL, PASS])
    return [
        (late, not late or draw(st.booleans()), draw(st.sampled_from([*POLICIES])), draw(verdicts))
        for late in [False] * live + [True] * later
    ]


@st.composite
def weeks_written(draw) -> dict[date, list[Write]]:
    """One or two evaluated days of each of the last three weeks."""
    numbers = st.sets(st.integers(0, 6), min_size=1, max_size=2)
    return {monday + timedelta(days=day): draw(written()) for monday in MONDAYS for day in sorted(draw(numbers))}


def gates_on(day: date, sequence: int, policy: int | None, verdict: Verdict) -> tuple[Gate, ...]:
    """Gates that name the write and the policy they were judged by; None: today's."""
    return tuple(Gate(name, verdict, f"{day} {sequence} {policy}") for name in EVIDENCE_GATES)


@settings(deadline=None)
@given(weeks_written(), st.sampled_from(Verdict))
def test_no_verdict_rests_on_a_recomputed_day_on_another_policy_than_its_own_or_on_closes_too_near(days, now):
    recorded_ = [
        record(
            day,
            gates_on(day, place + 1, policy, verdict),
            sequence=place + 1,
            retrospective=late,
            policy=POLICIES[policy],
        )
        for day, writes in days.items()
        for place, (late, kept, policy, verdict) in enumerate(writes)
        if kept
    ]
    sequences = {day: len(writes) for day, writes in days.items()}
    today = {
        day: Evaluated(gates_on(day, len(writes), None, now), writes[-1][0], cohort=None)
        for day, writes in days.items()
    }
    past = with_records(today, recorded_, sequences, EVE)
    for day, writes in days.items():
        late, kept, policy, verdict = writes[-1]
        was_live = not writes[0][0]
        assert past[day].voided == (late and (was_live or (len(writes) > 1 and not any(one[1] for one in writes))))
        if kept and not past[day].voided:
            assert past[day].gates == gates_on(day, len(writes), policy, verdict)
    decision = watch(past, policy=EVERY_DAY, today=TODAY, live_since=EVE)
    convicted = sorted({(date.fromisoformat(day), int(place), line) for day, place, line in map(_said, decision.gates)})
    if decision.action == Action.ROLLBACK:
        for day, place, line in convicted:
            late, kept, policy, verdict = days[day][place - 1]
            assert (place, late, verdict, line) == (len(days[day]), False, FAIL, str(policy))
            assert kept
        (first, *_), (second, *_) = convicted
        assert (second - first).days >= Weeks().min_days_between_closes


def _said(gate: Gate) -> tuple[str, str, str]:
    day, place, line = gate.reason.split()
    return day, place, line
