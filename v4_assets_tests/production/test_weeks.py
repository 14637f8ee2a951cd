"""Closed weeks: which day of a week counts, and what breaks a streak."""

from datetime import date, timedelta

import pytest

from v4_assets.production.decision import EVIDENCE_GATES, Evaluated
from v4_assets.production.weeks import closes, name_of, running
from v4_assets_tests.fixtures.policy_worlds import FAIL, PASS, TODAY, day_gates, history, sunday

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
