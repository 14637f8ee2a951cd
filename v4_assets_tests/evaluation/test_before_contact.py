"""Scores from before the contact: the list a lead was chosen from, and the second reading, which decides nothing."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from v4_assets import tables
from v4_assets.cli.rollout import before_contact_text, lift_text
from v4_assets.clock import cutoff
from v4_assets.errors import WarehouseError
from v4_assets.evaluation import assets
from v4_assets.evaluation.before_contact import in_words, of_question
from v4_assets.evaluation.evidence import digest
from v4_assets.evaluation.lift_before_contact import write_reading
from v4_assets.prospects import contracts
from v4_assets.prospects.months import before
from v4_assets.report.figure_tables import of_cohorts
from v4_assets.sql import Query
from v4_assets_tests.evaluation.test_evaluation_assets import filled, run, said, stored, world
from v4_assets_tests.fixtures.cohort_worlds import (
    BASELINE,
    CANDIDATE,
    VERSIONS,
    WINDOW_DAYS,
    CohortWarehouse,
    CohortWorld,
    Lead,
    at,
    cohort_warehouse,
    evaluation,
    frozen_contact,
    new_york,
    random_world,
)

__all__ = ["filled", "world"]  # fixtures of the assets' own tests

DAY = date(2026, 1, 12)
SEPTEMBER, OCTOBER, NOVEMBER = (date(2025, month, 1) for month in (9, 10, 11))
TWENTIETH = date(2025, 11, 20)
NOON = at(TWENTIETH)
NUMBERS = evaluation(promotion=12, rollback=8)
JUDGED = at(date(2025, 11, 28))
"""A contact in the shortest cohort of DAY."""
CHOSEN = ("chosen_version", "chosen_month", "chosen_percentile")
NOWHERE = (None, None, None)
AUTUMN = date(2025, 12, 10)
"""A day of evaluation with a change of clocks between contact and call."""


@dataclass(frozen=True)
class GivenList:
    """An edition of a month's list with advisor 7 on it, or without; it was made, and given out unless that is None."""

    month: date
    at: datetime | None
    percentile: int | None = 90
    edition: int = 1
    version: str = BASELINE


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CohortWarehouse]:
    made = cohort_warehouse(tmp_path_factory.mktemp("before contact"), NUMBERS)
    with made.warehouse.session():
        yield made


def put_lists(cohorts: CohortWarehouse, lists: Sequence[GivenList]) -> None:
    def named(one: GivenList) -> dict[str, Any]:
        return {"prediction_date": one.month, "edition": one.edition, "model_version": one.version}

    rows = [
        named(one) | {"advisor_crd": 7, "percentile": one.percentile} for one in lists if one.percentile is not None
    ]
    cohorts.put(contracts.PROSPECT_LIST, [*rows, *({**named(one), "advisor_crd": 8} for one in lists)])
    cohorts.put(contracts.PROSPECT_LISTS, [named(one) | {"given_out_at": one.at} for one in lists if one.at])


def outcome(cohorts: CohortWarehouse, one: Lead, day: date = DAY) -> dict[str, Any]:
    """The lead's row of the day's lead_outcomes."""
    cohorts.fill(CohortWorld([one]))
    cohorts.evaluator(day, now=day + timedelta(days=1))
    table = cohorts.store.catalogue[tables.LEAD_OUTCOMES].full_name
    [row] = cohorts.warehouse.read(
        Query("rows", f"SELECT * FROM {table} WHERE prediction_date = @day", {"day": day})
    ).to_pylist()
    return dict(row)


def lead(contacted: datetime = NOON, called: datetime | None = None, crd: str | None = "7") -> Lead:
    return Lead(f"00Q{1:015d}", [contacted], called, crd=crd)


# --- the list a lead was chosen from -------------------------------------------------------------------------------

EARLY, SECOND = at(date(2025, 11, 3)), at(date(2025, 11, 12))
FIRST_EDITION = GivenList(NOVEMBER, EARLY, 90)
NEXT_EDITION = GivenList(NOVEMBER, SECOND, 70, edition=2, version=CANDIDATE)


@pytest.mark.parametrize(
    ("lists", "contacted", "wanted"),
    [
        pytest.param([FIRST_EDITION], NOON, (BASELINE, NOVEMBER, 90), id="given out before the contact"),
        pytest.param([GivenList(NOVEMBER, NOON)], NOON, NOWHERE, id="at the same instant"),
        pytest.param([GivenList(NOVEMBER, NOON + timedelta(minutes=1))], NOON, NOWHERE, id="after the contact"),
        pytest.param([GivenList(NOVEMBER, None)], NOON, NOWHERE, id="made and never given out"),
        pytest.param(
            [GivenList(OCTOBER, at(OCTOBER), 80), FIRST_EDITION], NOON, (BASELINE, NOVEMBER, 90), id="on two lists"
        ),
        pytest.param(
            [GivenList(OCTOBER, at(OCTOBER), 80), GivenList(NOVEMBER, EARLY, None)],
            NOON,
            (BASELINE, OCTOBER, 80),
            id="the last list leaves out who was listed lately",
        ),
        pytest.param(
            [GivenList(SEPTEMBER, at(SEPTEMBER), 75)], NOON, (BASELINE, SEPTEMBER, 75), id="two months without a list"
        ),
        pytest.param(
            [FIRST_EDITION, NEXT_EDITION], at(date(2025, 11, 17)), (CANDIDATE, NOVEMBER, 70), id="replaced before"
        ),
        pytest.param(
            [GivenList(NOVEMBER, EARLY, 90), replace(NEXT_EDITION, at=at(TWENTIETH, 13))],
            NOON,
            (BASELINE, NOVEMBER, 90),
            id="replaced afterwards",
        ),
        pytest.param([FIRST_EDITION, replace(NEXT_EDITION, percentile=None)], NOON, NOWHERE, id="replaced without it"),
        pytest.param(
            [GivenList(OCTOBER, at(OCTOBER), 80), FIRST_EDITION, replace(NEXT_EDITION, percentile=None)],
            NOON,
            (BASELINE, OCTOBER, 80),
            id="replaced without it, and on the one before",
        ),
        pytest.param(
            [GivenList(NOVEMBER, at(TWENTIETH, 23, 30))],
            at(TWENTIETH + timedelta(days=1), 0, 10),
            (BASELINE, NOVEMBER, 90),
            id="before New York's midnight, and UTC's date the same",
        ),
        pytest.param(
            [GivenList(NOVEMBER, at(TWENTIETH, 23, 30))],
            at(TWENTIETH, 23, 10),
            NOWHERE,
            id="after the contact on the evening that is UTC's next date",
        ),
    ],
)
def test_a_lead_was_chosen_from_the_last_list_given_out_before_its_contact(
    shared: CohortWarehouse, lists: list[GivenList], contacted: datetime, wanted: tuple[Any, ...]
) -> None:
    put_lists(shared, lists)
    row = outcome(shared, lead(contacted))
    assert tuple(row[name] for name in CHOSEN) == wanted
    assert (row["advisor_crd"], row["contacted_at"]) == (7, contacted)


@pytest.mark.parametrize(("crd", "advisor"), [("CRD#0007", 7), ("unknown", None), ("  ", None), (None, None)])
def test_a_lead_without_a_crd_number_was_chosen_from_no_list(
    shared: CohortWarehouse, crd: str | None, advisor: int | None
) -> None:
    put_lists(shared, [FIRST_EDITION])
    row = outcome(shared, lead(crd=crd))
    assert (row["advisor_crd"], row["chosen_month"]) == (advisor, NOVEMBER if advisor else None)


def test_a_contact_at_the_cutoff_is_not_known_and_neither_is_its_list(shared: CohortWarehouse) -> None:
    put_lists(shared, [FIRST_EDITION])
    known = outcome(shared, lead(cutoff(DAY) - timedelta(microseconds=1)))
    unknown = outcome(shared, lead(cutoff(DAY), at(TWENTIETH)))
    assert (known["contacted_at"], known["chosen_month"]) == (cutoff(DAY) - timedelta(microseconds=1), NOVEMBER)
    assert (unknown["contacted_at"], unknown["chosen_month"]) == (None, None)


def test_a_call_that_is_recorded_late_changes_the_outcome_and_not_the_list(shared: CohortWarehouse) -> None:
    put_lists(shared, [FIRST_EDITION, replace(NEXT_EDITION, at=NOON + timedelta(days=1))])
    early, late = outcome(shared, lead()), outcome(shared, lead(called=NOON), DAY + timedelta(days=2))
    assert (early["converted"], late["converted"]) == (False, True)
    assert [early[name] for name in CHOSEN] == [late[name] for name in CHOSEN] == [BASELINE, NOVEMBER, 90]


# --- the second reading --------------------------------------------------------------------------------------------

Scores = dict[str, dict[tuple[date, int], tuple[float, datetime]]]
"""Version to month and advisor to the score and when it was made."""


def scored_months(rng: random.Random, cohorts_world: CohortWorld, first: date) -> Scores:
    """Three months of scores of most advisors; some were made late or again, and one version's with gaps."""
    for number, one in enumerate(cohorts_world.leads):
        one.crd = str(number) if one.crd == "1" else one.crd
    months = [before(first), before(before(first)), first.replace(day=1)]
    return {
        version: {
            (month, number): (
                rng.choice((rng.random(), round(rng.random(), 1))),
                at(month + timedelta(days=rng.choice((0, 0, 0, 14, 20, 40))), 6, 30),
            )
            for month in months
            for number in range(len(cohorts_world.leads))
            if rng.random() < 0.9
        }
        for version in VERSIONS
    }


def put_scores(cohorts: CohortWarehouse, scores: Scores) -> None:
    for version, found in scores.items():
        rows = [
            {"prediction_date": month, "advisor_crd": crd, "score": score, "scored_at": made, "decile": 1}
            | {"deprioritize": False, "retrospective": False, "model_version": version}
            for (month, crd), (score, made) in found.items()
        ]
        cohorts.put(contracts.scores_key(cohorts.rollout.versions[version].key), rows)


def read_again(cohorts: CohortWarehouse, day: date) -> list[dict[str, Any]]:
    evaluator = cohorts.evaluator(day)
    return write_reading(evaluator, assets.write_evidence(evaluator))


def last_before(scores: Scores, version: str, one: Lead, first: date) -> tuple[date, float] | None:
    """The month and the score of the last month scored before the lead's contact."""
    made = [
        (month, score)
        for (month, crd), (score, scored_at) in scores[version].items()
        if str(crd) == one.crd and scored_at < one.contacts[-1] and month >= before(first)
    ]
    return max(made, default=None)


@pytest.mark.parametrize("day", [DAY, AUTUMN], ids=["winter", "clocks go back"])
@pytest.mark.parametrize("seed", range(3))
def test_the_second_reading_is_what_plain_python_finds(shared: CohortWarehouse, day: date, seed: int) -> None:
    rng = random.Random(f"again {day} {seed}")
    cohorts_world = random_world(rng, day, NUMBERS, leads=200)
    scores = scored_months(rng, cohorts_world, day - timedelta(days=WINDOW_DAYS + 14))
    put_lists(shared, [])
    put_scores(shared, scores)
    shared.fill(cohorts_world)
    rows = read_again(shared, day)
    assert [(row["question"], row["version"]) for row in rows] == [
        (question, version) for question in ("promotion", "rollback") for version in VERSIONS
    ]
    found = {(one.question, one.version): one for one in shared.store.comparisons(day, day)}
    for row in rows:
        first, last = found[row["question"], row["version"]].cohort_from, row["cohort_to"]
        converted, ranked, same_day, uncovered, earlier = [], [], 0, 0, 0
        for one in cohorts_world.leads:
            contacted_on = frozen_contact(cohorts_world, one, day, first, last)
            if contacted_on is None:
                continue
            called_on = new_york(one.called) if one.called and one.called < cutoff(day) else None
            own = {version: last_before(scores, version, one, first) for version in VERSIONS}
            if called_on and called_on < contacted_on:
                earlier += 1
            elif (
                one.contacts[-1] < cutoff(day)
                and new_york(one.contacts[-1]) == contacted_on
                and len({last and last[0] for last in own.values()} - {None}) == 1
                and None not in own.values()
            ):
                days = (called_on - contacted_on).days if called_on else None
                converted.append(days is not None and days <= WINDOW_DAYS)
                same_day += days == 0
                ranked.append((own[row["version"]] or (None, 0.0))[1])
            else:
                uncovered += 1
        assert (row["leads"], row["conversions"], row["same_day_conversions"]) == (
            *(len(converted), sum(converted), same_day),
        )
        assert (row["uncovered"], row["called_before_contact"], row["chosen"]) == (uncovered, earlier, 0)
        both = len(set(converted)) == 2
        assert row["auc"] == (pytest.approx(roc_auc_score(converted, ranked)) if both else None)
        assert row["base_rate"] == pytest.approx(np.mean(converted))
        assert row["lift_low"] - 1e-9 <= row["lift"] <= row["lift_high"] + 1e-9
    assert rows[0]["leads"] > 10


def test_a_conversion_on_the_day_of_contact_counts_in_the_second_reading_alone(shared: CohortWarehouse) -> None:
    world_of_one = CohortWorld([lead(JUDGED, JUDGED + timedelta(hours=1))])
    put_lists(shared, [FIRST_EDITION])
    put_scores(shared, {version: {(NOVEMBER, 7): (0.5, at(NOVEMBER))} for version in VERSIONS})
    shared.fill(world_of_one)
    rows = read_again(shared, DAY)
    for question in ("promotion", "rollback"):
        [*evidence] = [one for one in shared.store.comparisons(DAY, DAY) if one.question == question]
        assert {(one.leads, one.converted_before_scored) for one in evidence} == {(0, 1)}
        for row in of_question(rows, question):
            assert (row["leads"], row["chosen"], row["uncovered"]) == (1, 1, 0)
            assert (row["conversions"], row["same_day_conversions"]) == (1, 1)


def test_a_lead_that_was_contacted_again_has_no_score_from_before_its_first_contact(shared: CohortWarehouse) -> None:
    """The CRM keeps the last contact; scores older than that may be younger than the first one."""
    again, first = replace(lead(), contacts=[JUDGED, JUDGED + timedelta(days=30)]), new_york(JUDGED)
    cohorts_world = CohortWorld([again], listed={(first + timedelta(days=1), again.lead_id): first})
    put_scores(shared, {version: {(NOVEMBER, 7): (0.5, at(NOVEMBER))} for version in VERSIONS})
    shared.fill(cohorts_world)
    assert {(row["leads"], row["uncovered"]) for row in read_again(shared, DAY)} == {(0, 1)}


def test_a_day_without_monthly_scores_has_a_reading_of_no_leads(shared: CohortWarehouse) -> None:
    put_scores(shared, {version: {} for version in VERSIONS})
    shared.fill(CohortWorld([lead(JUDGED, JUDGED)]))
    rows = read_again(shared, DAY)
    assert {(row["leads"], row["uncovered"], row["lift"], row["auc"]) for row in rows} == {(0, 1, None, None)}
    assert in_words(of_question(rows, "rollback")) == (
        "By the score before contact, which decides nothing: 0 of 1 leads have one."
    )


# --- it decides nothing --------------------------------------------------------------------------------------------


def prospected(cohorts: CohortWarehouse, cohorts_world: CohortWorld) -> None:
    """Every lead's advisor is scored and listed; by these scores the candidate ranks in the worst order there is."""
    crds = {one.lead_id: number for number, one in enumerate(cohorts_world.leads, start=100)}
    changed = [replace(one, crd=str(crds[one.lead_id]) if one.crd == "1" else one.crd) for one in cohorts_world.leads]
    cohorts.fill(replace(cohorts_world, leads=changed))
    month = before(DAY - timedelta(days=WINDOW_DAYS + 20))
    put_scores(
        cohorts,
        {
            version: {
                (month, crds[one.lead_id]): (0.1 if one.called else 0.9 if version == CANDIDATE else 0.5, at(month))
                for one in cohorts_world.leads
            }
            for version in VERSIONS
        },
    )
    named = {"prediction_date": month, "edition": 1, "model_version": BASELINE}
    cohorts.put(contracts.PROSPECT_LIST, [named | {"advisor_crd": crd, "percentile": 99} for crd in crds.values()])
    cohorts.put(contracts.PROSPECT_LISTS, [named | {"given_out_at": at(month, 9)}])


def decided(cohorts: CohortWarehouse) -> dict[str, Any]:
    """Everything that decides: the evidence, its hash, and every gate and check as it is shown and as it is kept."""
    shown = said(run(cohorts))
    kept = cohorts.store.rows(tables.CHECK_RESULTS, {"first_day": DAY, "last_day": DAY})
    names = ("table_name", "check_name", "verdict", "severity", "reason", "actual", "bound", "threshold")
    return {
        "evidence": sorted(cohorts.store.comparisons(DAY, DAY), key=lambda one: (one.question, one.version)),
        "digest": digest(cohorts.store.comparisons(DAY, DAY)),
        "deciles": stored(cohorts, tables.LIFT_BY_DECILE),
        "shown": {name: (one.passed, one.severity, one.description) for name, one in shown.items()},
        "kept": sorted([row.get(name) for name in names if name in row] for row in kept),
    }


@pytest.mark.extended
def test_the_second_reading_is_shown_and_changes_no_evidence_gate_or_check(
    filled: CohortWarehouse, world: CohortWorld, tmp_path: Any
) -> None:
    without = decided(filled)
    assert {row["leads"] for row in stored(filled, tables.LIFT_BEFORE_CONTACT)} == {0}
    other = cohort_warehouse(tmp_path / "other", NUMBERS)
    other = replace(other, store=replace(other.store, registry=filled.store.registry))
    with other.warehouse.session():
        assets_of_other = filled.store.rows(tables.PRODUCTION), filled.store.rows(tables.DEPLOYMENTS)
        for key, rows in zip((tables.PRODUCTION, tables.DEPLOYMENTS), assets_of_other, strict=True):
            other.put(key, rows)
        prospected(other, world)
        assert decided(other) == without
        rows = stored(other, tables.LIFT_BEFORE_CONTACT)
        assert min(row["leads"] for row in rows) > 30
        [candidate] = [row for row in rows if (row["question"], row["version"]) == ("rollback", CANDIDATE)]
        assert candidate["auc"] < 0.3

        result = run(other)
        [made] = result.asset_materializations_for_node(tables.LIFT_COMPARISON)
        assert made.metadata[f"AUC before contact {CANDIDATE}"].value == pytest.approx(candidate["auc"], abs=1e-4)
        assert made.metadata["conversions on the day of contact"].value == candidate["same_day_conversions"] > 0
        words = in_words(of_question(rows, "rollback"))
        assert made.metadata["by the score before contact"].value == words
        assert said(result)["auc"].metadata["by the score before contact"].value == words
        everyone = candidate["leads"] + candidate["uncovered"]
        assert f"{candidate['leads']} of {everyone} leads have one, {candidate['leads']} of them from a list" in words
        assert words in of_cohorts(other.store.comparisons(DAY, DAY), rows)
        deciles = other.store.deciles(DAY)
        assert lift_text(deciles, before_contact_text(other.store, DAY)).endswith(words)


def test_a_reading_that_cannot_be_made_leaves_the_day_judged(filled: CohortWarehouse) -> None:
    with patch.object(assets, "write_reading", side_effect=WarehouseError("the query read too much")):
        broken = decided(filled)
    assert len(broken["kept"]) > 10
    assert stored(filled, tables.LIFT_BEFORE_CONTACT) == []
    again = decided(filled)
    assert stored(filled, tables.LIFT_BEFORE_CONTACT) != []
    assert {**again, "kept": []} == {**broken, "kept": []}


def test_the_reading_is_kept_with_its_evidence_and_written_again_with_it(shared: CohortWarehouse) -> None:
    name = shared.store.catalogue[tables.LIFT_BEFORE_CONTACT].name
    shared.fill(CohortWorld([lead(JUDGED)]))
    evaluator = shared.evaluator(DAY)
    write = assets.write_evidence(evaluator)
    sequences = []
    for evidence in (write, write, replace(write, sequence=2), replace(write, sequence=2)):
        write_reading(evaluator, evidence)
        sequences.append(shared.store.latest_writes(DAY, DAY)[name, DAY].sequence)
    assert sequences == [1, 1, 2, 2]
