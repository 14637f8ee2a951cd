"""A simulated version has the lift and the AUC it was given, and intervals cover what they promise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.evaluation.early_warning import Stretch
from v4_assets.evaluation.intervals import lift_bounds, logit_auc_bounds
from v4_assets.evaluation.joint_ranks import joint
from v4_assets.studies.assumptions import FALLEN, HEALTHY, TOP, Strength
from v4_assets.studies.odds import odds_of, simulate
from v4_assets.studies.simulation import Sums, cohorts, draw, leads_by_day
from v4_assets_tests.fixtures.policy_odds import CONFIGURED, FILE, GIVEN


def test_the_simulated_version_has_the_lift_and_the_auc_it_was_given():
    for version in (HEALTHY, FALLEN, Strength(3.4, 0.72)):
        days = drawn(version, days=100, leads=2100)
        whole = days.map(lambda one: one.sum(axis=1, keepdims=True))
        assert float(np.mean(whole.top / whole.conversions / TOP)) == pytest.approx(version.lift, abs=0.01)
        assert float(np.mean(whole.auc())) == pytest.approx(version.auc, abs=0.002)
        assert float(np.mean(whole.baseline_top / whole.conversions / TOP)) == pytest.approx(1.51, abs=0.01)


def drawn(version: Strength, *, days: int, leads: float, histories: int = 2000) -> Sums:
    rng = np.random.default_rng(3)
    found = joint(version, Strength(1.51, 0.599), 0.0392, correlation=0.6)
    volume = leads_by_day(rng, histories, days, leads, None)
    return draw(rng, histories, volume, np.full(days, 0.0392), [Stretch(found, days)])


@pytest.mark.parametrize("version", [HEALTHY, FALLEN], ids=["healthy", "fallen"])
def test_intervals_cover_what_they_promise_in_the_simulated_world(version):
    whole = drawn(version, days=77, leads=350).map(lambda one: one.sum(axis=1, keepdims=True))
    low, high = logit_auc_bounds(whole.auc(), whole.auc_se(), 0.90)
    assert ((low <= version.auc) & (version.auc <= high)).mean() == pytest.approx(0.90, abs=0.03)
    low, high = lift_bounds(whole.top, whole.conversions, whole.leads, TOP * whole.leads, 0.90)
    assert ((low <= version.lift) & (version.lift <= high)).mean() == pytest.approx(0.91, abs=0.03)


@pytest.mark.parametrize(
    "strength", [Strength(10.0, 0.9), Strength(2.0, 0.99), Strength(3.0, 0.2), Strength(-1.0, 0.5)]
)
def test_a_ranking_that_cannot_be_is_refused(strength):
    with pytest.raises(ValueError, match=r"No (smooth )?ranking has a top-decile lift of"):
        joint(strength, HEALTHY, 0.04, correlation=0.6)


@pytest.mark.parametrize("shape", ["smooth", "step"])
def test_every_shape_of_scores_has_the_lift_and_the_auc(shape):
    found = joint(HEALTHY, Strength(1.51, 0.599), 0.0392, correlation=0.6, shape=shape)
    own, theirs = found.cells.sum(axis=1), found.cells.sum(axis=0)
    middles = found.middles[0]
    for margin, strength in ((own, HEALTHY), (theirs, Strength(1.51, 0.599))):
        assert margin[180:].sum() == pytest.approx(strength.top, abs=1e-4)
        assert (margin @ middles - 0.0392 / 2) / (1 - 0.0392) == pytest.approx(strength.auc, abs=1e-4)


def test_the_same_seed_gives_the_same_odds():
    few = replace(GIVEN, histories=200)
    one, same = (simulate(few, FILE.policy, FILE.evaluation, model_error=False) for _ in range(2))
    assert one == same
    other = replace(few, seed=12)
    assert odds_of(few, CONFIGURED) != odds_of(other, CONFIGURED)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=30, max_size=30), min_size=1, max_size=3),
    st.integers(0, 40),
    st.integers(1, 8),
    st.integers(8, 40),
    st.integers(0, 29),
)
def test_a_cohort_is_the_shortest_that_holds_enough(conversions, needed, shortest, longest, end):
    counts = np.array(conversions)
    zero = np.zeros_like(counts)
    days = Sums(np.ones((1, 30)), counts, zero, zero, zero, zero, zero, zero)
    found = cohorts(days, np.array([end]), needed, shortest, longest)
    for history in range(len(counts)):
        length = min(shortest, end + 1)
        while length < min(longest, end + 1) and counts[history, end + 1 - length : end + 1].sum() < needed:
            length += 1
        assert found.leads[history, 0] == length
        assert found.conversions[history, 0] == counts[history, end + 1 - length : end + 1].sum()
