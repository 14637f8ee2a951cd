"""Leads are measured on the days on which they were scored, silence by the calls expected on the days without any."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.config.rollout import read_rollout
from v4_assets.days import days_between
from v4_assets.evaluation.cohorts import Entries, Reach
from v4_assets.evaluation.lead_flow import expected, left_out, measure, silences
from v4_assets.project_files import PROJECT

FIRST, LAST = date(2026, 1, 5), date(2026, 1, 18)


def test_leads_contacted_before_the_first_scored_day_have_no_part_in_the_volume():
    """Ten leads a day, of which one is called a week later and one at once; five old ones that were never scored."""
    old = np.array(["2025-08-01"] * 5, dtype="datetime64[D]")
    contacted = np.concatenate([old, np.repeat(np.arange(np.datetime64(FIRST), np.datetime64(LAST) + 1), 10)])
    place = np.where(contacted >= np.datetime64(FIRST), (np.arange(len(contacted)) - 5) % 10, -1)
    called = np.full(len(contacted), np.datetime64("NaT", "D"))
    called[place == 0] = contacted[place == 0] + 7
    called[place == 1] = contacted[place == 1]
    called[:5] = old
    covered = place != 1
    covered[:5] = False
    found = Entries(
        contacted_on=contacted,
        called_on=called,
        converted=~np.isnat(called),
        covered=covered,
        before_scored=~np.isnat(called) & ~covered,
        before_contact=np.zeros(len(contacted), dtype=bool),
        scored_on=contacted + 1,
        rows={},
    )
    flow = measure(found, Reach(date(2025, 7, 1), LAST), 43)
    assert (flow.first, flow.last, flow.leads, flow.conversions, flow.before_scored) == (FIRST, LAST, 126, 14, 14)
    assert flow.leads_per_week == pytest.approx(63)
    assert flow.weekly_leads == (63, 63)
    assert (flow.covered_share, dict(flow.booked_by)[6.0], dict(flow.booked_by)[7.0]) == (0.5, 0.0, 1.0)


SHIPPED = read_rollout(PROJECT / "rollout.yaml").evaluation
CALLS_FROM, CALLS_TO = date(2025, 9, 1), date(2026, 2, 28)
CHRISTMAS = (date(2025, 12, 24), date(2026, 1, 3))


def calls(per_weekday: int, *quiet: tuple[date, date]) -> dict[date, int]:
    """The same number of calls on every working day, none on the quiet ones."""
    silent = {day for first, last in quiet for day in days_between(first, last)}
    return {day: per_weekday for day in days_between(CALLS_FROM, CALLS_TO) if day.weekday() < 5 and day not in silent}


def found(calls_: dict[date, int], holidays: tuple[str, ...] = SHIPPED.holidays) -> list[tuple[date, date]]:
    return silences(calls_, CALLS_FROM, CALLS_TO, SHIPPED.silent_calls, holidays)


def test_a_quiet_christmas_is_no_silence_where_its_holidays_are_listed():
    assert found(calls(20, CHRISTMAS)) == []
    assert found(calls(20, CHRISTMAS), holidays=()) == [(CHRISTMAS[0], date(2026, 1, 4))]


def test_a_feed_that_stops_is_a_silence_on_its_second_day_at_a_high_volume_and_its_second_week_at_a_low_one():
    monday = date(2025, 11, 10)
    assert found(calls(7, (monday, monday))) == [(date(2025, 11, 8), monday)]
    assert found(calls(6, (monday, monday))) == []
    # One call each working day: seven are expected on nine calendar days.
    assert found(calls(1, (monday, monday + timedelta(days=8)))) == [(date(2025, 11, 8), date(2025, 11, 18))]
    assert found(calls(1, (monday, monday + timedelta(days=7)))) == []


def test_weekends_without_calls_are_expected():
    assert found(calls(500)) == []


def test_a_gap_that_is_filled_later_is_no_silence():
    gap = (date(2025, 11, 10), date(2025, 11, 19))
    assert found(calls(20, gap)) == [(date(2025, 11, 8), gap[1])]
    assert found(calls(20)) == []


def test_only_contact_days_whose_first_eight_days_meet_the_silence_are_left_out():
    first, last = date(2025, 11, 10), date(2025, 11, 12)
    assert left_out([(first, last)]) == set(days_between(date(2025, 11, 3), last))


def test_a_53_week_year_and_a_year_end_expect_by_weekday():
    thursday = date(2026, 12, 31)
    usual = {thursday - timedelta(weeks=week): 10 * week for week in range(1, 9)}
    assert expected(usual, thursday, thursday, ()) == 45
    assert expected(usual, thursday, thursday, ("12-31",)) == 0


@given(st.dictionaries(st.dates(CALLS_FROM, CALLS_TO), st.integers(1, 30), max_size=60), st.floats(1, 50))
def test_no_silence_holds_a_call_and_each_was_expected_to_hold_enough(made, limit):
    for first, last in silences(made, CALLS_FROM, CALLS_TO, limit, SHIPPED.holidays):
        assert not any(made.get(day) for day in days_between(first, last))
        assert expected(made, first, last, SHIPPED.holidays) >= limit
