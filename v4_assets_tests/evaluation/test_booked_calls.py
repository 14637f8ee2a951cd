"""Which booked calls vote, that a vote is cast once, and what an alarm does, walked through the daily job."""

from collections.abc import Callable
from datetime import date, timedelta
from math import log
from unittest.mock import patch

import numpy as np
import pytest
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.days import days_between
from v4_assets.evaluation import call_votes
from v4_assets.names import ROLLOUT_PAGE
from v4_assets.operations import local_runs, operator_actions
from v4_assets.production.decision import ROLLBACK_GATES, Action, Verdict
from v4_assets_tests.fixtures.narrow import present
from v4_assets_tests.fixtures.stories import NEW, OLD
from v4_assets_tests.fixtures.walks import FALLEN_LIFT, HEALTHY_LIFT, Market, Walk

PROMOTED = date(2026, 1, 11)
"""A Sunday: the day on which v4.1.0 went live."""
TUESDAY = date(2026, 1, 13)
CLOSES = [PROMOTED + timedelta(weeks=week) for week in range(2, 8)]
"""None within seven days of the story's own: a day's counts are held against those, and its world is smaller."""
QUIET = {"base": 0.0}
"""No lead is called unless a test says so."""

Walking = Callable[..., Walk]


@pytest.fixture
def walk(tmp_path) -> Walking:
    """Begins a walk with a home of its own."""
    return lambda **market: Walk(tmp_path / "home", Market(**market))


def counted(walked: Walk) -> dict[str, dict]:
    """Every counted call by its lead."""
    rows = walked.story.read("SELECT * FROM `ml_features`.`v4_early_warning_votes`")
    assert len(rows) == len({row["lead_id"] for row in rows})
    return {row["lead_id"]: row for row in rows}


def v4(walked: Walk, *arguments: str) -> Result:
    with patch.object(local_runs, "operator", lambda: "ada (v4)"):
        return CliRunner().invoke(cli, arguments, env=walked.story.environment, prog_name="v4")


# --- who votes


@pytest.mark.extended
def test_only_an_advisors_first_call_1_to_43_days_after_contact_on_a_live_first_score_of_the_watch_votes(walk):
    walked = walk(**QUIET)
    walked.planted(TUESDAY + timedelta(days=1)).crds[6] = walked.planted(TUESDAY).crds[6]
    wanted = {
        walked.calls(TUESDAY, 0, TUESDAY): call_votes.SAME_DAY,
        walked.calls(TUESDAY, 1, date(2026, 1, 16)): call_votes.UNSCORED,
        walked.calls(TUESDAY, 2, date(2026, 1, 14)): call_votes.BEFORE_SCORE,
        walked.calls(TUESDAY, 3, TUESDAY + timedelta(days=44)): call_votes.LATE,
        walked.calls(date(2026, 1, 3), 4, date(2026, 1, 20)): call_votes.EARLIER,
        walked.calls(date(2026, 1, 10), 4, date(2026, 1, 20)): call_votes.EARLIER,
        walked.calls(PROMOTED - timedelta(days=32), 4, date(2026, 1, 20)): call_votes.EARLIER,
        walked.calls(PROMOTED - timedelta(days=43), 4, PROMOTED): call_votes.EARLIER,
        walked.calls(TUESDAY, 5, date(2026, 1, 20)): call_votes.AFTERWARDS,
        walked.calls(TUESDAY + timedelta(days=1), 6, date(2026, 1, 21)): call_votes.SAME_ADVISOR,
        walked.calls(TUESDAY, 6, date(2026, 1, 20)): None,
        walked.calls(date(2026, 1, 11), 7, date(2026, 1, 12)): None,
        walked.calls(TUESDAY, 8, TUESDAY + timedelta(days=43)): None,
    }
    unscored, later, afterwards = (walked.planted(TUESDAY).ids[place] for place in (1, 2, 5))
    walked.to(CLOSES[5])
    walked.story.change(f"DELETE FROM ml_features.v4_daily_scores_v41 WHERE lead_id = '{unscored}'")
    for table in ("v4_scored_leads", "v4_daily_scores", "v4_daily_scores_v41"):
        walked.story.change(
            f"UPDATE ml_features.{table} SET prediction_date = prediction_date + 2 WHERE lead_id = '{later}'"
        )
    walked.story.change(f"UPDATE ml_features.v4_daily_scores SET retrospective = true WHERE lead_id = '{afterwards}'")
    walked.run(CLOSES[5])
    rows = counted(walked)
    assert {lead: row["excluded"] for lead, row in rows.items()} == wanted
    assert all((row["vote"] is None) == (row["excluded"] is not None) for row in rows.values())
    [basis] = walked.story.read("SELECT * FROM `ml_features`.`v4_watch_basis`")
    # Of the leads contacted before the promotion four were called: too few to measure a base or the ranks by.
    assert (basis["conversions"], basis["base_rate"], basis["variance"]) == (4, 0.0239, 0.06)
    left = {walked.planted(TUESDAY).ids[place] for place in (0, 1, 2)}
    for lead, row in rows.items():
        if row["excluded"] is None:
            n, *ranks = among(walked, lead, row["scored_on"], left)
            assert row["leads"] == n
            assert row["vote"] == pytest.approx(vote_by_the_formula(basis["base_rate"], n, *ranks))
    shown = present(walked.status.warning).reasons
    assert shown == {why: list(wanted.values()).count(why) for why in wanted.values() if why}


def among(walked: Walk, lead: str, scored_on: date, left: set[str]) -> tuple[int, int, int, int, int]:
    """Covered leads first scored in the 28 days up to a lead's own; below and equal to it by candidate and baseline."""
    contacted = days_between(scored_on - timedelta(days=28), scored_on - timedelta(days=1))
    planted = [walked.planted(day) for day in contacted if day >= walked.market.first]
    known = {
        one: (own, theirs)
        for day in planted
        for one, own, theirs in zip(day.ids, day.scores[NEW], day.scores[OLD], strict=True)
        if one not in left
    }
    mine = known[lead]
    by_version = zip(*known.values(), strict=True)
    below_and_equal = [
        (sum(one < score for one in scores), sum(one == score for one in scores))
        for scores, score in zip(by_version, mine, strict=True)
    ]
    (b, e), (their_b, their_e) = below_and_equal
    return len(known), b, e, their_b, their_e


def vote_by_the_formula(p: float, n: int, b: int, e: int, their_b: int, their_e: int) -> float:
    """Written out from the definition, at a covered base p and a variance of 0.06."""

    def reached(x: float, lift: float, auc: float) -> float:
        s = lift / 10
        m = (auc * (1 - p) + p / 2 - 0.95 * s) / (1 - s)
        a = m / (0.9 - m)
        knots = [(1 - s) * (k / 10 / 0.9) ** a for k in range(10)] + [1.0]
        return float(np.interp(x, [k / 10 for k in range(11)], knots))

    def share(lift: float, auc: float) -> float:
        return reached((b + e) / n, lift, auc) - reached(b / n, lift, auc)

    healthy, fallen = (0.62 - 0.599) * (1 - p), (0.55 - 0.599) * (1 - p)
    u, v = (b + e / 2) / n, (their_b + their_e / 2) / n
    by_rank = log(share(1.2, 0.55) / share(2.03, 0.62))
    by_pair = (healthy - fallen) / 0.06 * ((healthy + fallen) / 2 - (u - v))
    return 0.6 * by_rank + 0.5 * by_pair


# --- a vote is cast once


@pytest.mark.extended
def test_a_call_is_counted_at_the_first_close_that_knows_it_and_never_again(walk):
    walked = walk(**QUIET)
    first = walked.calls(TUESDAY, 0, date(2026, 1, 15))
    walked.run(CLOSES[0])
    [row] = counted(walked).values()
    assert (row["lead_id"], row["prediction_date"], row["called_on"]) == (first, CLOSES[0], date(2026, 1, 15))
    # On a day that can close no week nothing is counted.
    second = walked.calls(TUESDAY, 1, date(2026, 1, 27))
    walked.run(date(2026, 1, 28))
    assert counted(walked) == {first: row}
    # No run on the next Sunday; the feed moves the first call and takes it away.
    walked.calls(TUESDAY, 0, date(2026, 1, 29))
    walked.run(CLOSES[2])
    rows = counted(walked)
    assert rows[first] == row
    assert rows[second]["prediction_date"] == CLOSES[2]
    walked.calls(TUESDAY, 0, None)
    third = walked.calls(TUESDAY, 2, date(2026, 2, 6))
    walked.to(CLOSES[2])
    again = local_runs.run_day(walked.story.settings, CLOSES[2], replace_live="the calls were loaded again")
    assert again.success, again.errors
    assert counted(walked) == rows
    walked.run(CLOSES[3])
    assert counted(walked) == rows | {third: counted(walked)[third]}
    closes = present(walked.status.warning).closes
    assert [(close.day, close.votes) for close in closes] == [(CLOSES[0], 1), (CLOSES[2], 1), (CLOSES[3], 1)]
    total, sums = 0.0, []
    for lead in (first, second, third):
        total = max(total, 0.0) + counted(walked)[lead]["vote"]
        sums.append(total)
    assert [close.total for close in closes] == pytest.approx(sums)


# --- an alarm


def falls_with_the_promotion(day: date) -> float:
    return HEALTHY_LIFT if day < PROMOTED else FALLEN_LIFT


@pytest.mark.extended
def test_an_alarm_is_announced_everywhere_rolls_nothing_back_and_ends_with_a_reason(walk):
    walked = walk(base=0.2, lift=falls_with_the_promotion)
    assert v4(walked, "acknowledge", "--reason", "none is raised").exit_code != 0
    walked.run(CLOSES[0]).run(CLOSES[1])
    alarm = present(present(walked.status.warning).alarm)
    said = f"The booked calls look more like a fallen {NEW} than like the one that was measured, first at the close of "
    assert said + str(alarm.day) in walked.failing["early_warning"]
    assert {walked.gates[name].verdict for name in ROLLBACK_GATES} == {Verdict.PASS}
    assert walked.status.decision.action is Action.HOLD
    assert (walked.story.tick().outcomes, walked.story.live) == ((), NEW)
    assert f"Early warning: {said}" in walked.story.alerts()
    assert said in page_of(walked)
    replayed = f"{alarm.day}  happened: early warning: {said}"
    assert replayed in v4(walked, "replay").output
    # Only a person ends it, and says why.
    assert v4(walked, "acknowledge").exit_code == 2
    ended = v4(walked, "acknowledge", "--reason", "the callers changed their hours")
    assert ended.exit_code == 0
    event = walked.story.events[-1]
    assert (event.event, event.version, event.decided_by) == ("acknowledged", NEW, "ada (v4)")
    assert event.reason.startswith(f"the callers changed their hours ({said}")
    assert present(walked.status.warning).alarm is None
    assert "Early warning: " not in walked.story.alerts()
    again = v4(walked, "acknowledge", "--reason", "once more")
    assert (again.exit_code, "No early warning is raised" in str(again.exception)) == (1, True)
    assert replayed in v4(walked, "replay").output
    walked.run(CLOSES[2])
    warning = present(walked.status.warning)
    [close] = warning.closes
    fresh = [row["vote"] for row in counted(walked).values() if row["prediction_date"] > CLOSES[1] and row["vote"]]
    assert (close.day, close.votes) == (CLOSES[2], len(fresh))
    assert close.total == pytest.approx(sum(fresh))
    # A rollback ends the watch at once, and the replay still shows what was announced in it.
    assert "Early warning" in v4(walked, "status").output
    assert operator_actions.order(walked.story.settings, "rollback", OLD, "the calls fell").success
    assert walked.status.warning is None
    assert "Early warning" not in v4(walked, "status").output
    assert "No early warning is raised" in str(v4(walked, "acknowledge", "--reason", "over").exception)
    walked.story.goes_on(CLOSES[2] + timedelta(days=1))
    assert walked.status.warning is None
    assert replayed in v4(walked, "replay").output


def page_of(walked: Walk) -> str:
    return (walked.story.settings.places.reports / ROLLOUT_PAGE).read_text(encoding="utf-8")
