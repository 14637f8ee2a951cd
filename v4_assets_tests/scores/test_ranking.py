"""Percentiles, deciles and the not-to-call flag follow their definition in every batch, ties included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.scores.scoring import deciles, deprioritized, percentiles

FEW_SCORES = st.sampled_from([0.1, 0.2, 0.30000001, 0.3, 0.9])


@st.composite
def batches(draw, scores=FEW_SCORES, largest=500):
    """Scores with many ties, and a different tie break for every lead."""
    count = draw(st.integers(0, largest))
    values = draw(st.lists(scores, min_size=count, max_size=count))
    order = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).permutation(count)
    return np.array(values, dtype=np.float32), order.astype(np.int64) - count // 2


def by_definition(scores, tie_break):
    """ceil(100 * rank / n), the rank in the strict order by (score, tie_break)."""
    count = len(scores)
    order = sorted(range(count), key=lambda lead: (scores[lead], tie_break[lead]))
    result = [0] * count
    for rank, lead in enumerate(order, start=1):
        result[lead] = (100 * rank + count - 1) // count
    return result


@settings(max_examples=150, deadline=None)
@given(batches())
def test_percentiles_are_ceil_of_100_rank_over_n_in_the_strict_order(batch):
    assert percentiles(*batch).tolist() == by_definition(*batch)


@settings(max_examples=75, deadline=None)
@given(batches(st.floats(0, 1, width=32)))
def test_percentiles_follow_their_definition_for_arbitrary_scores(batch):
    assert percentiles(*batch).tolist() == by_definition(*batch)


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 99, 100, 101, 137, 200, 500])
def test_leads_of_one_score_are_ranked_by_their_tie_break_alone(count):
    tie_break = np.random.default_rng(3).permutation(count)
    result = percentiles(np.full(count, 0.5, dtype=np.float32), tie_break)
    assert result.tolist() == [(100 * (int(place) + 1) + count - 1) // count for place in tie_break]


@settings(max_examples=75, deadline=None)
@given(batches(), st.integers(0, 2**32 - 1))
def test_a_lead_keeps_its_percentile_wherever_it_stands_in_the_batch(batch, seed):
    scores, tie_break = batch
    order = np.random.default_rng(seed).permutation(len(scores))
    assert percentiles(scores[order], tie_break[order]).tolist() == percentiles(scores, tie_break)[order].tolist()


@settings(max_examples=75, deadline=None)
@given(batches())
def test_exactly_the_floor_of_a_fifth_is_not_called(batch):
    assert int(deprioritized(percentiles(*batch)).sum()) == len(batch[0]) // 5


@settings(max_examples=75, deadline=None)
@given(batches())
def test_a_higher_score_never_has_a_lower_percentile(batch):
    scores, tie_break = batch
    ranked = percentiles(scores, tie_break)[np.lexsort((tie_break, scores))]
    assert (np.diff(ranked) >= 0).all()
    assert ranked.size == 0 or ranked[-1] == 100


def test_hundred_leads_have_hundred_percentiles_and_ten_of_each_decile():
    result = percentiles(np.arange(100) / 100, np.zeros(100, dtype=np.int64))
    assert result.tolist() == list(range(1, 101))
    assert np.bincount(deciles(result)).tolist() == [0] + [10] * 10


@pytest.mark.parametrize(("percentile", "decile"), [(1, 1), (10, 1), (11, 2), (20, 2), (90, 9), (91, 10), (100, 10)])
def test_decile_is_the_ceiling_of_a_tenth(percentile, decile):
    assert deciles(np.array([percentile])).tolist() == [decile]


def test_every_decile_is_the_ceiling_of_a_tenth_also_in_eight_bits():
    every = np.arange(1, 101)
    wanted = np.ceil(every / 10).astype(int).tolist()
    assert deciles(every).tolist() == wanted
    assert deciles(every.astype(np.int8)).tolist() == wanted


@pytest.mark.parametrize(("percentile", "not_called"), [(1, True), (20, True), (21, False), (100, False)])
def test_percentiles_up_to_20_are_not_called(percentile, not_called):
    assert deprioritized(np.array([percentile])).tolist() == [not_called]


def test_one_lead_is_the_best_of_its_day():
    assert percentiles(np.array([0.2]), np.array([7])).tolist() == [100]


def test_no_lead_is_ranked_on_an_empty_day():
    assert percentiles(np.zeros(0), np.zeros(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_nan_score_is_refused_wherever_it_stands(place):
    scores = np.array([0.1, 0.2, 0.3])
    scores[place] = np.nan
    with pytest.raises(ValueError, match="A score is NaN; only numbers can be ranked"):
        percentiles(scores, np.arange(3))
