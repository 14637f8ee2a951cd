"""Closed weeks: which day of a week counts, what breaks a streak, and weeks that end on another day than Sunday."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.config.rollout_policy import WEEKDAYS, Weeks
from v4_assets.production.decision import EVIDENCE_GATES, Action, Evaluated
from v4_assets.production.weeks import WEEK, can_close, closes, first_day, last_day, name_of, running, without_verdict
from v4_assets_tests.fixtures.policy_worlds import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    POLICY,
    TODAY,
    day_gates,
    history,
    sunday,
    watch,
)

ISO = Weeks()
MONDAY = TODAY - WEEK
DAYS = st.dates(date(2015, 1, 1), date(2035, 12, 31))
ANY_WEEKS = st.builds(Weeks, end_on=st.sampled_from(WEEKDAYS), close_from=st.sampled_from(WEEKDAYS))


def every(day, evaluated) -> bool:
    return True


# --- weeks


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
    assert name_of(day, ISO) == name


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
    found = running(closes(past, today, ISO, every), today, ISO, "auc", FAIL)
    assert [close.week for close in found] == ([first, second] if adjacent else [second])


@pytest.mark.parametrize(
    ("today", "closed"),
    [(date(2026, 1, 25), []), (date(2026, 1, 26), ["2026-W04"]), (date(2026, 2, 1), ["2026-W04"])],
    ids=["still Sunday", "Monday", "the Sunday after"],
)
def test_a_week_is_closed_when_the_next_one_has_begun(today, closed):
    made = closes(history(W04={}), today, ISO, every)
    assert [close.week for close in made.values()] == closed


def test_the_last_evaluated_day_of_a_week_speaks_for_it():
    past = {
        date(2026, 1, 20): Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False),
        date(2026, 1, 23): Evaluated(day_gates(EVIDENCE_GATES), False),
        date(2026, 1, 19): Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False),
    }
    (close,) = closes(past, TODAY, ISO, every).values()
    assert (close.day, close.gates["auc"].verdict) == (date(2026, 1, 23), PASS)


# --- weeks that end on any day


def test_the_shipped_weeks_are_iso_weeks_that_close_from_friday_on():
    assert POLICY.weeks == ISO
    assert [can_close(MONDAY + timedelta(days=step), ISO) for step in range(7)] == 4 * [False] + 3 * [True]


@given(DAYS)
def test_weeks_that_end_on_sunday_are_those_of_the_iso_calendar(day):
    year, week, _ = day.isocalendar()
    assert first_day(day, ISO) == date.fromisocalendar(year, week, 1)
    assert name_of(day, ISO) == f"{year}-W{week:02d}"


@given(DAYS, ANY_WEEKS)
def test_a_week_is_seven_days_that_end_on_the_day_that_is_set(day, weeks):
    first, last = first_day(day, weeks), last_day(day, weeks)
    assert first <= day <= last == first + timedelta(days=6)
    assert WEEKDAYS[last.weekday()] == weeks.end_on
    assert {first_day(first + timedelta(days=step), weeks) for step in range(7)} == {first}


@given(DAYS, ANY_WEEKS)
def test_adjacent_weeks_have_names_of_their_own_across_every_year_end(day, weeks):
    last, following = last_day(day, weeks), last_day(day, weeks) + timedelta(days=1)
    assert first_day(following, weeks) - first_day(last, weeks) == WEEK
    assert name_of(following, weeks) != name_of(last, weeks) == name_of(day, weeks)


@given(DAYS, ANY_WEEKS)
def test_a_week_can_be_closed_from_the_day_that_is_set_to_its_last(day, weeks):
    first = first_day(day, weeks)
    closing = [one for one in (first + timedelta(days=step) for step in range(7)) if can_close(one, weeks)]
    assert WEEKDAYS[closing[0].weekday()] == weeks.close_from
    assert closing[-1] == last_day(day, weeks)
    assert closing == [closing[0] + timedelta(days=step) for step in range(len(closing))]


@given(DAYS, ANY_WEEKS, st.integers(2, 60))
def test_a_streak_runs_across_every_year_end(day, weeks, length):
    bad = Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False)
    closing = [last_day(day, weeks) + step * WEEK for step in range(length)]
    today = closing[-1] + timedelta(days=1)
    found = running(closes(dict.fromkeys(closing, bad), today, weeks, every), today, weeks, "auc", FAIL)
    assert [close.day for close in found] == closing
    del closing[-2]
    assert len(running(closes(dict.fromkeys(closing, bad), today, weeks, every), today, weeks, "auc", FAIL)) == 1


@given(DAYS, ANY_WEEKS, st.sets(st.integers(0, 6), min_size=1))
def test_a_week_is_closed_by_its_last_evaluated_day_among_those_that_can(day, weeks, evaluated):
    days = [first_day(day, weeks) + timedelta(days=step) for step in evaluated]
    past = {one: Evaluated(day_gates(EVIDENCE_GATES), False) for one in days}
    today = last_day(day, weeks) + timedelta(days=1)
    able = [one for one in days if can_close(one, weeks)]
    assert closes(past, last_day(day, weeks), weeks, every) == {}
    assert [close.day for close in closes(past, today, weeks, every).values()] == ([max(able)] if able else [])


def test_a_day_before_close_from_neither_convicts_nor_hides_that_the_week_has_no_verdict():
    weeks = Weeks(end_on="sunday", close_from="friday")
    thursday, friday = MONDAY + timedelta(days=3), MONDAY + timedelta(days=4)
    bad, unknown = (Evaluated(day_gates(EVIDENCE_GATES, auc=one), False) for one in (FAIL, INCONCLUSIVE))
    early = closes({thursday: bad}, TODAY, weeks, every)
    assert running(early, TODAY, weeks, "auc", FAIL) == ()
    assert without_verdict(early, TODAY, weeks, MONDAY - WEEK, "auc", at_most=2) == ("2026-W04",)
    late = closes({thursday: bad, friday: unknown}, TODAY, weeks, every)
    assert [close.day for close in late.values()] == [friday]


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2026, 1, 16), "week to 2026-01-16"),
        (date(2026, 1, 17), "week to 2026-01-23"),
        (date(2020, 12, 31), "week to 2021-01-01"),
    ],
    ids=["its last day", "the first of the next", "across a year end"],
)
def test_a_week_that_does_not_end_on_sunday_is_named_by_its_last_day(day, name):
    assert name_of(day, Weeks(end_on="friday")) == name


def test_a_policy_rolls_back_by_the_weeks_that_it_sets():
    # Fridays fail, Sundays pass: a week that ends on Friday closes failing, one that ends on Sunday does not.
    bad, good = Evaluated(day_gates(EVIDENCE_GATES, auc=FAIL), False), Evaluated(day_gates(EVIDENCE_GATES), False)
    needed = POLICY.rollback.weeks_running.auc
    fridays = [MONDAY + timedelta(days=4) - step * WEEK for step in range(needed)]
    past = {**dict.fromkeys(fridays, bad), **{day + timedelta(days=2): good for day in fridays}}
    by_fridays = POLICY.model_copy(update={"weeks": Weeks(end_on="friday")})
    assert watch(past, policy=POLICY).action is Action.HOLD
    decision = watch(past, policy=by_fridays)
    assert decision.action is Action.ROLLBACK
    assert f"auc failed at {needed} consecutive week-closes. week to {min(fridays)}:" in decision.reason
