"""Weeks that are unlike others, walked through the daily job: each ends in the right verdict and says why."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner
from dagster._core.test_utils import freeze_time

from v4_assets.cli.main import cli
from v4_assets.config import environment
from v4_assets.operations.doctor import Verdict as Probed
from v4_assets.operations.doctor import rollout as probes
from v4_assets.production.decision import ROLLBACK_GATES, Action, Verdict
from v4_assets_tests.fixtures.narrow import present
from v4_assets_tests.fixtures.stories import NEW, OLD
from v4_assets_tests.fixtures.walks import FALLEN_LIFT, Market, Walk

pytestmark = pytest.mark.extended

Walking = Callable[..., Walk]
LISTED = 'holidays: ["12-24", "12-25", "12-26", "12-27", "12-28", "12-29", "12-30", "12-31", "01-01", "01-02", "07-04"]'
CLOSE = date(2026, 3, 8)
"""A Sunday: its cohort ends with the leads contacted on 23 January."""


@pytest.fixture
def walk(tmp_path) -> Walking:
    """Begins a walk with a home of its own."""
    return lambda market: Walk(tmp_path / "home", market)


def verdicts(walk: Walk) -> set[Verdict]:
    """Of the criteria that the live version is rolled back by."""
    return {walk.gates[name].verdict for name in ROLLBACK_GATES}


def lift(walk: Walk) -> str:
    """What the gate of the live version's lift says."""
    return walk.gates["top_decile_lift"].reason


def cohort(walk: Walk, first: date, last: date, without: str = "") -> str:
    """How a reason names the leads contacted on these days, by what was planted."""
    leads, called = walk.contacted(first, last)
    return f"({leads:,} leads contacted {first} to {last}{without}, {called:,} of which converted)"


# --- the winter holiday


def after_the_holidays(day: date) -> date:
    """No call is made from Christmas Eve to the first Sunday of the year."""
    return date(2026, 1, 5) if date(2025, 12, 24) <= day <= date(2026, 1, 4) else day


JUDGED_AT_CHRISTMAS = date(2026, 2, 8)
"""A Sunday: its cohort ends with the leads contacted on 26 December."""


def test_a_winter_holiday_without_calls_is_judged_like_any_other_weeks(walk):
    walked = walk(Market(called=after_the_holidays)).run(JUDGED_AT_CHRISTMAS)
    assert verdicts(walked) == {Verdict.PASS}
    assert "without" not in lift(walked)
    assert "2025-12-26, 1" in lift(walked)
    assert "cohort_sound" not in walked.failing


def test_where_the_holidays_are_not_listed_the_leads_contacted_just_before_are_left_out_and_the_reason_says_so(walk):
    walked = walk(Market(called=after_the_holidays))
    walked.story.rule(LISTED, "holidays: []")
    walked.run(JUDGED_AT_CHRISTMAS)
    assert verdicts(walked) == {Verdict.PASS}
    assert "to 2025-12-26 without 10 days around which no calls were recorded" in lift(walked)
    assert "no call is recorded from 2025-12-24 to 2026-01-04: check the outcome feed" in walked.failing["cohort_sound"]


# --- a feed that is late


def ten_days_late(day: date) -> date:
    """The calls of ten days all arrive on the last evening of them."""
    return CLOSE if CLOSE - timedelta(days=10) <= day < CLOSE else day


def test_a_feed_that_stops_is_named_and_one_that_catches_up_leaves_no_trace(walk):
    walked = walk(Market(delivered=ten_days_late)).run(CLOSE)
    assert "to 2026-03-07: check the outcome feed" in walked.failing["cohort_sound"]
    assert verdicts(walked) == {Verdict.PASS}
    stopped = present(walked.status.warning)
    walked.run(CLOSE + timedelta(days=7))
    assert walked.failing == {}
    assert verdicts(walked) == {Verdict.PASS}
    assert cohort(walked, *walked.judged) in lift(walked)
    caught_up = present(walked.status.warning)
    assert present(caught_up.latest).day == CLOSE + timedelta(days=7)
    # Every call that had a score in the watch votes once, whenever it was delivered.
    assert sum(close.votes for close in caught_up.closes) == walked.booked(date(2026, 1, 11), walked.story.day)
    assert sum(close.votes for close in caught_up.closes) > sum(close.votes for close in stopped.closes)


# --- base rates far from the firm's


def test_a_base_of_0_4_percent_carries_no_verdict_and_every_command_says_why(walk):
    walked = walk(Market(base=0.004, weekly=350, first=date(2025, 9, 30))).run(CLOSE)
    assert verdicts(walked) == {Verdict.INCONCLUSIVE}
    _, called = walked.contacted(date(2025, 9, 30), date(2026, 1, 23))
    short = f"but the cohort carries no verdict: it holds {called} of the 150 conversions a verdict needs"
    assert short in lift(walked)
    assert walked.status.decision.action is Action.HOLD
    assert short in walked.status.decision.reason
    assert f"rollback, {OLD}: it holds {called} of the 150" in walked.failing["cohort_sound"]
    probed = probes.verdicts(walked.story.settings)
    assert probed.verdict is Probed.FAIL
    assert probed.found.startswith(f"No cohort can decide a rollback: {called} conversions in 116 days: about ")
    refused = CliRunner().invoke(cli, ["odds", "--from-data"], env=walked.story.environment)
    assert "at least 100 are needed" in str(refused.exception)


def test_a_base_of_30_percent_is_judged_by_its_least_week(walk):
    walked = walk(Market(base=0.3)).run(CLOSE)
    assert verdicts(walked) == {Verdict.PASS}
    assert cohort(walked, date(2026, 1, 17), date(2026, 1, 23)) in lift(walked)
    assert "The booked calls look like the model that was measured" in present(walked.status.warning).sentence(NEW)
    assert probes.verdicts(walked.story.settings).verdict is Probed.OK


# --- weeks of any size


def test_a_week_without_leads_one_of_2_and_one_of_1437_are_judged_by_the_leads_there_are(walk):
    weeks = {date(2026, 1, 5): 0, date(2026, 1, 12): 2, date(2026, 1, 19): 1_437}
    walked = walk(Market(weeks=weeks))
    for day in (date(2026, 2, 22), date(2026, 3, 1), CLOSE):
        walked.run(day)
        assert verdicts(walked) == {Verdict.PASS}
        assert cohort(walked, *walked.judged) in lift(walked)
        assert "cohort_sound" not in walked.failing
    few, many = walked.contacted(date(2026, 1, 12), date(2026, 1, 18))[0], walked.contacted(*walked.judged)[0]
    assert (few, many > 1_437 * 5 // 7) == (2, True)
    assert walked.status.decision.action is Action.HOLD


# --- what the odds are computed from


def test_the_odds_from_data_are_those_of_the_leads_that_have_matured(walk):
    walked = walk(Market(same_day=0.39, weeks={date(2026, 1, 5): 1_437})).run(CLOSE)
    first, last = date(2025, 11, 24), date(2026, 1, 23)
    leads, called = walked.contacted(first, last)
    before = walked.same_day(first, last)
    asked = ["odds", "--from-data", "--no-model-error", "--histories", "20", "--json"]
    found = json.loads(CliRunner().invoke(cli, asked, env=walked.story.environment).output)["assumptions"]
    covered, share = leads - before, (called - before) / called
    assert found["source"] == (
        f"{covered:,} covered leads contacted {first} to {last}, {called - before:,} of which converted"
    )
    assert found["covered_share"] == pytest.approx(share)
    assert found["base_rate"] * found["covered_share"] == pytest.approx((called - before) / covered)
    assert found["leads_per_week"] == pytest.approx(covered / 61 * 7)
    assert found["uneven"]
    ends = [last - timedelta(days=7 * week) for week in range(61 // 7)]
    weeks = [(end - timedelta(days=6), end) for end in ends]
    volumes = [walked.contacted(*week)[0] - walked.same_day(*week) for week in weeks]
    assert (found["weekly_leads"][0], found["weekly_leads"][-1]) == ([0.0, min(volumes)], [1.0, max(volumes)])
    assert max(volumes) > 1.5 * found["leads_per_week"]
    booked = dict(found["booked_by"])
    assert (booked[0.0], booked[43.0]) == (0.0, 1.0)
    assert booked[7.0] == pytest.approx(0.74, abs=0.1)
    # The basis of the watch was measured on the leads whose outcome was known when it began.
    assert "the share of conversions that covered leads hold" in walked.gates["top_decile_conversion"].reason
    stated = CliRunner().invoke(cli, [*asked, "--base-rate", "0.02"], env=walked.story.environment)
    assert (stated.exit_code, "--from-data measures --base-rate; leave one of them out." in stated.output) == (2, True)


# --- a year of 53 weeks


def test_the_53rd_week_and_the_first_are_two_weeks_running(walk, monkeypatch):
    walked = walk(Market(first=date(2026, 10, 1), lift=lambda day: FALLEN_LIFT))
    # Dagster and V4_NOW know no day that has not come; the next year of 53 weeks has not.
    monkeypatch.setattr(environment, "_verify_clock", lambda *given: None)
    with freeze_time(datetime(2027, 1, 12, tzinfo=UTC)):
        walked.run(date(2027, 1, 3)).run(date(2027, 1, 10))
        once = "2026-W53 closed with top_decile_lift failing; 1 more such week will roll back to v4.0.0"
        assert once in walked.status.decision.reason
        walked.run(date(2027, 1, 11))
        decision = walked.status.decision
        assert decision.action is Action.ROLLBACK
        assert "top_decile_lift failed at 2 consecutive week-closes. 2026-W53: " in decision.reason
        assert "2027-W01: " in decision.reason
        [outcome] = walked.story.tick().outcomes
    assert outcome.success
    assert walked.story.live == OLD
