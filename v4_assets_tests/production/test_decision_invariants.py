"""Invariants of decisions, on generated histories."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.config.rollout_policy import WEEKDAYS, Weeks
from v4_assets.production.decision import (
    EVIDENCE_GATES,
    GATE_NAMES,
    ROLLBACK_GATES,
    TO_PROMOTE,
    Action,
    Evaluated,
    Phase,
    Verdict,
)
from v4_assets.production.decision_state import State
from v4_assets.production.gates import history_of
from v4_assets.production.rules import decide
from v4_assets.production.weeks import can_close, closes
from v4_assets_tests.fixtures.policy_worlds import (
    DUE,
    EVALUATION,
    FAIL,
    PASS,
    POLICY,
    TODAY,
    VERSIONS,
    baseline,
    candidate,
    day_gates,
    judged,
    parallel,
    status,
    watch,
)

# --- invariants

VERDICTS, BOOLEANS = st.sampled_from(Verdict), st.booleans()
DAYS = st.dates(date(2025, 11, 1), date(2026, 2, 10))


@st.composite
def evaluated(draw, retrospective=BOOLEANS):
    verdicts = {name: draw(VERDICTS) for name in EVIDENCE_GATES}
    late = draw(retrospective)
    return Evaluated(day_gates(EVIDENCE_GATES, **verdicts), late, voided=late and draw(BOOLEANS))


HISTORIES = st.dictionaries(DAYS, evaluated(), max_size=30)
TODAYS = st.fixed_dictionaries(dict.fromkeys(GATE_NAMES, VERDICTS)).map(lambda found: day_gates(**found))
SINCE = st.dates(date(2025, 11, 1), TODAY)


def convicted_by_hand(past, today: date, live_since: date) -> bool:
    """The rule in other words: day by day, gate by gate, over week numbers counted from an old Monday."""

    def number(day: date) -> int:
        return (day - date(2000, 1, 3)).days // 7

    last: dict[int, dict[str, Verdict]] = {}
    for day in sorted(past):
        closes = day.weekday() >= 4
        if closes and past[day].voided:
            last[number(day)] = {}
        elif closes and day > live_since and not past[day].retrospective:
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
def test_nothing_is_promoted_unless_every_gate_of_a_promotion_passes_today(past, today):
    decision = parallel(past, today)
    assert decision.action in (Action.PROMOTE, Action.HOLD)
    if any(one.verdict != PASS for one in today if one.name in TO_PROMOTE):
        assert decision.action == Action.HOLD


ANY_WEEKS = st.builds(
    Weeks,
    end_on=st.sampled_from(WEEKDAYS),
    close_from=st.sampled_from(WEEKDAYS),
    min_days_between_closes=st.integers(1, 7),
)


@settings(deadline=None)
@given(HISTORIES, ANY_WEEKS)
def test_no_close_is_recomputed_and_no_two_adjacent_closes_are_nearer_than_allowed(past, weeks):
    made = closes(past, TODAY, weeks, lambda day, one: True)
    for week, close in made.items():
        assert not past[close.day].voided
        later = [day for day in past if close.day < day < week + timedelta(days=7) and can_close(day, weeks)]
        assert not later
        after = made.get(week + timedelta(days=7))
        assert after is None or (after.day - close.day).days >= weeks.min_days_between_closes


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
