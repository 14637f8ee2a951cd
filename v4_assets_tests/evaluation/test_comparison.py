"""From a cohort to evidence: by hand, against scikit-learn and brute force, and where little or nothing can be said."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from v4_assets import sql
from v4_assets.evaluation.checks import COHORT_SOUND, RANKINGS_AGREE
from v4_assets.evaluation.checks import judge as check
from v4_assets.evaluation.cohorts import Cohort, Reach
from v4_assets.evaluation.comparison import (
    Occasion,
    Served,
    as_served_lift,
    compare,
    served,
    was_called,
    week_of,
)
from v4_assets.evaluation.evidence import Artifact, Evidence
from v4_assets.evaluation.intervals import bonett_price_lift_difference, lift_interval, logit_auc_interval, wilson
from v4_assets.evaluation.metrics import (
    auc_difference,
    auc_standard_error,
    decile_membership,
    membership,
    top_change,
    top_change_by_chance,
    top_decile_lift,
)
from v4_assets_tests.fixtures.cohort_worlds import BASELINE, CANDIDATE, evaluation
from v4_assets_tests.fixtures.narrow import present

DAY, MONDAY = date(2026, 1, 12), date(2025, 11, 17)
A, B = Artifact("a" * 64, "1" * 64), Artifact("b" * 64, "2" * 64)
OCCASION = Occasion(DAY, False, BASELINE, 0.90, {}, (), {})
LEADS = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.sampled_from([0.3, 0.4, 0.8]), st.booleans()), max_size=60
)


def made(*columns, days=None, deciles=None, deprioritize=None, retrospective=None):
    """A cohort and two versions' scores of it, from scores of each and outcomes."""
    own, baseline, converted = (np.asarray(column) for column in columns)
    count = len(converted)
    contacted = np.array(
        [MONDAY + timedelta(days=int(day)) for day in ([0] * count if days is None else days)], dtype="datetime64[D]"
    )
    cohort = Cohort(
        reach=Reach(MONDAY, MONDAY + timedelta(days=12)),
        contacted_on=contacted,
        scored_on=contacted + np.timedelta64(1, "D"),
        converted=converted.astype(bool),
        rows={},
        uncovered=3,
        converted_before_scored=2,
        called_before_contact=1,
    )
    nothing = np.zeros(count, dtype=bool)
    one = Served(
        own.astype(float),
        np.array(deciles if deciles is not None else [5] * count, dtype=int),
        np.array(deprioritize, dtype=bool) if deprioritize is not None else nothing,
        np.array(retrospective, dtype=bool) if retrospective is not None else nothing,
        frozenset({A}),
    )
    return cohort, {BASELINE: replace(one, score=baseline.astype(float), artifacts=frozenset({B})), CANDIDATE: one}


def judged(cohort, versions, occasion=OCCASION):
    found = compare(occasion, "rollback", cohort, versions)
    return {one.evidence.version: one for one in found}


def of_normal(seed=1, count=2000, rate=0.05, shift=0.6):
    rng = np.random.default_rng(seed)
    converted = rng.random(count) < rate
    noise = rng.normal(size=count)
    return noise + shift * converted, 0.5 * noise + rng.normal(size=count) + 0.3 * converted, converted


# --- figures -------------------------------------------------------------------------------------------------------


def test_every_figure_is_the_metric_of_its_name():
    own, baseline, converted = of_normal()
    cohort, versions = made(own, baseline, converted)
    row = judged(cohort, versions)[CANDIDATE].evidence
    count, conversions = len(own), int(converted.sum())
    top, other = (np.isin(np.arange(count), np.argsort(-scores)[: count // 10]) for scores in (own, baseline))
    assert (row.leads, row.conversions, row.top_leads) == (count, conversions, count / 10)
    assert row.top_conversions == pytest.approx((top & converted).sum())
    lift = present(lift_interval((top & converted).sum(), conversions, count, count / 10, 0.90))
    assert (row.lift, row.lift_low, row.lift_high) == pytest.approx((lift.estimate, lift.low, lift.high))
    rate = present(wilson((top & converted).sum(), count / 10, 0.90))
    found = (row.top_decile_conversion, row.top_decile_conversion_low, row.top_decile_conversion_high)
    assert found == pytest.approx((rate.estimate, rate.low, rate.high))
    assert row.base_rate == pytest.approx(converted.mean())
    assert row.auc == pytest.approx(roc_auc_score(converted, own))
    assert row.auc_se == pytest.approx(auc_standard_error(own, converted))
    area = present(logit_auc_interval(row.auc, row.auc_se, 0.90))
    assert (row.auc_low, row.auc_high) == pytest.approx((area.low, area.high))
    own_only, other_only = (top & ~other & converted).sum(), (other & ~top & converted).sum()
    assert (row.only_own_top, row.only_baseline_top) == pytest.approx((own_only, other_only))
    difference = present(bonett_price_lift_difference(own_only, other_only, conversions, count, count / 10, 0.90))
    found = (row.lift_difference, row.lift_difference_low, row.lift_difference_high)
    assert found == pytest.approx((difference.estimate, difference.low, difference.high))
    paired = present(auc_difference(own, baseline, converted, 0.90))
    found = (row.auc_difference, row.auc_difference_low, row.auc_difference_high)
    assert found == pytest.approx((paired.estimate, paired.low, paired.high))


def test_the_cohorts_own_figures_are_the_same_for_both_versions():
    cohort, versions = made(*of_normal(), retrospective=np.arange(2000) < 500)
    occasion = replace(OCCASION, call_days=(MONDAY, DAY - timedelta(days=3)), churn={CANDIDATE: 0.25})
    rows = judged(cohort, versions, occasion)
    for row in (one.evidence for one in rows.values()):
        assert (row.cohort_from, row.cohort_to) == (cohort.reach.first, cohort.reach.last)
        assert (row.uncovered, row.converted_before_scored, row.called_before_contact) == (3, 2, 1)
        assert row.live_share == pytest.approx(0.75)
        assert row.longest_silence_days == (DAY - timedelta(days=3) - MONDAY).days - 1
    assert (rows[CANDIDATE].evidence.top_decile_churn, rows[BASELINE].evidence.top_decile_churn) == (0.25, None)
    named = {version: (row.evidence.model_sha256, row.evidence.bundle_sha256) for version, row in rows.items()}
    assert named == {CANDIDATE: A, BASELINE: B}


def test_the_baseline_is_compared_with_nobody():
    row = judged(*made(*of_normal()))[BASELINE].evidence
    names = ("only_own_top", "only_baseline_top", "lift_difference", "lift_difference_low", "auc_difference_high")
    assert {getattr(row, name) for name in names} == {None}
    assert row.lift == pytest.approx(top_decile_lift(*of_normal()[1:]))


@settings(deadline=None)
@given(LEADS)
def test_the_parts_of_a_difference_add_up_whatever_the_ties(leads):
    own, baseline, converted = (np.array(column) for column in zip(*leads, strict=True)) if leads else ([], [], [])
    rows = judged(*made(own, baseline, converted))
    row, other = rows[CANDIDATE].evidence, rows[BASELINE].evidence
    assert row.only_own_top - row.only_baseline_top == pytest.approx(row.top_conversions - other.top_conversions)
    assert 0 <= row.only_own_top <= row.top_conversions + 1e-9
    if row.conversions:
        assert row.lift_difference == pytest.approx(row.lift - other.lift)
        assert row.lift == pytest.approx(top_decile_lift(np.array(own), np.array(converted, dtype=bool)))
    else:
        assert (row.lift, row.lift_difference, row.within_week_lift, row.as_served_lift) == (None,) * 4


# --- where little can be said --------------------------------------------------------------------------------------


def test_without_leads_only_the_counts_are_known():
    rows = judged(*made([], [], []))
    row = rows[CANDIDATE].evidence
    assert (row.leads, row.conversions, row.top_leads, row.top_conversions) == (0, 0, 0.0, 0.0)
    assert {row.base_rate, row.live_share, row.lift, row.top_decile_conversion, row.auc, row.called_lift} == {None}
    assert {one["conversion_rate"] for one in rows[CANDIDATE].deciles} == {None}
    assert len(rows[CANDIDATE].deciles) == 30


def test_without_conversions_the_decile_converts_at_nothing_and_lift_is_unknown():
    row = judged(*made(np.arange(50), np.arange(50), np.zeros(50)))[CANDIDATE].evidence
    assert (row.conversions, row.top_decile_conversion, row.base_rate) == (0, 0.0, 0.0)
    assert row.top_decile_conversion_high == pytest.approx(present(wilson(0, 5, 0.90)).high)
    assert {row.lift, row.lift_high, row.auc, row.auc_se, row.lift_difference, row.auc_difference} == {None}


def test_where_everybody_converted_lift_is_one_and_the_area_unknown():
    row = judged(*made(np.arange(50), np.arange(50), np.ones(50)))[CANDIDATE].evidence
    assert (row.lift, row.top_decile_conversion) == (pytest.approx(1.0), pytest.approx(1.0))
    assert {row.auc, row.auc_low, row.auc_se, row.auc_difference} == {None}


def test_of_fewer_than_ten_leads_the_top_is_part_of_one():
    row = judged(*made([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [0, 0, 0, 0, 1]))[CANDIDATE].evidence
    assert (row.top_leads, row.top_conversions) == (0.5, pytest.approx(0.5))
    assert row.lift == pytest.approx(5.0)
    assert (row.only_own_top, row.only_baseline_top) == (pytest.approx(0.5), pytest.approx(0.0))


def test_one_score_for_everybody_is_a_lift_of_one_and_an_area_of_one_half():
    row = judged(*made(np.full(40, 0.3), np.arange(40), np.arange(40) < 4))[CANDIDATE].evidence
    assert (row.lift, row.auc, row.auc_low, row.auc_high) == pytest.approx((1.0, 0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Artifact("c" * 64, "d" * 64), id="another booster"),
        pytest.param(Artifact("a" * 64, "d" * 64), id="the same booster with another list"),
        pytest.param(Artifact("a" * 64, None), id="the same booster with an unknown list"),
    ],
)
def test_several_artifacts_are_named_as_none(other):
    cohort, versions = made(*of_normal(count=100))
    versions[CANDIDATE] = replace(versions[CANDIDATE], artifacts=frozenset({A, other}))
    row = judged(cohort, versions)[CANDIDATE].evidence
    assert (row.model_sha256, row.bundle_sha256) == (None, None)


# --- other rankings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param(MONDAY, MONDAY + timedelta(days=6), True, id="monday-and-sunday"),
        pytest.param(MONDAY, MONDAY - timedelta(days=1), False, id="sunday-before"),
        pytest.param(date(2025, 12, 31), date(2026, 1, 1), True, id="across-the-year"),
        pytest.param(date(2026, 12, 31), date(2027, 1, 3), True, id="week-53"),
        pytest.param(date(1969, 12, 29), date(1970, 1, 4), True, id="the-first-week"),
    ],
)
def test_weeks_begin_on_monday(first, second, same):
    weeks = week_of(np.array([first, second], dtype="datetime64[D]"))
    assert (weeks[0] == weeks[1]) == same == (first.isocalendar()[:2] == second.isocalendar()[:2])


def test_ranking_within_the_week_undoes_a_shift_of_the_scores():
    own, baseline, converted = of_normal(count=4000)
    weeks = np.repeat([0, 1], 2000)
    plain = judged(*made(own, baseline, converted, days=7 * weeks))[CANDIDATE].evidence
    row = judged(*made(own + 5 * weeks, baseline, converted, days=7 * weeks))[CANDIDATE].evidence
    assert row.within_week_lift == pytest.approx(plain.within_week_lift)
    of_second = top_decile_lift(np.where(weeks == 1, own, -99), converted)
    assert row.lift == pytest.approx(of_second)
    assert plain.within_week_lift == pytest.approx(
        10 * sum((membership(own[weeks == one], 0.9, 1) @ converted[weeks == one]) for one in (0, 1)) / converted.sum()
    )


def test_the_served_decile_counts_as_it_was_served():
    deciles = [10] * 4 + [1] * 16
    converted = [1, 1, 0, 0] + [1] + [0] * 15
    row = judged(*made(np.arange(20), np.arange(20), converted, deciles=deciles))[CANDIDATE]
    assert row.evidence.as_served_lift == pytest.approx((2 / 4) / (3 / 20))
    served_rows = {one["decile"]: one for one in row.deciles if one["ranking"] == "as_served"}
    assert (served_rows[10]["leads"], served_rows[10]["conversions"], served_rows[1]["leads"]) == (4.0, 2.0, 16.0)
    assert (served_rows[5]["leads"], served_rows[5]["conversion_rate"], served_rows[5]["lift"]) == (0.0, None, None)


def test_nobody_served_at_the_top_is_no_lift():
    cohort, versions = made([1, 2], [1, 2], [1, 0])
    assert as_served_lift(versions[CANDIDATE], cohort.converted) is None


def test_leads_the_live_version_deprioritised_were_not_called():
    deprioritize = [True, False] * 20
    cohort, versions = made(np.arange(40), np.arange(40), np.arange(40) % 4 == 1, days=[0] * 20 + [1] * 20)
    versions[CANDIDATE] = replace(versions[CANDIDATE], deprioritize=np.array(deprioritize))
    live = {MONDAY + timedelta(days=1): BASELINE, MONDAY + timedelta(days=2): CANDIDATE}
    called = was_called(cohort, versions, live)
    assert called[:20].all()
    assert called[20:].tolist() == [False, True] * 10
    row = judged(cohort, versions, replace(OCCASION, live=live))[CANDIDATE].evidence
    assert row.called_lift == pytest.approx(top_decile_lift(np.arange(40)[called], cohort.converted[called]))


@pytest.mark.parametrize("live", [{}, {MONDAY + timedelta(days=1): "v3.0.0"}], ids=["nobody known", "another version"])
def test_without_a_known_live_version_nobody_is_said_to_have_been_called(live):
    cohort, versions = made(*of_normal(count=100))
    row = judged(cohort, versions, replace(OCCASION, live=live))[CANDIDATE].evidence
    assert row.called_lift is None


@settings(deadline=None, max_examples=50)
@given(LEADS.filter(bool))
def test_the_deciles_of_every_ranking_hold_all_leads_and_conversions(leads):
    own, baseline, converted = (np.array(column) for column in zip(*leads, strict=True))
    for one in judged(*made(own, baseline, converted, days=[i % 9 for i in range(len(own))])).values():
        for ranking in ("cohort", "within_week", "as_served"):
            rows = [row for row in one.deciles if row["ranking"] == ranking]
            assert [row["decile"] for row in rows] == list(range(1, 11))
            assert sum(row["leads"] for row in rows) == pytest.approx(len(own))
            assert sum(row["conversions"] for row in rows) == pytest.approx(converted.sum())
        top = next(row for row in one.deciles if (row["ranking"], row["decile"]) == ("cohort", 10))
        assert top["conversion_rate"] == pytest.approx(one.evidence.top_decile_conversion)
        assert (top["lift"] is None) == (one.evidence.lift is None)
        if top["lift"] is not None:
            assert top["lift"] == pytest.approx(one.evidence.lift)


# --- rows and checks -----------------------------------------------------------------------------------------------


def test_rows_have_the_columns_of_their_tables():
    one = judged(*made(*of_normal(count=100)))[CANDIDATE]
    assert list(one.row) != []
    assert set(one.row) == {column.name for column in sql.load("lift_comparison").columns}
    assert {frozenset(row) for row in one.deciles} == {
        frozenset(column.name for column in sql.load("lift_by_decile").columns)
    }
    assert Evidence.from_row(one.row) == one.evidence


def test_scores_are_taken_in_the_order_of_the_cohort():
    import pyarrow as pa

    table = pa.table(
        {
            "score": [0.1, 0.2, 0.3],
            "decile": [1, 2, 3],
            "deprioritize": [True, False, False],
            "retrospective": [False, True, False],
            "model_sha256": ["x", "y", "x"],
            "scored_on": [MONDAY, MONDAY, DAY],
        }
    )
    x, y, z = Artifact("x", "1"), Artifact("y", "2"), Artifact("x", "3")
    found = served(table, np.array([2, 0]), {MONDAY: {x, y}, DAY: {x}})
    assert (found.score.tolist(), found.decile.tolist()) == ([0.3, 0.1], [3, 1])
    assert found.artifacts == {x}
    assert served(table, np.array([2, 0]), {MONDAY: {x, y}, DAY: {z}}).artifacts == {x, z}
    assert (found.deprioritize.tolist(), found.retrospective.tolist()) == ([False, True], [False, False])


def findings(cohort, versions, **numbers):
    rows = [one.row for one in judged(cohort, versions).values()]
    return {one.check: one for one in check(rows, evaluation(**numbers))}


def test_a_sound_cohort_says_how_large_it_is():
    cohort, versions = made(*of_normal())
    occasion = replace(OCCASION, call_days=tuple(MONDAY + timedelta(days=day) for day in range(60)))
    rows = [one.row for one in judged(cohort, versions, occasion).values()]
    found = check(rows, evaluation())[0]
    conversions = int(cohort.converted.sum())
    assert (found.check, found.passed) == (COHORT_SOUND, True)
    assert found.actual == f"rollback: {conversions} conversions among 2000 leads"


@pytest.mark.parametrize(
    ("change", "numbers", "said"),
    [
        ({}, {"rollback": 9999}, "conversions"),
        ({"uncovered": 999}, {}, "no score in time"),
    ],
    ids=["few", "uncovered"],
)
def test_what_a_cohort_lacks_is_named(change, numbers, said):
    cohort, versions = made(*of_normal())
    found = findings(replace(cohort, **change), versions, **(numbers))[COHORT_SOUND]
    assert not found.passed
    assert len(found.details) == 2
    assert said in found.details[0]
    assert found.details[0].startswith("rollback, v4.0.0: ")


def test_no_evidence_is_no_sound_cohort():
    sound, agree = check([], evaluation())
    assert (sound.passed, sound.actual, agree.passed) == (False, "no cohort", True)


def shifted(seed: int, sd: float, weeks: int = 11, a_week: int = 350):
    """Weeks of leads at 3.92 %, lift about 2 within a week, the level of the scores drifting from week to week."""
    rng = np.random.default_rng(seed)
    week = np.repeat(np.arange(weeks), a_week)
    score = rng.normal(size=len(week))
    chance = np.exp(0.42 * score)
    converted = rng.random(len(week)) < 0.0392 * chance / chance.mean()
    level = rng.normal(scale=sd, size=weeks)[week]
    days = (7 * week).tolist()
    return made(score + level, score, converted, days=days)


@pytest.mark.extended
@pytest.mark.parametrize("a_week", [40, 350], ids=["a few a week", "the firm's volume"])
@pytest.mark.parametrize(
    ("sd", "told_at_least", "told_at_most"), [(0.0, 0, 2), (0.6, 90, 100)], ids=["steady", "shifting"]
)
def test_scores_that_shift_are_told_and_steady_ones_are_not(sd, told_at_least, told_at_most, a_week):
    cohorts = 40
    warned = sum(not findings(*shifted(seed, sd, a_week=a_week))[RANKINGS_AGREE].passed for seed in range(cohorts))
    assert told_at_least - (15 if a_week < 100 else 0) <= 100 * warned / cohorts <= told_at_most


def test_chance_is_what_the_change_comes_to_when_every_week_is_alike():
    rng = np.random.default_rng(5)
    weeks = np.repeat(np.arange(8), [20, 50, 100, 200, 350, 350, 350, 80])
    changes: list[Any] = []
    for _ in range(100):
        scores = rng.random(len(weeks))
        changes.append(top_change(decile_membership(scores), decile_membership(scores, weeks)))
    assert top_change_by_chance(weeks) == pytest.approx(np.mean(changes), abs=0.01)


def test_one_week_alone_changes_nothing():
    row = judged(*made(*of_normal(count=100)))[CANDIDATE]
    assert (row.top_change, row.top_change_by_chance) == (0.0, 0.0)
    assert (top_change_by_chance(np.zeros(0)), top_change(np.zeros((10, 0)), np.zeros((10, 0)))) == (None, None)


def test_a_shift_names_how_much_changes_and_both_lifts():
    found = findings(*shifted(2, 0.6))[RANKINGS_AGREE]
    [said] = found.details
    assert said.startswith("rollback, v4.1.0: ")
    assert "% of the top decile changes, 6% by chance; lift " in said
    assert found.expected == "at most 10%"
