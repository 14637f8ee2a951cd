"""Votes of booked calls: what one weighs, who votes, and how the sum runs."""

from datetime import date, timedelta
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.evaluation.call_votes import SAME_DAY, course, mean_square, ranked
from v4_assets.evaluation.early_warning import Weights, booked_by, profile, sums, threshold
from v4_assets.evaluation.model_strength import BASELINE, FALLEN, HEALTHY

BASE = 0.0239
WEIGHTS = Weights(HEALTHY, FALLEN, BASELINE, BASE)
DAY = np.datetime64("2026-01-05")
SINCE, TODAY = date(2026, 1, 12), date(2026, 2, 9)


def test_a_profile_has_the_lift_and_the_auc_of_its_version():
    healthy = profile(HEALTHY, BASE)
    assert healthy[9] == pytest.approx(1 - 0.203)
    assert (healthy[0], healthy[10]) == (0, 1)
    assert HEALTHY.power(BASE) == pytest.approx(0.5302 / (0.9 - 0.5302), abs=0.02)


def test_a_vote_is_the_likelihood_ratio_of_its_rank_and_of_its_lead_over_the_baseline():
    n, below, equal = 1000.0, 950.0, 1.0
    [vote] = WEIGHTS.votes(*(np.array([one]) for one in (below, equal, 500.0, 1.0, n)))
    # In the top decile the profile is even: the ratio is that of the lifts.
    by_rank = log(1.2 / 2.03)
    healthy, fallen = (0.62 - 0.599) * (1 - BASE), (0.55 - 0.599) * (1 - BASE)
    by_pair = (healthy - fallen) / 0.06 * ((healthy + fallen) / 2 - (950.5 - 500.5) / 1000)
    assert vote == pytest.approx(0.6 * by_rank + 0.5 * by_pair)


def test_a_call_without_others_to_be_ranked_among_weighs_nothing():
    assert WEIGHTS.votes(*(np.array([one]) for one in (0.0, 1.0, 0.0, 1.0, 1.0))).tolist() == [0.0]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_a_call_is_ranked_among_the_leads_first_scored_in_the_28_days_up_to_its_own(leads):
    scored = np.array([DAY + np.timedelta64(day, "D") for day, _, _ in leads])
    own, theirs = (np.array([float(lead[place]) for lead in leads]) for place in (1, 2))
    calls = np.arange(len(leads))
    found = ranked(calls, scored, own, theirs)
    for place, (day, mine, other) in enumerate(leads):
        among = [lead for lead in leads if day - 27 <= lead[0] <= day]
        assert found.leads[place] == len(among)
        assert found.own_below[place] == sum(lead[1] < mine for lead in among)
        assert found.own_equal[place] == sum(lead[1] == mine for lead in among)
        assert found.baseline_below[place] == sum(lead[2] < other for lead in among)
        assert found.own_rank[place] == (found.own_below[place] + found.own_equal[place] / 2) / len(among)


def test_versions_that_rank_alike_have_no_difference():
    scores = np.array([1.0, 2.0, 3.0])
    assert mean_square(ranked(np.arange(3), np.array([DAY] * 3), scores, scores)) == 0.0
    assert mean_square(ranked(np.arange(1), np.array([DAY]), scores[:1], scores[:1])) is None


def test_the_sum_never_starts_below_zero():
    assert sums(np.array([[-2.0, 1.0, 1.5, -9.0, 0.5]])).tolist() == [[-2.0, 1.0, 2.5, -6.5, 0.5]]


def test_the_threshold_is_exceeded_by_the_accepted_share_of_histories():
    rng = np.random.default_rng(1)
    healthy = rng.random((1000, 20))
    border = threshold(healthy, 0.04)
    assert (healthy[:, :12].max(axis=1) > border).mean() <= 0.04
    assert (healthy[:, :12].max(axis=1) >= border).mean() == pytest.approx(0.04, abs=0.002)


def test_booked_shares_are_filled_in_between_and_end_at_one():
    found = booked_by(((0, 0.0), (2, 0.5), (43, 1.0)), 43)
    assert (found[0], found[1], found[2], found[-1]) == (0, 0.25, 0.5, 1)


def row(day: date, vote: float | None, *, model: str = "a", excluded: str | None = None) -> dict:
    return {"prediction_date": day, "vote": vote, "bundle_sha256": model, "excluded": excluded}


def warning_of(rows: list[dict], since: date = SINCE, today: date = TODAY):
    ends = {
        one["prediction_date"]: one["prediction_date"] + timedelta(days=6 - one["prediction_date"].weekday())
        for one in rows
    }
    return course(rows, threshold=3.0, since=since, ends=ends, today=today)


FRIDAY, SUNDAY, NEXT, LAST = date(2026, 1, 16), date(2026, 1, 18), date(2026, 1, 25), date(2026, 2, 1)


def test_one_close_above_the_threshold_suffices_and_stays():
    found = warning_of([row(SUNDAY, 2.0), row(NEXT, 2.0), row(LAST, -3.5)])
    assert [close.total for close in found.closes] == [2.0, 4.0, 0.5]
    assert found.alarm is not None
    assert found.alarm.day == NEXT


def test_a_week_counts_what_its_days_from_friday_on_counted():
    found = warning_of([row(FRIDAY, 1.0), row(SUNDAY, 1.5), row(SUNDAY, None, excluded=SAME_DAY)])
    [close] = found.closes
    assert (close.day, close.total, close.votes, close.excluded) == (SUNDAY, 2.5, 2, 1)
    assert found.reasons == {SAME_DAY: 1}


def test_a_week_that_has_not_ended_alarms_nobody():
    assert warning_of([row(FRIDAY, 9.0)], today=FRIDAY).alarm is None
    assert warning_of([row(FRIDAY, 9.0)], today=SUNDAY).alarm is not None


def test_what_a_missed_close_would_have_counted_enters_at_the_next():
    whole = warning_of([row(SUNDAY, -1.0), row(NEXT, 2.0), row(LAST, 2.0)])
    missed = warning_of([row(SUNDAY, -1.0), row(LAST, 2.0), row(LAST, 2.0)])
    assert whole.closes[-1].total == missed.closes[-1].total == 4.0


def test_an_acknowledged_alarm_begins_at_zero_again():
    rows = [row(SUNDAY, 5.0), row(NEXT, 1.0)]
    assert warning_of(rows).closes[-1].total == 6.0
    again = warning_of(rows, since=date(2026, 1, 19))
    assert ([close.total for close in again.closes], again.alarm) == ([1.0], None)


def test_another_artifact_begins_at_zero_again():
    found = warning_of([row(SUNDAY, 5.0), row(NEXT, 1.0, model="b"), row(LAST, 1.0, model="b")])
    assert [close.total for close in found.closes] == [1.0, 2.0]
    assert found.alarm is None
