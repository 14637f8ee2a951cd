"""AUC, average precision and lift by hand, by enumeration and against scikit-learn."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from v4_assets.evaluation.intervals import Interval
from v4_assets.evaluation.metrics import (
    auc,
    auc_difference,
    auc_standard_error,
    average_precision,
    conversion_of_share,
    decile_membership,
    membership,
    top_decile_lift,
)
from v4_assets_tests.fixtures.narrow import present

LEADS = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=1, max_size=60)


def arrays(leads):
    return np.array([score for score, _ in leads], dtype=float), np.array([outcome for _, outcome in leads], dtype=bool)


def over_every_order(leads, low: Fraction, high: Fraction) -> Fraction:
    """Conversion of the slice, averaged over every order that respects the scores. Exact; up to six leads."""
    count = len(leads)
    positions = range(count)
    weights = [
        max(Fraction(0), min(Fraction(place + 1), high * count) - max(Fraction(place), low * count))
        for place in positions
    ]
    conversions = [
        sum(weight * leads[lead][1] for weight, lead in zip(weights, order, strict=True)) / ((high - low) * count)
        for order in permutations(positions)
        if all(leads[order[place]][0] <= leads[order[place + 1]][0] for place in range(count - 1))
    ]
    return sum(conversions, Fraction(0)) / len(conversions)


def test_auc_counts_the_pairs_in_the_right_order_and_ties_half():
    # Converted 0.9 and 0.5 against 0.5, 0.2 and 0.1: five pairs right, one tie, of six.
    found = auc(np.array([0.9, 0.5, 0.5, 0.2, 0.1]), np.array([True, True, False, False, False]))
    assert found == pytest.approx(5.5 / 6)


@given(LEADS)
def test_auc_equals_the_count_of_pairs_and_scikit_learn(leads):
    scores, converted = arrays(leads)
    assume(converted.any() and not converted.all())
    pairs = [
        1.0 if won > lost else 0.5 if won == lost else 0.0 for won in scores[converted] for lost in scores[~converted]
    ]
    assert auc(scores, converted) == pytest.approx(np.mean(pairs))
    assert auc(scores, converted) == roc_auc_score(converted, scores)


@pytest.mark.parametrize("outcome", [True, False], ids=["all converted", "none converted"])
def test_auc_of_one_class_is_unknown(outcome):
    assert auc(np.array([0.1, 0.2]), np.array([outcome, outcome])) is None


def test_auc_of_nobody_is_unknown():
    assert auc(np.zeros(0), np.zeros(0, dtype=bool)) is None


def test_average_precision_by_hand():
    # Conversions at ranks 1 and 3: precision 1/1 and 2/3, each for half of the recall.
    found = average_precision(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]))
    assert found == pytest.approx((1 + 2 / 3) / 2)


@given(LEADS)
def test_average_precision_equals_scikit_learn_and_is_unknown_without_conversions(leads):
    scores, converted = arrays(leads)
    wanted = average_precision_score(converted, scores) if converted.any() else None
    assert average_precision(scores, converted) == wanted


def test_lift_by_hand_without_ties():
    scores = np.arange(20) / 20
    converted = np.isin(np.arange(20), [0, 5, 18, 19])
    assert conversion_of_share(scores, converted, 0.9, 1.0) == pytest.approx(1.0)
    assert conversion_of_share(scores, converted, 0.0, 0.2) == pytest.approx(0.25)
    assert top_decile_lift(scores, converted) == pytest.approx(1.0 / 0.2)


def test_a_tie_across_the_border_enters_the_top_decile_in_proportion():
    # 20 leads, two places at the top: one for the best lead, one shared by four equals of which one converted.
    scores = np.array([0.9] + [0.8] * 4 + [0.1] * 15)
    converted = np.array([True] + [True, False, False, False] + [False] * 15)
    assert conversion_of_share(scores, converted, 0.9, 1.0) == pytest.approx((1 + 1 / 4) / 2)
    assert top_decile_lift(scores, converted) == pytest.approx((1.25 / 2) / (2 / 20))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5]), st.booleans()), min_size=1, max_size=6),
    st.sampled_from([(9, 10), (0, 2), (5, 10), (3, 7), (0, 10)]),
)
def test_fractional_credit_is_the_mean_over_every_order_of_equal_scores(leads, tenths):
    low, high = (Fraction(tenth, 10) for tenth in tenths)
    scores, converted = arrays(leads)
    found = conversion_of_share(scores, converted, float(low), float(high))
    assert found == pytest.approx(float(over_every_order(leads, low, high)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5]), st.booleans()), min_size=1, max_size=6))
def test_lift_is_the_mean_lift_over_every_order_of_equal_scores_also_below_ten_leads(leads):
    scores, converted = arrays(leads)
    assume(converted.any())
    top = over_every_order(leads, Fraction(9, 10), Fraction(1))
    base = Fraction(int(converted.sum()), len(leads))
    assert top_decile_lift(scores, converted) == pytest.approx(float(top / base), abs=1e-9)


@given(LEADS, st.integers(0, 2**32 - 1))
def test_no_metric_depends_on_the_order_of_the_rows(leads, seed):
    scores, converted = arrays(leads)
    assume(converted.any() and not converted.all())
    order = np.random.default_rng(seed).permutation(len(scores))
    assert top_decile_lift(scores[order], converted[order]) == pytest.approx(top_decile_lift(scores, converted))
    assert auc(scores[order], converted[order]) == pytest.approx(auc(scores, converted))


@given(LEADS)
def test_the_ten_deciles_together_are_all_leads(leads):
    scores, converted = arrays(leads)
    parts = [conversion_of_share(scores, converted, tenth / 10, (tenth + 1) / 10) for tenth in range(10)]
    assert None not in parts
    assert np.mean([part for part in parts if part is not None]) == pytest.approx(converted.mean())


def test_one_score_for_everybody_is_a_lift_of_one():
    assert top_decile_lift(np.full(30, 0.4), np.arange(30) < 3) == pytest.approx(1.0)


def test_the_top_decile_of_five_leads_is_half_a_lead():
    scores, converted = np.arange(5) / 5, np.array([False, False, False, False, True])
    assert conversion_of_share(scores, converted, 0.9, 1.0) == pytest.approx(1.0)
    assert top_decile_lift(scores, converted) == pytest.approx(5.0)


def test_lift_without_conversions_is_unknown_and_conversion_is_zero():
    scores, converted = np.arange(20) / 20, np.zeros(20, dtype=bool)
    assert top_decile_lift(scores, converted) is None
    assert conversion_of_share(scores, converted, 0.9, 1.0) == 0.0


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.9, 1.0), (10, 0.5, 0.5)], ids=["no lead", "no width"])
def test_conversion_of_an_empty_slice_is_unknown(count, low, high):
    assert conversion_of_share(np.zeros(count), np.zeros(count, dtype=bool), low, high) is None


# --- DeLong --------------------------------------------------------------------------------------------------------


def structural_components(scores, converted) -> tuple[list[float], list[float]]:
    """DeLong's components by their definition: every pair of a converted lead and another compared."""
    won, lost = scores[converted], scores[~converted]
    wins = [[1.0 if one > other else 0.5 if one == other else 0.0 for other in lost] for one in won]
    return [float(np.mean(row)) for row in wins], [float(np.mean(column)) for column in zip(*wins, strict=True)]


def variance(parts) -> float:
    return sum(np.var(part, ddof=1) / len(part) for part in parts)


@settings(deadline=None)
@given(LEADS)
def test_the_error_of_an_auc_is_delongs_by_definition(leads):
    scores, converted = arrays(leads)
    assume(2 <= converted.sum() <= len(converted) - 2)
    wanted = np.sqrt(variance(structural_components(scores, converted)))
    assert auc_standard_error(scores, converted) == pytest.approx(wanted)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), min_size=4, max_size=40))
def test_the_error_of_a_difference_is_delongs_by_definition(leads):
    own, other, converted = (np.array(column) for column in zip(*leads, strict=True))
    assume(2 <= converted.sum() <= len(converted) - 2)
    first, second = (structural_components(scores, converted) for scores in (own, other))
    difference = float(np.mean(first[0]) - np.mean(second[0]))
    error = np.sqrt(variance([np.subtract(*parts) for parts in zip(first, second, strict=True)]))
    assume(error > 1e-6)
    found = present(auc_difference(own, other, converted, 0.90))
    assert found.estimate == pytest.approx(difference, abs=1e-12)
    assert found.low == pytest.approx(max(-1, difference - 1.6448536 * error), abs=1e-6)
    assert found.high == pytest.approx(min(1, difference + 1.6448536 * error), abs=1e-6)


def test_the_error_of_an_auc_by_hand():
    # Converted 3 and 1 against 2 and 0: components 1, 1/2 and 1/2, 1; each variance 1/8, halved, summed, rooted.
    found = auc_standard_error(np.array([3, 1, 2, 0]), np.array([True, True, False, False]))
    assert found == pytest.approx(np.sqrt(1 / 8))


@pytest.mark.parametrize(
    "converted",
    [[True, False, False], [True, True, False], [True] * 3, [False] * 3],
    ids=["one converted", "one did not", "all", "none"],
)
def test_the_error_of_an_auc_needs_two_leads_of_each_class(converted):
    converted = np.array(converted)
    assert auc_standard_error(np.array([0.3, 0.2, 0.1]), converted) is None
    assert auc_difference(np.array([0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3]), converted, 0.9) is None


def test_scores_that_part_the_classes_have_no_error():
    assert auc_standard_error(np.arange(10), np.arange(10) >= 5) == 0.0


def test_a_version_is_not_different_from_itself():
    scores, converted = np.random.default_rng(1).random(50), np.arange(50) % 5 == 0
    assert auc_difference(scores, scores, converted, 0.9) == Interval(0.0, 0.0, 0.0)


def test_a_difference_without_error_of_its_own_is_not_given_one():
    scores, converted = np.arange(10), np.arange(10) >= 5
    assert auc_difference(scores, -scores, converted, 0.9) is None


def test_the_paired_interval_holds_the_true_difference_as_often_as_it_says():
    """Two scores that share half their noise, AUC 0.62 and 0.56, 150 conversions of 1,500 leads."""
    rng, converted, hits, histories = np.random.default_rng(3), np.arange(1500) < 150, 0, 500
    shifts, truth = np.sqrt(2) * np.array([0.30548, 0.15097]), 0.06
    for _ in range(histories):
        shared = rng.normal(size=1500)
        own, other = ((shared + rng.normal(size=1500)) / np.sqrt(2) + shift * converted for shift in shifts)
        found = present(auc_difference(own, other, converted, 0.90))
        hits += found.low <= truth <= found.high
    assert 87 <= 100 * hits / histories <= 93


# --- who is in a decile --------------------------------------------------------------------------------------------


@given(LEADS)
def test_the_top_decile_holds_exactly_a_tenth_of_the_leads_whole_or_in_part(leads):
    scores, _ = arrays(leads)
    share = membership(scores, 0.9, 1.0)
    assert share.sum() == pytest.approx(len(scores) / 10)
    assert ((share >= 0) & (share <= 1)).all()


@given(LEADS)
def test_equal_scores_have_equal_shares_and_better_ones_no_smaller(leads):
    scores, _ = arrays(leads)
    share = membership(scores, 0.9, 1.0)
    for one in range(len(scores)):
        assert (share[scores == scores[one]] == share[one]).all()
        assert (share[scores > scores[one]] >= share[one]).all()


@given(LEADS, st.integers(1, 4))
def test_every_lead_lies_in_the_deciles_exactly_once_also_within_strata(leads, count):
    scores, _ = arrays(leads)
    strata = np.arange(len(scores)) % count
    shares = decile_membership(scores, strata)
    assert shares.sum(axis=0) == pytest.approx(np.ones(len(scores)))
    for stratum in range(min(count, len(scores))):
        inside = strata == stratum
        assert shares[:, inside].sum(axis=1) == pytest.approx(np.full(10, inside.sum() / 10))
        assert shares[:, inside] == pytest.approx(decile_membership(scores[inside]))


@given(LEADS)
def test_the_top_row_of_the_deciles_is_the_top_decile(leads):
    scores, converted = arrays(leads)
    shares = decile_membership(scores)
    assert shares[9] == pytest.approx(membership(scores, 0.9, 1.0))
    if converted.any():
        assert 10 * (shares[9] @ converted) / converted.sum() == pytest.approx(top_decile_lift(scores, converted))


def test_nobody_lies_in_no_decile():
    assert decile_membership(np.zeros(0)).shape == (10, 0)
    assert membership(np.zeros(0), 0.9, 1.0).shape == (0,)


def test_strata_rank_leads_among_their_own():
    # Ten leads of a low week and ten of a high one: pooled, both places at the top go to the high week.
    scores, weeks = np.arange(20) / 20, np.repeat([0, 1], 10)
    assert np.flatnonzero(decile_membership(scores)[9]).tolist() == [18, 19]
    assert np.flatnonzero(decile_membership(scores, weeks)[9]).tolist() == [9, 19]
