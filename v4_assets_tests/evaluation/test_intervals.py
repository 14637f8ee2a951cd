"""Intervals by hand, against published and exact values, and by how often they hold the truth."""

from math import comb

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from v4_assets.evaluation.intervals import (
    Interval,
    bonett_price_bounds,
    bonett_price_lift_difference,
    lift_bounds,
    lift_interval,
    logit_auc_bounds,
    logit_auc_interval,
    one_sided,
    wald,
    wilson,
    wilson_bounds,
)
from v4_assets.evaluation.metrics import auc_standard_error, decile_membership
from v4_assets_tests.fixtures.narrow import present

LEVELS = st.floats(0.01, 0.99)
HISTORIES = 4000


def covered(low, high, truth) -> float:
    """Share of the intervals that hold the truth, in percent."""
    return float(100 * np.mean((low <= truth) & (truth <= high)))


# --- one-sided levels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("confidence", "level"), [(0.80, 0.60), (0.95, 0.90), (0.5, 0.0), (0.975, 0.95)])
def test_a_one_sided_bound_is_the_end_of_a_narrower_two_sided_interval(confidence, level):
    assert one_sided(confidence) == pytest.approx(level)


@pytest.mark.parametrize("confidence", [0.49, 1.0, -1.0, 80.0])
def test_an_impossible_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match=r"lies in \[0\.5, 1\)"):
        one_sided(confidence)


@pytest.mark.parametrize("level", [-0.1, 1.0, 90.0])
def test_an_impossible_level_is_refused(level):
    with pytest.raises(ValueError, match=r"lies in \[0, 1\)"):
        wilson(1, 2, level)


def test_the_level_of_even_odds_is_a_point():
    found = present(wilson(30, 100, 0.0))
    assert (found.estimate, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3))


# --- Wilson --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        pytest.param(81, 263, 0.2553, 0.3662, id="newcombe-1998-81-of-263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="newcombe-1998-15-of-148"),
        pytest.param(0, 20, 0.0, 0.1611, id="newcombe-1998-0-of-20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="newcombe-1998-1-of-29"),
    ],
)
def test_wilson_gives_the_published_values(successes, trials, low, high):
    found = present(wilson(successes, trials, 0.95))
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 60), st.integers(1, 60), LEVELS)
def test_an_end_of_wilson_is_where_the_score_test_stops_rejecting(successes, trials, level):
    assume(0 < successes < trials)
    found = present(wilson(successes, trials, level))
    z = 2 * (found.estimate - found.low) / (2 * np.sqrt(found.low * (1 - found.low) / trials))
    other = (found.high - found.estimate) / np.sqrt(found.high * (1 - found.high) / trials)
    assert z == pytest.approx(other)


@given(st.floats(0, 40), st.floats(0.01, 40), LEVELS)
def test_wilson_holds_its_estimate_and_stays_a_rate(successes, trials, level):
    assume(successes <= trials)
    found = present(wilson(successes, trials, level))
    assert 0 <= found.low <= found.estimate + 1e-12
    assert found.estimate - 1e-12 <= found.high <= 1


@given(st.floats(0, 40), st.floats(1, 40), LEVELS, LEVELS)
def test_more_confidence_is_a_wider_interval(successes, trials, level, other):
    assume(successes <= trials)
    narrow, wide = (present(wilson(successes, trials, one)) for one in sorted((level, other)))
    assert wide.low <= narrow.low + 1e-12
    assert narrow.high <= wide.high + 1e-12


@given(st.integers(0, 40), st.integers(1, 40), LEVELS)
def test_wilson_of_the_failures_is_the_mirror_image(successes, trials, level):
    assume(successes <= trials)
    found, mirrored = present(wilson(successes, trials, level)), present(wilson(trials - successes, trials, level))
    assert (found.low, found.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low))


def test_without_trials_nothing_is_said():
    assert wilson(0, 0, 0.9) is None
    low, high = wilson_bounds(np.array([0, 1]), np.array([0, 2]), 0.9)
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == pytest.approx((present(wilson(1, 2, 0.9)).low, present(wilson(1, 2, 0.9)).high))


@pytest.mark.parametrize("successes", [-1, 3])
def test_impossible_counts_are_refused(successes):
    with pytest.raises(ValueError, match="between 0 and trials"):
        wilson(successes, 2, 0.9)
    with pytest.raises(ValueError, match="between 0 and conversions"):
        lift_interval(successes, 2, 20, 2, 0.9)


# --- lift ----------------------------------------------------------------------------------------------------------


def test_the_interval_of_lift_is_wilsons_of_the_conversions_share_scaled():
    found, share = present(lift_interval(30, 150, 3900, 390, 0.9)), present(wilson(30, 150, 0.9))
    assert (found.estimate, found.low, found.high) == pytest.approx((2.0, 10 * share.low, 10 * share.high))


def test_the_upper_bound_the_rollback_rule_uses():
    # Lift 1.2 on 150 conversions: z = 0.8416, centre (18 + z²/2) / (150 + z²), half z/(150 + z²) * sqrt(15.84 + z²/4).
    found = present(lift_interval(18, 150, 3900, 390, one_sided(0.80)))
    assert found.high == pytest.approx(10 * (18.35415 + 0.84162 * np.sqrt(15.84 + 0.17708)) / 150.70833, abs=1e-4)
    assert 1.2 < found.high < 1.5


def test_without_conversions_lift_is_unknown():
    assert lift_interval(0, 0, 100, 10, 0.9) is None
    assert lift_interval(0, 0, 0, 0, 0.9) is None
    assert np.isnan(lift_bounds(np.zeros(2), np.zeros(2), np.full(2, 100), np.full(2, 10), 0.9)).all()


@pytest.mark.parametrize("conversions", [50, 100, 150, 200, 250])
@pytest.mark.parametrize("lift", [1.2, 1.5, 2.03])
def test_lift_intervals_hold_the_truth_as_often_as_they_say(conversions, lift):
    """Each of about so many conversions falls into the decile with probability lift / 10."""
    rng = np.random.default_rng(conversions)
    happened = rng.poisson(conversions, HISTORIES)
    low, high = lift_bounds(rng.binomial(happened, lift / 10), happened, 1000, 100, 0.90)
    assert 88 <= covered(low, high, lift) <= 93


@pytest.mark.parametrize("conversions", [50, 100, 150, 200, 250])
@pytest.mark.parametrize("lift", [1.2, 1.5, 2.03])
def test_the_exact_coverage_at_a_fixed_count_is_near_the_level(conversions, lift):
    """Enumerated, not simulated: with the count fixed the coverage jumps a little about its level."""
    counts = np.arange(conversions + 1)
    share = lift / 10
    weights = [comb(conversions, int(x)) * share**x * (1 - share) ** (conversions - x) for x in counts]
    low, high = lift_bounds(counts, np.full(len(counts), conversions), 1000, 100, 0.90)
    assert 87.5 <= 100 * np.sum(weights, where=(low <= lift) & (lift <= high)) <= 93


@pytest.mark.parametrize("leads", [1300, 3900, 6500])
def test_conversion_intervals_hold_the_truth_as_often_as_they_say(leads):
    top, rate = leads // 10, 0.08
    converted = np.random.default_rng(leads).binomial(top, rate, HISTORIES)
    assert 88 <= covered(*wilson_bounds(converted, np.full(HISTORIES, top), 0.90), rate) <= 93


# --- AUC -----------------------------------------------------------------------------------------------------------


def test_the_logit_interval_by_hand():
    # logit 0.8 = ln 4; half = 1.64485 * 0.05 / 0.16.
    half = 1.6448536 * 0.05 / 0.16
    found = present(logit_auc_interval(0.8, 0.05, 0.90))
    assert found.low == pytest.approx(4 / (4 + np.exp(half)))
    assert found.high == pytest.approx(4 / (4 + np.exp(-half)))
    assert found.estimate == 0.8


@pytest.mark.parametrize(
    ("auc", "se"), [(0.0, 0.0), (1.0, 0.0), (None, 0.1), (0.6, None)], ids=["worst", "best", "no-auc", "no-error"]
)
def test_an_auc_without_logit_or_error_has_no_interval(auc, se):
    assert logit_auc_interval(auc, se, 0.9) is None


def test_equal_scores_have_an_auc_of_one_half_without_doubt():
    assert auc_standard_error(np.full(30, 0.5), np.arange(30) < 7) == 0.0
    assert logit_auc_interval(0.5, 0.0, 0.9) == Interval(0.5, 0.5, 0.5)


@given(st.floats(0.01, 0.99), st.floats(0, 0.3), LEVELS)
def test_the_logit_interval_holds_its_estimate_and_stays_an_area(auc, se, level):
    found = present(logit_auc_interval(auc, se, level))
    assert 0 <= found.low <= auc + 1e-9
    assert auc - 1e-9 <= found.high <= 1


@pytest.mark.parametrize("conversions", [50, 150, 250])
def test_auc_intervals_hold_the_truth_as_often_as_they_say(conversions):
    """Binormal scores, AUC 0.62; leads are 25 times the conversions."""
    histories = 800
    rng, shift = np.random.default_rng(conversions), np.sqrt(2) * 0.30548
    converted = np.arange(25 * conversions) < conversions
    found = []
    for _ in range(histories):
        scores = rng.normal(size=len(converted)) + shift * converted
        found.append((_area(scores, converted), auc_standard_error(scores, converted)))
    areas, errors = np.array(found).T
    assert 88 <= covered(*logit_auc_bounds(areas, errors, 0.90), 0.62) <= 93


def _area(scores, converted) -> float:
    ranks = np.argsort(np.argsort(scores)) + 1
    won = int(converted.sum())
    return (ranks[converted].sum() - won * (won + 1) / 2) / (won * (len(scores) - won))


# --- differences ---------------------------------------------------------------------------------------------------


def test_bonett_and_price_by_hand():
    # 20 and 10 disagreements of 100 pairs: 21/102 - 11/102 ± z * sqrt((32/102 - (10/102)²) / 102).
    low, high = bonett_price_bounds(20, 10, 100, 0.95)
    half = 1.959964 * np.sqrt((32 / 102 - (10 / 102) ** 2) / 102)
    assert (low, high) == pytest.approx((10 / 102 - half, 10 / 102 + half))


def test_the_difference_in_lift_is_the_scaled_difference_of_shares():
    found = present(bonett_price_lift_difference(20, 10, 100, 2500, 250, 0.95))
    low, high = bonett_price_bounds(20, 10, 100, 0.95)
    assert (found.estimate, found.low, found.high) == pytest.approx((1.0, 10 * low, 10 * high))


def test_without_conversions_no_difference_is_said():
    assert bonett_price_lift_difference(0, 0, 0, 100, 10, 0.9) is None


def test_more_disagreements_than_conversions_are_refused():
    with pytest.raises(ValueError, match="between 0 and conversions"):
        bonett_price_lift_difference(6, 5, 10, 100, 10, 0.9)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 100), LEVELS)
def test_exchanging_the_versions_turns_the_difference_around(own, other, agreed, level):
    conversions = own + other + agreed
    assume(conversions)
    found = present(bonett_price_lift_difference(own, other, conversions, 1000, 100, level))
    turned = present(bonett_price_lift_difference(other, own, conversions, 1000, 100, level))
    assert (found.estimate, found.low, found.high) == pytest.approx((-turned.estimate, -turned.high, -turned.low))
    assert -10 <= found.low <= found.high <= 10


@pytest.mark.parametrize("conversions", [50, 150, 250])
def test_intervals_of_lift_differences_hold_the_truth_as_often_as_they_say(conversions):
    """Of the conversions 8 % are in the top decile of this version only, 4 % of the other's only."""
    rng = np.random.default_rng(conversions)
    own, other, _ = rng.multinomial(conversions, [0.08, 0.04, 0.88], HISTORIES).T
    low, high = bonett_price_bounds(own, other, np.full(HISTORIES, conversions), 0.90)
    assert 88 <= covered(low, high, 0.04) <= 93.5


def test_wald_is_kept_within_its_ends():
    found = wald(0.9, 1.0, 0.9, low=-1.0, high=1.0)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.9, 0.9 - 1.6448536, 1.0))


# --- the decile's border -------------------------------------------------------------------------------------------


def test_the_share_of_conversions_in_the_decile_is_what_the_interval_is_about():
    """Simulated leads, not simulated counts: scores rank, the decile is cut, lift 2 is covered."""
    rng, leads = np.random.default_rng(7), 2500
    # P(converted | rank u) such that the top tenth converts at twice the mean.
    truth, hits = 2.0, 0
    for _ in range(600):
        scores = rng.random(leads)
        converted = rng.random(leads) < np.where(scores >= 0.9, 0.08, 0.04 * (10 - truth) / 9)
        top = decile_membership(scores)[9]
        found = present(lift_interval(float(top @ converted), int(converted.sum()), leads, leads / 10, 0.90))
        hits += found.low <= truth <= found.high
    assert 86 <= 100 * hits / 600 <= 94
