"""The odds of the configured policy are those that were found before and by independent programs, in percent."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from v4_assets.evaluation.early_warning import Stretch
from v4_assets.studies.assumptions import FALLEN, HEALTHY, TOP, Assumptions, Strength
from v4_assets.studies.odds import headline, odds_of, rules_of, simulate, warning_odds
from v4_assets.studies.odds_report import as_text
from v4_assets.studies.odds_rules import Rule, convictions, ranks, trial, watched
from v4_assets.studies.simulation import Sums, draw
from v4_assets_tests.fixtures.policy_odds import CONFIGURED, DAILY, FILE, GIVEN, LOW, WEEKLY, WRITTEN, shares

# --- what was found before, in percent; tolerances in percentage points
# Either simulation is off by 1 to 2 points by chance, and the earlier one's distribution of scores is not recorded.


@pytest.mark.extended
@pytest.mark.parametrize(
    ("leads", "false", "caught", "weeks", "promoted"),
    [
        (350, (4.5, 9.8), (18, 59, 88, 97), (15, 23), (75, 4)),
        (1000, (5.1, 10.9), (82, 98, 100, 100), (10, 14), (88, 6)),
        (3000, (1.2, 2.6), (96, 100, 100, 100), (8, 11), (95, 2)),
        (10000, (0, 0), (100, 100, 100, 100), (8, 8), (94, 0)),
    ],
)
def test_the_configured_policy_has_the_odds_it_was_chosen_for(leads, false, caught, weeks, promoted):
    odds = odds_of(replace(GIVEN, leads_per_week=leads), CONFIGURED)
    assert shares(odds.together.false) == pytest.approx(false, abs=2.5)
    assert shares(odds.together.caught) == pytest.approx(caught, abs=6.0)
    assert (odds.together.median_weeks, odds.together.late_weeks) == pytest.approx(weeks, abs=1)
    assert [100 * odds.promotion.true, 100 * odds.promotion.false] == pytest.approx(promoted, abs=4.0)


@pytest.mark.parametrize(("leads", "auc", "together"), [(350, 37, 40), (1000, 64, 67), (3000, 89, 90)])
def test_looking_every_day_by_point_estimates_rolls_healthy_versions_back(leads, auc, together):
    healthy = convictions(watched(replace(GIVEN, leads_per_week=leads), DAILY, HEALTHY), DAILY)
    earliest = np.min(list(healthy.values()), axis=0)
    assert 100 * (healthy["auc"] <= 84).mean() == pytest.approx(auc, abs=6)
    assert 100 * (earliest <= 84).mean() == pytest.approx(together, abs=6)


@pytest.mark.parametrize(("leads", "lift", "conversion"), [(300, 68, 99), (450, 56, 98)])
def test_single_weeks_judged_by_the_letter_roll_back_by_chance(leads, lift, conversion):
    healthy = convictions(watched(replace(GIVEN, leads_per_week=leads), WEEKLY, HEALTHY), WEEKLY)
    assert 100 * (healthy["top_decile_lift"] <= 84).mean() == pytest.approx(lift, abs=4)
    assert 100 * (healthy["top_decile_conversion"] <= 84).mean() == pytest.approx(conversion, abs=2)


def rolled_back(within_weeks: int, rule: Rule, *strengths: Strength, **changes: Any) -> float:
    found = convictions(watched(replace(GIVEN, **changes), rule, *strengths), rule)
    return 100 * float((np.min(list(found.values()), axis=0) <= 7 * within_weeks).mean())


@pytest.mark.extended
def test_the_weak_spots_are_where_they_were_found():
    assert rolled_back(12, CONFIGURED, Strength(1.75, 0.60)) == pytest.approx(23, abs=5)
    assert rolled_back(26, CONFIGURED, HEALTHY, Strength(1.51, 0.599)) == pytest.approx(46, abs=6)
    letter = FILE.policy.rollback.model_copy(update={"on_champion_also_failing": "rollback"})
    without = replace(CONFIGURED, policy=FILE.policy.model_copy(update={"rollback": letter}))
    assert rolled_back(12, CONFIGURED, HEALTHY, base_rate=0.024) == pytest.approx(14, abs=4)
    assert rolled_back(12, without, HEALTHY, base_rate=0.024) == pytest.approx(45, abs=5)


def test_the_odds_of_one_volume_are_those_of_every_rule():
    given = Assumptions(outcome_window_days=43, histories=200)
    odds = simulate(given, FILE.policy, FILE.evaluation, model_error=False)
    assert [rule.rule for rule in odds.rules] == [CONFIGURED.name, WRITTEN, WEEKLY.name, DAILY.name]


# --- what independent programs found, in percent


def percent(found: Mapping[int, float]) -> list[float]:
    return [100 * share for share in found.values()]


def test_neutral_data_give_what_the_specification_gives():
    odds = odds_of(GIVEN, CONFIGURED)
    assert percent(odds.together.false) == pytest.approx((5.3, 11.4), abs=4)
    assert percent(odds.together.caught) == pytest.approx((20, 62, 91, 98), abs=4)
    assert (100 * odds.promotion.true, 100 * odds.promotion.false) == pytest.approx((76, 6), abs=4)


@pytest.mark.extended
def test_a_low_covered_base_by_the_line_as_written_and_scaled():
    written = rules_of(FILE.policy, FILE.evaluation, LOW)[1]
    assert written.name == WRITTEN
    odds = odds_of(LOW, written)
    assert percent(odds.together.false) == pytest.approx((13.9, 23.8), abs=4)
    assert 100 * odds.together.caught[16] == pytest.approx(46, abs=4)
    assert 100 * odds.promotion.true == pytest.approx(58, abs=4)
    assert odds.for_rollback.cohort_days == pytest.approx(127, abs=1)
    odds = odds_of(LOW, CONFIGURED)
    assert CONFIGURED.conversion_line(LOW.covered_share) == pytest.approx(0.0305)
    assert percent(odds.together.false) == pytest.approx((4.3, 7.8), abs=4)
    assert 100 * odds.together.caught[16] == pytest.approx(27, abs=4)


@pytest.mark.extended
@pytest.mark.parametrize(("bottom", "caught"), [(0.0, (0.6, 11)), (0.5, (3, 28)), (1.0, (27, 81))])
def test_who_is_called_first_hides_a_fall(bottom, caught):
    odds = odds_of(replace(GIVEN, top_effort=1.3, bottom_effort=bottom), CONFIGURED)
    assert [100 * odds.together.caught[16], 100 * odds.together.caught[26]] == pytest.approx(caught, abs=4)


@pytest.mark.extended
def test_a_challenger_like_the_champion_is_promoted_more_often_where_the_champion_decides_who_is_called():
    odds = odds_of(replace(GIVEN, top_effort=1.3, bottom_effort=0.0), CONFIGURED)
    assert 100 * odds.promotion.false == pytest.approx(25.5, abs=4)


@pytest.mark.parametrize(
    ("effort", "healthy", "fallen"),
    [
        ((1.3, 0.0), (2.80, 0.703), (1.75, 0.640)),
        ((1.3, 0.5), (2.61, 0.668), (1.63, 0.600)),
        ((1.3, 1.0), (2.48, 0.640), (1.51, 0.565)),
    ],
)
def test_effort_makes_the_live_version_measure_more_than_it_is(effort, healthy, fallen):
    given = replace(GIVEN, top_effort=effort[0], bottom_effort=effort[1], histories=400)
    for strength, (lift, auc) in ((HEALTHY, healthy), (FALLEN, fallen)):
        whole = measured_by(given, strength)
        assert float(np.mean(whole.top / whole.conversions / TOP)) == pytest.approx(lift, abs=0.04)
        assert float(np.mean(whole.auc())) == pytest.approx(auc, abs=0.006)


@pytest.mark.extended
def test_leads_from_the_live_versions_own_list_roll_a_healthy_version_back():
    given = replace(GIVEN, listed_share=0.2)
    whole = measured_by(replace(given, histories=400), HEALTHY)
    assert float(np.mean(whole.top / whole.conversions / TOP)) == pytest.approx(1.72, abs=0.04)
    assert float(np.mean(whole.auc())) == pytest.approx(0.590, abs=0.006)
    assert percent(odds_of(given, CONFIGURED).together.false) == pytest.approx((44, 65), abs=4)


def measured_by(given: Assumptions, strength: Strength) -> Sums:
    """A thousand weeks in one, while the candidate is live."""
    stretch = Stretch(ranks(given, strength, "candidate"), 70)
    days = draw(np.random.default_rng(5), given.histories, np.full((1, 70), 500.0), np.full(70, 0.0392), [stretch])
    return days.map(lambda one: np.broadcast_to(one, days.conversions.shape).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("given", "false", "caught"),
    [
        pytest.param(GIVEN, 12, (89, 97, 99), id="3.92 %"),
        pytest.param(LOW, 12, (76, 89, 96), id="2.39 %"),
        pytest.param(replace(LOW, uneven=True), 12, (71, 86, 93), id="2.39 %, uneven weeks and months"),
    ],
)
def test_the_early_warning_announces_falls_as_specified(given, false, caught):
    odds = warning_odds(given, FILE.policy)
    assert 100 * odds.false[12] <= 5
    assert 100 * odds.false[26] == pytest.approx(false, abs=4)
    assert [100 * odds.caught[week] for week in (12, 16, 20)] == pytest.approx(caught, abs=4)


EVEN: dict[str, Any] = {"shape": "step", "covered_share": 1.0}
"""Ranks that are even within the top decile, as the votes assume them."""


@pytest.mark.parametrize(
    ("base", "false", "caught"),
    [
        pytest.param(0.0392, 12, (89, 97, 99), id="3.92 %"),
        pytest.param(0.0239, 12, (76, 89, 96), id="2.39 %"),
        pytest.param(0.0195, 14, (71, 86, 94), id="1.95 %"),
        pytest.param(0.0145, 15, (59, 77, 88), id="1.45 %"),
    ],
)
def test_with_ranks_as_the_votes_assume_them_the_early_warning_is_the_one_specified_at_every_base(base, false, caught):
    odds = warning_odds(replace(GIVEN, base_rate=base, **EVEN), FILE.policy)
    assert 100 * odds.false[12] <= 5
    assert 100 * odds.false[26] == pytest.approx(false, abs=4)
    assert [100 * odds.caught[week] for week in (12, 16, 20)] == pytest.approx(caught, abs=4)


def test_a_weaker_treatment_raises_a_weak_challengers_measured_lift_less():
    measured = []
    for bottom in (0.0, 0.5, 1.0):
        given = replace(GIVEN, top_effort=1.3, bottom_effort=bottom, histories=400)
        found = trial(given, CONFIGURED, given.weak).judged.cohorts
        measured.append(float(np.nanmean(found.top / found.conversions / TOP)))
        ahead = float(np.nanmean((found.baseline_top - found.top) / found.conversions / TOP))
        assert 0.24 <= ahead <= 0.32
    assert measured == pytest.approx([1.79, 1.70, 1.62], abs=0.03)


@pytest.mark.extended
def test_the_early_warning_reaches_its_goal():
    low, high = warning_odds(LOW, FILE.policy), warning_odds(GIVEN, FILE.policy)
    assert (low.caught[16], low.caught[20], high.caught[16]) >= (0.85, 0.92, 0.95)
    assert low.caught[20] >= 0.92
    assert high.caught[16] >= 0.95
    assert max(low.false[12], high.false[12]) <= 0.05
    assert max(low.false[26], high.false[26]) <= 0.14


def test_a_version_no_better_than_the_baseline_raises_it_more_often_than_a_healthy_one():
    odds = warning_odds(GIVEN, FILE.policy)
    assert odds.equal[12] > 3 * odds.false[12]


def test_a_volume_that_carries_no_verdict_is_seen():
    odds = odds_of(replace(LOW, leads_per_week=150, histories=200), CONFIGURED)
    assert odds.for_rollback.cohort_days == FILE.evaluation.max_days
    assert odds.for_rollback.verdicts == 0
    assert (odds.together.false[26], odds.together.caught[26], odds.promotion.true) == (0, 0, 0)


@pytest.mark.extended
def test_the_model_error_spans_the_figure_it_is_about():
    odds = simulate(replace(LOW, histories=200), FILE.policy, FILE.evaluation)
    figures = headline(odds.rules[0], odds.warning)
    assert odds.model_error is not None
    assert odds.model_error.keys() == figures.keys()
    assert all(low <= figures[name] <= high for name, (low, high) in odds.model_error.items())
    low, high = odds.model_error["fall caught within 16 weeks"]
    assert high - low > 0.05


def test_the_neutral_odds_stand_beside_those_of_an_assumed_effort():
    odds = simulate(
        replace(LOW, histories=100, top_effort=1.3, bottom_effort=0.0), FILE.policy, FILE.evaluation, model_error=False
    )
    assert odds.neutral is not None
    assert odds.neutral.rules[0] == odds_of(replace(LOW, histories=100), CONFIGURED)
    text = as_text(odds)
    assert "on neutral data" in text
    assert "top decile converts 1.3 times, its bottom fifth 0 times" in text
