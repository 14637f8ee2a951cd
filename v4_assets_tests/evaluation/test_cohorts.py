"""Which leads judge the versions: by hand at every border, and on random worlds as the plain-Python reference says."""

import json
import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from v4_assets import sql, tables
from v4_assets.clock import cutoff
from v4_assets.errors import V4Error
from v4_assets.evaluation.cohorts import LATE_DAYS, Reach, entries, first_contact, longest_silence, widest
from v4_assets.evaluation.lead_flow import left_out, silences
from v4_assets.sql import Query
from v4_assets_tests.fixtures.cohort_worlds import (
    BASELINE,
    CANDIDATE,
    VERSIONS,
    WINDOW_DAYS,
    CohortWarehouse,
    CohortWorld,
    Lead,
    Left,
    at,
    cohort_warehouse,
    evaluation,
    new_york,
    random_world,
    reference_cohort,
    score_day,
    silence,
)
from v4_assets_tests.fixtures.narrow import embedded

DAY = date(2026, 1, 12)
MATURED = date(2025, 11, 29)
"""The last day of contact that can be judged on DAY."""
SPRING, AUTUMN = date(2025, 4, 20), date(2025, 12, 10)
"""Days of evaluation with a change of clocks between contact and call."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CohortWarehouse]:
    made = cohort_warehouse(tmp_path_factory.mktemp("cohorts"))
    with made.warehouse.session():
        yield made


def judged(
    cohorts: CohortWarehouse, world: CohortWorld, day: date = DAY, versions: tuple[str, ...] = VERSIONS, **numbers: Any
) -> dict:
    """The rows of the day's comparison by question and version, of a freshly filled warehouse."""
    changed = cohorts.rollout.model_copy(update={"evaluation": evaluation(**numbers)})
    cohorts = replace(cohorts, rollout=changed)
    cohorts.fill(world)
    found = cohorts.evaluator(day, versions).compare()
    return {(one.evidence.question, one.evidence.version): one.evidence for one in found}


def left(row) -> Left:
    return Left(row.uncovered, row.converted_before_scored, row.called_before_contact)


def scored(leads: list[Lead], day: date = DAY, skip: dict[date, str] | None = None, without: Collection[date] = ()):
    """A world in which these leads were listed and scored on every day, the last one excepted."""
    world, rng = CohortWorld(leads), random.Random(1)
    rng.random = lambda: 0.5  # type: ignore[method-assign] # nobody is left out by chance
    for offset in range(75):
        listed_on = day - timedelta(days=70 - offset)
        if listed_on not in without and listed_on <= day:
            score_day(world, rng, listed_on, retrospective=False, skip=(skip or {}).get(listed_on))
    return world


def lead(contacted: datetime, called: datetime | None = None, number: int = 1, **more) -> Lead:
    return Lead(f"00Q{number:015d}", [contacted], called, **more)


# --- random worlds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", [DAY, SPRING, AUTUMN], ids=["winter", "clocks go forward", "clocks go back"])
@pytest.mark.parametrize("seed", range(8))
def test_the_cohort_is_what_the_reference_says(shared, day, seed):
    rng = random.Random(f"{day} {seed}")
    sizes: dict[str, Any] = {"promotion": rng.choice((0, 3, 8, 999)), "rollback": rng.choice((1, 4, 12))}
    sizes["min_days"] = rng.choice((1, 7))
    numbers = evaluation(**sizes, label_lag_days=rng.choice((0, 2)))
    world = random_world(rng, day, numbers)
    rows = judged(shared, world, day, **sizes, label_lag_days=numbers.label_lag_days)
    for question in ("promotion", "rollback"):
        first, members, others = reference_cohort(world, day, numbers, sizes[question])
        converted = [one.converted for one in members]
        for version in VERSIONS:
            row = rows[question, version]
            assert (row.cohort_from, row.leads, row.conversions) == (first, len(members), sum(converted))
            assert left(row) == others
            assert row.longest_silence_days == silence(world, day, first)
            scores = [world.scores[version][one.scored_on, one.lead.lead_id] for one in members]
            if members:
                assert row.live_share == pytest.approx(1 - np.mean([one.retrospective for one in scores]))
            if 0 < sum(converted) < len(members):
                assert row.auc == pytest.approx(roc_auc_score(converted, [one.score for one in scores]))


@pytest.mark.parametrize("seed", range(6))
def test_with_silent_days_the_cohort_is_the_one_without_those_contact_days(shared, seed):
    rng = random.Random(f"silent {seed}")
    numbers = evaluation(promotion=8, rollback=4, silent_calls=1.5)
    world = random_world(rng, DAY, numbers, leads=90)
    for one in world.leads:
        if one.called and date(2025, 11, 26) <= new_york(one.called) <= date(2025, 12, 8):
            one.called = None
    rows = judged(shared, world, promotion=8, rollback=4, silent_calls=1.5)
    reach = widest(DAY, WINDOW_DAYS, numbers)
    # lead_outcomes holds the calls from the first contact day of the widest cohort on.
    called = Counter(
        new_york(one.called)
        for one in world.leads
        if one.called and one.called < cutoff(DAY) and new_york(one.called) >= reach.first
    )
    silent = left_out(silences(called, reach.first, DAY - timedelta(days=1), 1.5, ()))
    assert silent
    for question, minimum in (("promotion", 8), ("rollback", 4)):
        first, members, others = reference_cohort(world, DAY, numbers, minimum, silent=silent)
        row = rows[question, CANDIDATE]
        assert (row.cohort_from, row.leads, left(row)) == (first, len(members), others)
        assert row.silent_days == sum(row.cohort_from <= day <= row.cohort_to for day in silent)


def test_a_lead_with_two_rows_is_an_error():
    leads = pa.table({"lead_id": ["a", "a"], "contacted_on": [DAY] * 2, "called_on": pa.nulls(2, pa.date32())})
    with pytest.raises(V4Error, match="1 leads of the cohort have more than one row, the first is a; expected one"):
        entries(leads, {}, [], WINDOW_DAYS)


def test_one_version_alone_is_judged_on_its_own_leads(shared):
    rng = random.Random("alone")
    world = random_world(rng, DAY, evaluation())
    rows = judged(shared, world, versions=(CANDIDATE,))
    first, members, others = reference_cohort(world, DAY, evaluation(), 4, (CANDIDATE,))
    row = rows["rollback", CANDIDATE]
    assert set(rows) == {("promotion", CANDIDATE), ("rollback", CANDIDATE)}
    assert (row.cohort_from, row.leads, left(row)) == (first, len(members), others)
    assert (row.only_own_top, row.lift_difference) == (None, None)


# --- borders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contacted", "called", "converted"),
    [
        pytest.param(at(MATURED), None, 0, id="never"),
        pytest.param(at(MATURED), at(MATURED + timedelta(days=1), 0, 0), 1, id="at-the-first-cutoff"),
        pytest.param(at(MATURED), at(MATURED + timedelta(days=43), 23, 59), 1, id="last-minute-of-day-43"),
        pytest.param(at(MATURED, 0, 0), at(MATURED + timedelta(days=43), 23, 59), 1, id="longest-window-in-hours"),
        pytest.param(at(MATURED, 23, 59), at(MATURED + timedelta(days=44), 0, 0), 0, id="day-44-unknown-to-the-day"),
        pytest.param(at(MATURED - timedelta(days=1), 23, 59), at(MATURED + timedelta(days=43)), 0, id="day-44"),
    ],
)
def test_a_lead_converts_within_43_new_york_days_as_known_before_the_cutoff(shared, contacted, called, converted):
    rows = judged(shared, scored([lead(contacted, called)]))
    assert (rows["rollback", CANDIDATE].leads, rows["rollback", CANDIDATE].conversions) == (1, converted)


@pytest.mark.parametrize("day", [date(2025, 4, 20), date(2025, 12, 14)], ids=["23-hour-day", "25-hour-day"])
@pytest.mark.parametrize(("days", "converted"), [(43, 1), (44, 0)])
def test_days_are_counted_by_the_calendar_when_clocks_change(shared, day, days, converted):
    contacted = day - timedelta(days=45)
    rows = judged(shared, scored([lead(at(contacted, 23, 59), at(contacted + timedelta(days=days), 0, 0))], day), day)
    assert (rows["rollback", CANDIDATE].leads, rows["rollback", CANDIDATE].conversions) == (1, converted)


@pytest.mark.parametrize(
    ("contacted", "leads"),
    [
        pytest.param(at(MATURED, 23, 59), 1, id="last-minute-of-the-last-day"),
        pytest.param(at(MATURED + timedelta(days=1), 0, 0), 0, id="one-minute-later"),
        pytest.param(at(MATURED - timedelta(days=13), 0, 0), 1, id="first-minute-of-the-longest-cohort"),
        pytest.param(at(MATURED - timedelta(days=14), 23, 59), 0, id="one-minute-earlier"),
    ],
)
def test_a_cohort_ends_44_days_before_and_reaches_no_further_than_allowed(shared, contacted, leads):
    row = judged(shared, scored([lead(contacted)]))["rollback", CANDIDATE]
    assert (row.leads, row.cohort_to) == (leads, MATURED)


def test_a_label_lag_moves_the_cohort_back(shared):
    row = judged(shared, scored([lead(at(MATURED))]), label_lag_days=3)["rollback", CANDIDATE]
    assert (row.leads, row.cohort_to) == (0, MATURED - timedelta(days=3))


@pytest.mark.parametrize(
    ("missing", "leads", "uncovered"), [(0, 1, 0), (2, 1, 0), (3, 0, 1)], ids=["every day", "third day", "fourth day"]
)
def test_a_first_score_is_dated_at_most_three_days_after_contact(shared, missing, leads, uncovered):
    contacted = MATURED - timedelta(days=5)
    without = {contacted + timedelta(days=age) for age in range(1, missing + 1)}
    row = judged(shared, scored([lead(at(contacted))], without=without), min_days=7)["rollback", CANDIDATE]
    assert (row.leads, left(row)) == (leads, Left(uncovered=uncovered))


# --- awkward leads -------------------------------------------------------------------------------------------------


def test_a_lead_one_version_did_not_score_counts_for_neither(shared):
    contacted = MATURED - timedelta(days=5)
    skip = {contacted + timedelta(days=age): CANDIDATE for age in (1, 2, 3)}
    rows = judged(shared, scored([lead(at(contacted))], skip=skip), min_days=7)
    assert {(row.leads, left(row)) for row in rows.values()} == {(0, Left(uncovered=1))}


def test_the_first_score_is_the_first_by_both_versions(shared):
    contacted = MATURED - timedelta(days=5)
    world = scored([lead(at(contacted))], skip={contacted + timedelta(days=1): CANDIDATE})
    rows = judged(shared, world, min_days=7)
    assert {row.leads for row in rows.values()} == {1}


@pytest.mark.parametrize(
    ("days", "wanted"),
    [
        pytest.param(0, Left(converted_before_scored=1), id="same-day"),
        pytest.param(-1, Left(called_before_contact=1), id="the-day-before"),
        pytest.param(1, Left(), id="first-scored-morning"),
    ],
)
def test_a_call_too_early_to_be_foreseen_is_counted_apart(shared, days, wanted):
    contacted = MATURED - timedelta(days=5)
    row = judged(shared, scored([lead(at(contacted), at(contacted + timedelta(days=days)))]), min_days=7)
    assert left(row["rollback", CANDIDATE]) == wanted
    assert row["rollback", CANDIDATE].conversions == (1 if wanted == Left() else 0)


def test_a_call_before_the_first_scores_of_a_sparse_week_is_no_missing_score(shared):
    contacted = MATURED - timedelta(days=5)
    without = {contacted + timedelta(days=age) for age in (1, 2)}
    others = lead(at(contacted - timedelta(days=100)), number=2)
    world = scored([lead(at(contacted), at(contacted + timedelta(days=2))), others], without=without)
    assert left(judged(shared, world, min_days=7)["rollback", CANDIDATE]) == Left(converted_before_scored=1)


def test_a_call_entered_late_takes_a_lead_out_that_was_scored_meanwhile(shared):
    contacted = MATURED - timedelta(days=5)
    world = scored([lead(at(contacted))])
    world.leads[0].called = at(contacted + timedelta(days=1), 9)
    del world.listed[contacted + timedelta(days=1), world.leads[0].lead_id]
    assert left(judged(shared, world, min_days=7)["rollback", CANDIDATE]) == Left(converted_before_scored=1)


def test_a_second_contact_leaves_a_lead_in_its_first_cohort(shared):
    first = MATURED - timedelta(days=9)
    twice = lead(at(first), at(first + timedelta(days=20)))
    twice.contacts.append(at(first + timedelta(days=6)))
    row = judged(shared, scored([twice]), min_days=14)["rollback", CANDIDATE]
    assert (row.leads, row.conversions, left(row)) == (1, 1, Left())
    assert judged(shared, scored([twice]), min_days=1, rollback=0)["rollback", CANDIDATE].leads == 0


def test_scores_after_a_second_contact_are_no_first_scores_of_the_first(shared):
    contacted = MATURED - timedelta(days=5)
    twice = lead(at(contacted))
    twice.contacts.append(at(contacted + timedelta(days=1)))
    world = scored([twice], skip={contacted + timedelta(days=1): CANDIDATE})
    assert world.listed[contacted + timedelta(days=2), twice.lead_id] == contacted + timedelta(days=1)
    row = judged(shared, world, min_days=7)["rollback", CANDIDATE]
    assert (row.leads, left(row)) == (0, Left(uncovered=1))


@pytest.mark.parametrize("again", [DAY - timedelta(days=1), DAY + timedelta(days=1)], ids=["before", "after the day"])
def test_a_contact_that_overwrites_the_stamp_later_does_not_change_the_outcome(shared, again):
    contacted = MATURED - timedelta(days=2)
    world = scored([lead(at(contacted), at(contacted + timedelta(days=43)))])
    world.leads[0].contacts.append(at(again))
    row = judged(shared, world)["rollback", CANDIDATE]
    assert (row.leads, row.conversions, left(row)) == (1, 1, Left())


def test_a_lead_that_was_hired_stays_in_its_cohort(shared):
    contacted = MATURED - timedelta(days=2)
    hired = lead(at(contacted), at(contacted + timedelta(days=9)), hired=at(contacted + timedelta(days=30)))
    row = judged(shared, scored([hired]))["rollback", CANDIDATE]
    assert (row.leads, row.conversions, left(row)) == (1, 1, Left())


@pytest.mark.parametrize("more", [{"company": "xSAVVY"}, {"crd": None}, {"crd": " "}], ids=["own", "none", "blank"])
def test_leads_that_are_never_to_be_scored_are_not_missing(shared, more):
    row = judged(shared, scored([lead(at(MATURED - timedelta(days=2)), **more)]))["rollback", CANDIDATE]
    assert (row.leads, left(row)) == (0, Left())


def test_a_duplicated_lead_counts_once(shared):
    contacted = MATURED - timedelta(days=2)
    row = judged(shared, scored([lead(at(contacted), at(contacted + timedelta(days=9)), number=7)]))
    assert (row["rollback", CANDIDATE].leads, row["rollback", CANDIDATE].conversions) == (1, 1)


def test_an_empty_world_is_judged_without_a_figure(shared):
    rows = judged(shared, scored([]))
    row = rows["rollback", CANDIDATE]
    assert (row.leads, row.conversions, row.cohort_from) == (0, 0, MATURED - timedelta(days=2))
    assert {row.lift, row.auc, row.base_rate, row.live_share, row.model_sha256, row.lift_difference} == {None}
    assert row.longest_silence_days == (DAY - row.cohort_from).days


def test_two_artifacts_of_one_version_are_no_single_model(shared):
    world = scored([lead(at(MATURED)), lead(at(MATURED - timedelta(days=1)), number=2)])
    assert judged(shared, world)["rollback", CANDIDATE].model_sha256 == "1.0" * 20
    key = (MATURED + timedelta(days=1), world.leads[0].lead_id)
    score = world.scores[CANDIDATE][key]
    world.scores[CANDIDATE][key] = type(score)(**vars(score) | {"model_sha256": "another"})
    rows = judged(shared, world)
    assert rows["rollback", CANDIDATE].model_sha256 is None
    assert rows["rollback", BASELINE].model_sha256 == "0.0" * 20


MODEL, BUNDLE = "1.0" * 20, "b" * 64
RECORDED = {"bundles": {CANDIDATE: {"model_sha256": MODEL, "bundle_sha256": BUNDLE}}}
"""What an upgrade recorded of the candidate's rows that name no bundle."""


@pytest.mark.parametrize(
    ("facts", "after", "named"),
    [
        pytest.param(RECORDED, BUNDLE, (MODEL, BUNDLE), id="the same bundle"),
        pytest.param(RECORDED, "c" * 64, (None, None), id="another list after the upgrade"),
        pytest.param(RECORDED, None, (MODEL, BUNDLE), id="all rows from before"),
        pytest.param(None, BUNDLE, (None, None), id="nothing recorded"),
        pytest.param(None, None, (MODEL, None), id="nothing recorded, all rows from before"),
    ],
)
def test_rows_from_before_and_after_an_upgrade_are_one_artifact_if_it_recorded_that_bundle(
    tmp_path, facts, after, named
):
    own = cohort_warehouse(tmp_path)
    last = lead(at(MATURED), at(MATURED + timedelta(days=9)))
    world = scored([last, lead(at(MATURED - timedelta(days=1)), number=2)])
    own.fill(world)
    own.put(tables.SCHEMA, [{"version": 2, "previous": 1, "facts": json.dumps(facts) if facts else None}])
    with embedded(own.warehouse)._connection() as connection:
        connection.execute(
            "UPDATE ml_features.v4_daily_scores_v41 SET bundle_sha256 = $after WHERE prediction_date > $day",
            {"after": after, "day": MATURED},
        )
    found = {(one.evidence.question, one.evidence.version): one.evidence for one in own.evaluator(DAY).compare()}
    row = found["rollback", CANDIDATE]
    assert (row.leads, (row.model_sha256, row.bundle_sha256)) == (2, named)
    assert found["rollback", BASELINE].bundle_sha256 is None


def test_a_feed_that_stopped_shows_as_a_silence_up_to_the_day(shared):
    contacted = MATURED - timedelta(days=2)
    calls = [lead(at(contacted), at(contacted + timedelta(days=age)), number=age) for age in range(1, 25)]
    row = judged(shared, scored(calls))["rollback", CANDIDATE]
    assert row.longest_silence_days == (DAY - contacted).days - 25


# --- how far back --------------------------------------------------------------------------------------------------

REACH = Reach(date(2025, 6, 1), MATURED)
"""182 days."""


def days_before(*ages: int) -> np.ndarray:
    return np.array([MATURED - timedelta(days=age) for age in ages], dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("ages", "minimum", "wanted"),
    [
        pytest.param((0, 1, 2, 3), 2, 6, id="enough-within-the-shortest"),
        pytest.param((0, 10, 20, 30), 2, 10, id="until-it-holds-enough"),
        pytest.param((0, 10, 10, 20), 3, 10, id="two-on-the-last-day-needed"),
        pytest.param((0, 10, 20), 9, 20, id="never-enough-reaches-the-first-lead"),
        pytest.param((0, 10, 181, 182), 4, 181, id="not-beyond-the-cap"),
        pytest.param((), 4, 6, id="nobody"),
        pytest.param((0, 30), 0, 6, id="nothing-asked"),
        pytest.param((6,), 1, 6, id="on-the-border-of-the-shortest"),
        pytest.param((7,), 1, 7, id="beyond-it"),
    ],
)
def test_a_cohort_goes_back_until_it_holds_enough_conversions(ages, minimum, wanted):
    found = first_contact(REACH, days_before(*ages), np.ones(len(ages), dtype=bool), minimum, 7)
    assert (MATURED - found).days == wanted


def test_leads_that_did_not_convert_do_not_end_a_cohort():
    converted = np.array([False, False, True])
    assert first_contact(REACH, days_before(0, 10, 20), converted, 1, 7) == MATURED - timedelta(days=20)


def test_the_widest_cohort_has_the_days_allowed():
    found = widest(DAY, 43, evaluation(max_days=182, min_days=7))
    assert (found.first, found.last) == (MATURED - timedelta(days=181), MATURED)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 200), st.booleans()), max_size=60), st.integers(0, 20), st.integers(1, 30))
def test_a_cohort_is_the_shortest_that_holds_enough(leads, minimum, min_days):
    contacted, converted = days_before(*(age for age, _ in leads)), np.array([one for _, one in leads], dtype=bool)
    first = first_contact(REACH, contacted, converted, minimum, min_days)
    length = (MATURED - first).days + 1

    def holds(days: int) -> int:
        return sum(one for age, one in leads if 0 <= age < days)

    assert min_days <= length <= 182
    if length > min_days:
        assert holds(length - 1) < minimum
    if minimum and holds(182) >= minimum:
        assert holds(length) >= minimum


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [((), 10), ((0,), 9), ((9,), 9), ((4,), 5), ((0, 9), 8), (tuple(range(10)), 0), ((-1, 10), 10), ((4, 4, 5), 4)],
)
def test_the_longest_silence_counts_both_ends(calls, wanted):
    first = date(2026, 1, 1)
    days = [first + timedelta(days=age) for age in calls]
    assert longest_silence(days, first, first + timedelta(days=9)) == wanted


# --- outcomes ------------------------------------------------------------------------------------------------------


def outcome(cohorts: CohortWarehouse, one: Lead, day: date = DAY) -> Any:
    cohorts.fill(CohortWorld([one]))
    cohorts.evaluator(day, now=day + timedelta(days=1))
    name = cohorts.store.catalogue[tables.LEAD_OUTCOMES].full_name
    rows = cohorts.warehouse.read(Query("rows", f"SELECT * FROM {name} WHERE prediction_date = @day", {"day": day}))
    return next(iter(rows.to_pylist()), None)


@pytest.mark.parametrize(
    ("contacted", "called", "wanted"),
    [
        pytest.param(at(MATURED, 23, 59), None, False, id="matured-today"),
        pytest.param(at(MATURED + timedelta(days=1), 0, 0), None, None, id="matures-tomorrow"),
        pytest.param(at(MATURED + timedelta(days=1)), at(MATURED + timedelta(days=2)), None, id="called-not-matured"),
        pytest.param(at(MATURED), at(MATURED), True, id="same-day"),
        pytest.param(at(MATURED), at(MATURED + timedelta(days=43), 23, 59), True, id="day-43"),
        pytest.param(at(MATURED - timedelta(days=1)), at(MATURED + timedelta(days=43)), False, id="day-44"),
        pytest.param(at(MATURED), at(MATURED - timedelta(days=1), 23, 59), False, id="before-contact"),
        pytest.param(at(MATURED), cutoff(DAY), False, id="at-the-cutoff-is-not-known"),
    ],
)
def test_an_outcome_is_null_until_it_has_matured(shared, contacted, called, wanted):
    assert outcome(shared, lead(contacted, called))["converted"] is wanted


def test_nothing_on_or_after_the_cutoff_is_known(shared):
    just_before = cutoff(DAY) - timedelta(microseconds=1)
    row = outcome(shared, lead(just_before, cutoff(DAY)))
    assert (row["contacted_on"], row["called_on"]) == (DAY - timedelta(days=1), None)
    assert outcome(shared, lead(cutoff(DAY))) is None
    row = outcome(shared, lead(cutoff(DAY), just_before))
    assert (row["contacted_on"], row["called_on"], row["converted"]) == (None, DAY - timedelta(days=1), None)


def test_a_lead_contacted_long_ago_is_kept_for_its_call(shared):
    first = widest(DAY, 43, shared.rollout.evaluation).first - timedelta(days=LATE_DAYS)
    old = lead(at(first - timedelta(days=100)), at(first))
    assert outcome(shared, old)["called_on"] == first
    assert outcome(shared, lead(at(first - timedelta(days=1)))) is None
    assert outcome(shared, lead(at(first, 0, 0)))["contacted_on"] == first


def test_calls_before_contact_are_marked(shared):
    row = outcome(shared, lead(at(MATURED), at(MATURED - timedelta(days=1), 23, 59)))
    assert row["called_before_contact"] is True
    assert outcome(shared, lead(at(MATURED), at(MATURED, 0, 0)))["called_before_contact"] is False


def test_a_utc_date_is_not_a_new_york_date(shared):
    late = datetime(2025, 11, 30, 4, 59, tzinfo=UTC)
    assert outcome(shared, lead(late))["contacted_on"] == date(2025, 11, 29)


def test_one_row_per_lead_is_chosen_as_the_scored_leads_choose_it():
    rule = {}
    for name in (tables.SCORED_LEADS, tables.LEAD_OUTCOMES):
        body = sql.load(name).body
        rule[name] = body[body.index("one_row_per_lead AS (") : body.index("= 1\n)")]
    assert rule[tables.SCORED_LEADS] == rule[tables.LEAD_OUTCOMES]
    assert "PARTITION BY {{lead.id}}" in rule[tables.SCORED_LEADS]


def test_reading_further_back_changes_nothing(shared):
    """Where the first reading does not hold enough conversions, the rest is read."""
    contacted = [MATURED - timedelta(days=age) for age in (0, 0, 13)]
    leads = [lead(at(day), at(day + timedelta(days=9)), number) for number, day in enumerate(contacted)]
    # Two conversions seem to be at hand on the last day, but one version did not score them in time.
    skip = {MATURED + timedelta(days=age): CANDIDATE for age in (1, 2, 3)}
    row = judged(shared, scored(leads, skip=skip), promotion=1, rollback=1, min_days=1)["rollback", CANDIDATE]
    assert (row.leads, row.conversions, row.cohort_from, left(row)) == (1, 1, contacted[2], Left(uncovered=2))
