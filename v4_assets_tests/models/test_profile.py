"""Histograms, drift and the day's statistics count what they say, whatever the batches."""

import json
import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.features.feature_statistics import FeatureStatistics, profile_rows, statistics_of
from v4_assets.models.contract import Feature, encode
from v4_assets.models.profile import Histogram, Profile, histogram_of, profile_of, psi

NAN = float("nan")
TIER = Feature("tier", "STRING", ("low", "middle", "high", "Unknown"), missing="Unknown")
COUNT = Feature("count", "INT64", low=0, high=10, missing=0)
YEARS = Feature("years", "FLOAT64", nulls="nan")
FEATURES = (TIER, COUNT, YEARS)


TYPES = {"tier": pa.string(), "count": pa.int64(), "years": pa.float64()}


def rows(tier=None, count=None, years=None) -> pa.RecordBatch:
    given_columns = {"tier": tier, "count": count, "years": years}
    return pa.record_batch(
        {name: pa.array(list(values), TYPES[name]) for name, values in given_columns.items() if values is not None}
    )


def many(size: int, seed: int = 0) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    years = rng.integers(0, 480, size) / 12
    return rows(
        rng.choice(TIER.categories, size).tolist(),
        rng.integers(0, 11, size).tolist(),
        [None if unknown else float(value) for value, unknown in zip(years, rng.random(size) < 0.1, strict=True)],
    )


def profile(batch: pa.RecordBatch) -> Profile:
    matrix = encode(FEATURES, batch)
    return profile_of([feature.name for feature in FEATURES], matrix, np.linspace(0.2, 0.8, len(matrix)))


def one(statistics: list[FeatureStatistics], feature: Feature) -> FeatureStatistics:
    return next(found for found in statistics if found.feature == feature)


# --- histograms


def test_a_bin_is_closed_above():
    counts = Histogram((1.0, 2.0), (0.2, 0.3, 0.5)).counts(np.array([0.0, 1.0, 1.0001, 2.0, 2.0001, 99.0]))
    assert counts.tolist() == [2, 2, 2]


def test_nan_is_in_no_bin():
    assert Histogram((1.0,), (0.5, 0.5)).counts(np.array([NAN, 0.0, NAN, 5.0])).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("values", "edges", "shares"),
    [
        pytest.param([3, 1, 1, 2], (1.0, 2.0), (0.5, 0.25, 0.25), id="few values have a bin each"),
        pytest.param([7, 7, 7], (), (1.0,), id="one value has the only bin"),
        pytest.param([NAN, 0, 1, 1, 1], (0.0,), (0.25, 0.75), id="NaN has no share"),
        pytest.param([], (), (0.0,), id="no value, no share"),
        pytest.param(range(10), tuple(float(edge) for edge in range(9)), (0.1,) * 10, id="as many values as bins"),
        pytest.param(range(100), tuple(10.0 * k + 9 for k in range(9)), (0.1,) * 10, id="deciles of many values"),
    ],
)
def test_the_histogram_of(values, edges, shares):
    found = histogram_of(np.array(list(values), dtype=np.float32))
    assert found.edges == edges
    assert found.shares == pytest.approx(shares)


def test_a_value_that_fills_most_of_a_column_costs_bins_and_loses_no_row():
    values = np.array([0.0] * 95 + list(range(1, 21)))
    found = histogram_of(values)
    assert found.edges[0] == 0.0
    assert found.shares[0] == pytest.approx(95 / 115)
    assert len(found.shares) == len(found.edges) + 1 < 10
    assert math.fsum(found.shares) == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=300), st.integers(1, 12))
def test_no_bin_of_a_histogram_is_empty_and_there_are_at_most_so_many(values, bins):
    found = histogram_of(np.array(values, dtype=np.float32), bins)
    assert len(found.shares) <= bins
    assert all(share > 0 for share in found.shares)
    assert list(found.edges) == sorted(set(found.edges))
    assert math.fsum(found.shares) == pytest.approx(1.0)


def test_a_profile_survives_being_written_and_read():
    made = profile(many(500))
    assert Profile.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_a_profile_counts_rows_and_different_scores():
    matrix = np.zeros((4, 1), dtype=np.float32)
    made = profile_of(["x"], matrix, np.array([0.5, 0.5, 0.25, 0.75]))
    assert (made.rows, made.distinct_scores) == (4, 3)
    assert made.score.edges == (0.25, 0.5)
    assert made.score.shares == pytest.approx([0.25, 0.5, 0.25])


# --- population stability index


def test_psi_by_hand():
    wanted = 0.25 * math.log(0.75 / 0.5) + (-0.25) * math.log(0.25 / 0.5)
    assert wanted == pytest.approx(0.274653, abs=1e-6)
    assert psi((0.5, 0.5), np.array([3, 1])) == pytest.approx(wanted)


def test_psi_by_hand_where_a_bin_was_empty_in_training():
    wanted = (0.5 - 1.0) * math.log(0.5 / 1.0) + (0.5 - 0.0001) * math.log(0.5 / 0.0001)
    assert psi((1.0, 0.0), np.array([1, 1])) == pytest.approx(wanted)


def test_psi_by_hand_where_a_bin_is_empty_on_the_day():
    wanted = (1.0 - 0.5) * math.log(1.0 / 0.5) + (0.0001 - 0.5) * math.log(0.0001 / 0.5)
    assert psi((0.5, 0.5), np.array([8, 0])) == pytest.approx(wanted)


def test_psi_of_no_rows_is_unknown():
    assert psi((0.5, 0.5), np.array([0, 0])) is None


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=10), st.integers(1, 50))
def test_psi_of_the_same_distribution_is_zero_whatever_the_number_of_rows(counts, times):
    shares = np.array(counts) / sum(counts)
    assert psi(tuple(shares), times * np.array(counts)) == pytest.approx(0.0, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=10))
def test_psi_is_never_negative(pairs):
    before, after = np.array(pairs).T + np.array([[1], [0]])
    found = psi(tuple(before / before.sum()), after)
    assert (found is None) == (after.sum() == 0)
    assert found is None or found >= -1e-12


# --- the day's statistics


def test_the_statistics_count_nulls_not_known_unknown_and_out_of_range():
    batch = rows(
        tier=["low", "Unknown", None, "huge", "odd"],
        count=[0, 10, 11, -1, None],
        years=[1.0, 2.0, None, None, 6.0],
    )
    found = statistics_of(FEATURES, profile(many(100)), [batch])
    tier, count, years = found
    assert [one.feature.name for one in found] == ["tier", "count", "years"]
    assert (tier.rows, tier.nulls, tier.not_known, tier.unknown) == (5, 1, 2, {"huge", "odd"})
    assert (count.nulls, count.not_known, count.out_of_range, count.unknown) == (1, 2, 2, set())
    assert (years.nulls, years.not_known, years.out_of_range) == (2, 2, 0)
    assert tier.missing_share == pytest.approx(0.4)
    assert count.mean == pytest.approx(20 / 4)
    assert years.mean == pytest.approx(3.0)


def test_bounds_themselves_are_in_range():
    found = statistics_of((COUNT,), profile(many(100)), [rows(count=[0, 10])])
    assert found[0].out_of_range == 0


def test_a_nan_among_the_numbers_is_in_no_bin_and_out_of_no_range():
    found = one(statistics_of(FEATURES, profile(many(100)), [rows(["low"] * 2, [1, 1], [NAN, 3.0])]), YEARS)
    assert int(found.counts.sum()) == 1
    assert found.out_of_range == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6))
def test_statistics_over_many_batches_equal_those_over_one(cuts):
    batch, trained = many(300, seed=1), profile(many(400, seed=2))
    borders = [0, *sorted(cuts), 300]
    pieces = [batch.slice(start, end - start) for start, end in pairwise(borders)]
    whole, parts = statistics_of(FEATURES, trained, [batch]), statistics_of(FEATURES, trained, pieces)
    for alone, joined in zip(whole, parts, strict=True):
        assert (joined.rows, joined.nulls, joined.not_known) == (alone.rows, alone.nulls, alone.not_known)
        assert (joined.unknown, joined.out_of_range) == (alone.unknown, alone.out_of_range)
        assert joined.counts.tolist() == alone.counts.tolist()
        assert joined.psi == alone.psi
        assert joined.mean == pytest.approx(alone.mean, rel=1e-12)


def test_statistics_do_not_depend_on_the_order_of_the_rows():
    batch, trained = many(529, seed=1), profile(many(400, seed=2))
    orders = [np.random.default_rng(seed).permutation(529) for seed in range(20)]
    found = [profile_rows(statistics_of(FEATURES, trained, [batch.take(pa.array(order))])) for order in orders]
    assert len({str(one) for one in found}) == 1


@pytest.mark.parametrize("batches", [[], [rows([], [], [])]], ids=["no batch", "a batch without rows"])
def test_the_statistics_of_an_empty_day_know_nothing(batches):
    for found in statistics_of(FEATURES, profile(many(100)), batches):
        assert (found.rows, found.nulls, found.not_known, found.out_of_range) == (0, 0, 0, 0)
        assert (found.missing_share, found.mean, found.psi) == (0.0, None, None)


@pytest.mark.parametrize("feature", [TIER, COUNT], ids=["categories", "whole numbers"])
def test_the_day_trained_on_has_not_drifted(feature):
    batch = many(5000)
    assert one(statistics_of(FEATURES, profile(batch), [batch]), feature).psi == pytest.approx(0.0, abs=1e-12)


def test_the_day_trained_on_has_not_drifted_in_a_fraction_either():
    batch = many(5000)
    assert one(statistics_of(FEATURES, profile(batch), [batch]), YEARS).psi == pytest.approx(0.0, abs=1e-12)


def test_a_feature_that_moved_is_seen_to_have_drifted():
    trained = profile(rows(["low"] * 50 + ["high"] * 50, [0] * 50 + [10] * 50, [1.0] * 100))
    day = rows(["low"] * 90 + ["high"] * 10, [0] * 50 + [10] * 50, [1.0] * 100)
    found = statistics_of(FEATURES, trained, [day])
    wanted = 0.4 * math.log(0.9 / 0.5) + (-0.4) * math.log(0.1 / 0.5)
    assert one(found, TIER).psi == pytest.approx(wanted)
    assert one(found, COUNT).psi == pytest.approx(0.0, abs=1e-12)


def test_profile_rows_hold_the_statistics_and_the_marks():
    found = statistics_of((COUNT,), profile(many(100)), [rows(count=[0, 0, 4])])
    assert profile_rows(found, prediction_date="D", retrospective=True) == [
        {
            "feature": "count",
            "row_count": 3,
            "missing_count": 2,
            "mean": pytest.approx(4 / 3),
            "psi": found[0].psi,
            "prediction_date": "D",
            "retrospective": True,
        }
    ]
