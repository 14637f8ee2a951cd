"""What day it is in New York, what each day knows, and the ranges days are grouped into."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.clock import NEW_YORK, Clock, cutoff, parse_instant
from v4_assets.days import contiguous, days_between
from v4_assets.errors import SettingsError
from v4_assets.partitions import daily_partitions

DAYS = st.dates(date(2007, 1, 1), date(2037, 12, 31))
ONE_DAY = timedelta(days=1)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micros: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)


# --- the cut-off ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "instant"),
    [
        pytest.param(date(2026, 1, 5), utc(2026, 1, 5, 5), id="winter"),
        pytest.param(date(2025, 7, 15), utc(2025, 7, 15, 4), id="summer"),
        pytest.param(date(2025, 3, 9), utc(2025, 3, 9, 5), id="spring-day-opens-in-winter-time"),
        pytest.param(date(2025, 3, 10), utc(2025, 3, 10, 4), id="day-after-spring-opens-in-summer-time"),
        pytest.param(date(2025, 11, 2), utc(2025, 11, 2, 4), id="autumn-day-opens-in-summer-time"),
        pytest.param(date(2025, 11, 3), utc(2025, 11, 3, 5), id="day-after-autumn-opens-in-winter-time"),
    ],
)
def test_a_day_knows_what_happened_before_its_new_york_midnight(day, instant):
    assert cutoff(day) == instant
    assert cutoff(day).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param(date(2025, 3, 9), 23, id="spring"),
        pytest.param(date(2025, 11, 2), 25, id="autumn"),
        pytest.param(date(2025, 7, 15), 24, id="ordinary"),
    ],
)
def test_the_days_on_which_clocks_change_are_shorter_and_longer(day, hours):
    assert cutoff(day + ONE_DAY) - cutoff(day) == timedelta(hours=hours)


@given(DAYS)
def test_a_day_begins_at_its_own_cutoff_and_not_a_moment_earlier(day):
    assert Clock(cutoff(day)).today() == day
    assert Clock(cutoff(day) - timedelta(microseconds=1)).today() == day - ONE_DAY


# --- the clock -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "today"),
    [
        pytest.param(utc(2026, 1, 5, 4, 59, 59), date(2026, 1, 4), id="one-second-before-midnight"),
        pytest.param(utc(2026, 1, 5, 5), date(2026, 1, 5), id="midnight"),
        pytest.param(utc(2026, 1, 1), date(2025, 12, 31), id="new-year-in-utc-is-old-year-in-new-york"),
        pytest.param(utc(2025, 7, 15, 3, 59), date(2025, 7, 14), id="summer-before"),
        pytest.param(utc(2025, 7, 15, 4), date(2025, 7, 15), id="summer-midnight"),
        pytest.param(utc(2025, 11, 3, 4, 30), date(2025, 11, 2), id="the-25th-hour-of-the-autumn-day"),
    ],
)
def test_today_is_the_date_in_new_york(instant, today):
    assert Clock(instant).today() == today


def test_a_fixed_clock_stands_still():
    fixed = utc(2026, 1, 5, 11, 30)
    clock = Clock(fixed)
    assert [clock.now(), clock.now()] == [fixed, fixed]


def test_a_clock_that_is_not_fixed_runs_with_the_machine_in_utc():
    before, now, after = datetime.now(UTC), Clock().now(), datetime.now(UTC)
    assert before <= now <= after
    assert now.utcoffset() == timedelta(0)


# --- instants as text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        pytest.param("2026-01-05T06:30", utc(2026, 1, 5, 11, 30), id="winter-wall-time"),
        pytest.param("2025-07-15T06:30", utc(2025, 7, 15, 10, 30), id="summer-wall-time"),
        pytest.param("2026-01-05 06:30:15", utc(2026, 1, 5, 11, 30, 15), id="space-and-seconds"),
        pytest.param("2026-01-05", utc(2026, 1, 5, 5), id="a-date-is-its-midnight"),
        pytest.param("2026-01-05T06:30Z", utc(2026, 1, 5, 6, 30), id="utc"),
        pytest.param("2026-01-05T06:30+02:00", utc(2026, 1, 5, 4, 30), id="offset"),
        pytest.param("2025-11-02T01:30", utc(2025, 11, 2, 5, 30), id="the-hour-that-comes-twice-is-its-first"),
    ],
)
def test_an_instant_without_an_offset_is_new_york_wall_time(text, instant):
    assert parse_instant(text) == instant
    assert parse_instant(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "now", "06:30", "2026-13-01", "2026-01-05T25:00"])
def test_what_is_no_instant_is_refused_with_an_example(text):
    with pytest.raises(SettingsError, match=r"is not an instant\. Write it like 2026-01-05T06:30") as caught:
        parse_instant(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00", "0001-01-01T00:00+14:00", "1999-12-31T23:59", "2100-01-01", "9999-12-31T23:59-12:00"]
)
def test_an_instant_far_from_any_day_of_a_rollout_is_refused(text):
    with pytest.raises(SettingsError, match="is not in the years 2000 to 2099") as caught:
        parse_instant(text)
    assert repr(text) in str(caught.value)


@given(DAYS, st.times(), st.integers(-14 * 60, 14 * 60))
def test_an_instant_written_with_its_offset_is_read_back(day, time, minutes):
    instant = datetime.combine(day, time, timezone(timedelta(minutes=minutes)))
    assert parse_instant(instant.isoformat()) == instant


# --- days ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "ranges"),
    [
        pytest.param([], [], id="none"),
        pytest.param([date(2026, 1, 5)], [(date(2026, 1, 5), date(2026, 1, 5))], id="one"),
        pytest.param(
            [date(2026, 1, 1), date(2025, 12, 31)], [(date(2025, 12, 31), date(2026, 1, 1))], id="over-new-year"
        ),
        pytest.param(
            [date(2024, 2, 28), date(2024, 3, 1)],
            [(date(2024, 2, 28), date(2024, 2, 28)), (date(2024, 3, 1), date(2024, 3, 1))],
            id="a-missing-leap-day-is-a-hole",
        ),
        pytest.param([date(2026, 1, 5)] * 3, [(date(2026, 1, 5), date(2026, 1, 5))], id="named-three-times"),
    ],
)
def test_days_are_grouped_into_ranges_without_holes(days, ranges):
    assert contiguous(days) == ranges


@given(st.lists(st.dates(date(2025, 12, 1), date(2026, 1, 31)), max_size=40))
@settings(deadline=None)
def test_ranges_hold_exactly_the_given_days_and_never_touch(days):
    ranges = contiguous(days)
    assert [day for first, last in ranges for day in days_between(first, last)] == sorted(set(days))
    assert all(later[0] - earlier[1] > ONE_DAY for earlier, later in pairwise(ranges))


@given(DAYS, st.integers(0, 800))
def test_days_between_counts_both_ends_one_day_apart(first, count):
    days = days_between(first, first + timedelta(days=count))
    assert (len(days), days[0], days[-1]) == (count + 1, first, first + timedelta(days=count))
    assert {later - earlier for earlier, later in pairwise(days)} <= {ONE_DAY}


def test_a_range_that_ends_before_it_begins_holds_no_day():
    assert days_between(date(2026, 1, 5), date(2026, 1, 4)) == ()


def test_the_partition_of_today_exists_from_midnight_on():
    partitions = daily_partitions(date(2026, 1, 1))
    midnight = cutoff(date(2026, 1, 5)).astimezone(ZoneInfo(NEW_YORK.key))
    assert partitions.get_partition_keys(midnight) == [f"2026-01-0{day}" for day in range(1, 6)]
    assert partitions.get_partition_keys(midnight - timedelta(seconds=1))[-1] == "2026-01-04"


def test_the_partitions_of_a_fixed_clock_end_at_its_day():
    first, machine = date(2026, 1, 1), datetime(2026, 3, 9, 12, tzinfo=NEW_YORK)
    fixed = daily_partitions(first, date(2026, 2, 9))
    assert fixed.get_partition_keys(machine)[-1] == "2026-02-09"
    assert len(fixed.get_partition_keys(machine)) == 40
    assert daily_partitions(first, first - ONE_DAY).get_partition_keys(machine) == ["2026-01-01"]
    assert daily_partitions(first, machine.date()).get_partition_keys(machine)[-1] == "2026-03-09"
    assert daily_partitions(first).get_partition_keys(machine)[-1] == "2026-03-09"
