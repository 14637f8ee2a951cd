"""A policy run over recorded evidence acts on the days on which it would have acted, and says why."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v4_assets.config.rollout import read_rollout
from v4_assets.production.decision import Action, Phase
from v4_assets.project_files import PROJECT
from v4_assets.studies.replay import as_text, replay
from v4_assets_tests.fixtures.evidences import evidence

FILE = read_rollout(PROJECT / "rollout.yaml")
POLICY, EVALUATION = FILE.policy, FILE.evaluation
VERSIONS: dict[str, Any] = {"candidate": "v4.1.0", "baseline": "v4.0.0"}
ADOPTED = date(2026, 1, 5)  # a Monday


def day_rows(day: date, *, lift: float = 2.1, auc: float = 0.63, retrospective: bool | None = None) -> list:
    """Both versions on a cohort of 4,000 leads of which 200 converted; retrospective before the adoption by default."""
    shared = {
        "prediction_date": day,
        "model_sha256": "a" * 64,
        "cohort_from": day - timedelta(days=53),
        "cohort_to": day - timedelta(days=44),
        "leads": 4_000,
        "top_leads": 400.0,
        "retrospective": day < ADOPTED if retrospective is None else retrospective,
    }
    found = []
    for question in ("promotion", "rollback"):
        own = {"top_conversions": 20.0 * lift, "auc": auc, "only_own_top": 20.0, "only_baseline_top": 8.0}
        found.append(evidence(**shared, **own, question=question))
        theirs = {"top_conversions": 30.0, "top_decile_conversion": 0.075, "version": "v4.0.0"}
        found.append(evidence(**shared, **theirs, question=question))
    return found


def record(first: date, last: date, **changes) -> list:
    days = ((last - first).days) + 1
    return [row for number in range(days) for row in day_rows(first + timedelta(days=number), **changes)]


def replayed(rows, policy=POLICY, **more: Any):
    return replay(rows, policy, EVALUATION, **VERSIONS, adopted=ADOPTED, **more)


def acts(days) -> list[tuple[date, str]]:
    return [(one.day, one.decision.action.value) for one in days if one.acts]


BACKFILLED = record(date(2025, 12, 15), date(2026, 1, 4))
PROMOTED = BACKFILLED + record(ADOPTED, date(2026, 1, 31))
FALLEN = PROMOTED + record(date(2026, 2, 1), date(2026, 2, 20), lift=1.0)


def test_a_healthy_challenger_is_promoted_after_its_week_in_parallel():
    days = replayed(PROMOTED)
    assert acts(days) == [(date(2026, 1, 11), "promote")]
    assert [one.phase for one in days[5:9]] == [Phase.PARALLEL, Phase.PARALLEL, Phase.WATCH, Phase.WATCH]
    assert (days[0].day, days[-1].day) == (ADOPTED, date(2026, 1, 31))


def test_without_backfilled_history_it_takes_two_week_closes_more():
    assert acts(replayed(record(ADOPTED, date(2026, 1, 31)))) == [(date(2026, 1, 19), "promote")]


def test_a_fall_is_rolled_back_at_its_second_bad_week_close():
    days = replayed(FALLEN)
    assert acts(days) == [(date(2026, 1, 11), "promote"), (date(2026, 2, 9), "rollback")]
    assert (days[-1].phase, days[-1].decision.action) == (Phase.ROLLED_BACK, Action.HOLD)


def test_another_policy_acts_on_other_days():
    weeks = POLICY.rollback.weeks_running.model_copy(update={"top_decile_lift": 1})
    hasty = POLICY.model_copy(update={"rollback": POLICY.rollback.model_copy(update={"weeks_running": weeks})})
    assert acts(replayed(FALLEN, hasty))[-1] == (date(2026, 2, 2), "rollback")
    strict = POLICY.model_copy(update={"promotion": POLICY.promotion.model_copy(update={"lift_at_least": 2.2})})
    assert acts(replayed(FALLEN, strict)) == []


def test_a_policy_that_asks_for_more_conversions_than_recorded_finds_the_cohorts_short():
    more = EVALUATION.min_conversions.model_copy(update={"promotion": 201})
    days = replay(
        PROMOTED, POLICY, EVALUATION.model_copy(update={"min_conversions": more}), **VERSIONS, adopted=ADOPTED
    )
    assert acts(days) == []
    assert "it holds 200 of the 201 conversions a verdict needs" in days[-1].decision.reason


def test_evidence_computed_later_neither_counts_as_a_live_day_nor_convicts():
    late = record(date(2026, 2, 1), date(2026, 2, 20), lift=1.0, retrospective=True)
    assert acts(replayed(PROMOTED + late)) == [(date(2026, 1, 11), "promote")]
    assert acts(replayed(BACKFILLED + record(ADOPTED, date(2026, 1, 31), retrospective=True))) == []


def test_a_manual_promotion_counts_as_approved_and_a_manual_sunset_as_unanswered():
    manual = POLICY.model_copy(update={"promotion": POLICY.promotion.model_copy(update={"approval": "manual"})})
    healthy = PROMOTED + record(date(2026, 2, 1), date(2026, 4, 5))
    days = replayed(healthy, manual)
    assert acts(days) == [(date(2026, 1, 11), "promote")]
    asked = [one.day for one in days if one.decision.action == Action.ASK]
    assert (asked[0], asked[-1]) == (date(2026, 1, 12) + timedelta(days=53), date(2026, 4, 5))
    auto = manual.model_copy(update={"sunset": POLICY.sunset.model_copy(update={"approval": "auto"})})
    assert acts(replayed(healthy, auto))[-1] == (asked[0], "sunset")


def test_the_days_can_be_cut_and_what_happened_stands_beside_them():
    happened = {date(2026, 1, 12): ["promotion_started of v4.1.0: a person decided"]}
    days = replayed(FALLEN, until=date(2026, 1, 20), happened=happened)
    assert days[-1].day == date(2026, 1, 20)
    lines = as_text(days).splitlines()
    assert lines[0].startswith(
        "2026-01-11  would promote: v4.1.0 has earned its promotion. 2025-W52: v4.1.0's top-decile lift is"
    )
    assert lines[1] == "2026-01-12  happened: promotion_started of v4.1.0: a person decided"
    assert lines[2].startswith(
        "16 days with evidence, 2026-01-05 to 2026-01-20; it would have acted once and ended in the phase watch."
    )
    assert len(lines) == 3


def test_the_reason_of_a_rollback_is_told_with_its_numbers():
    text = as_text(replayed(FALLEN))
    assert (
        "2026-02-09  would rollback: top_decile_lift failed at 2 consecutive week-closes. 2026-W05: v4.1.0's "
        "top-decile lift is" in text
    )
    assert "it would have acted 2 times and ended in the phase rolled_back" in text


def test_no_evidence_is_said_to_be_none():
    assert as_text(replayed([])) == "No evidence is stored, so nothing can be replayed."
    assert as_text(replayed(BACKFILLED)) == "No evidence is stored, so nothing can be replayed."


@pytest.mark.parametrize("day", [date(2026, 2, 8), date(2026, 2, 9)])
def test_a_decision_never_looks_at_the_future(day):
    whole, cut = replayed(FALLEN), replayed(FALLEN, until=day)
    assert cut == whole[: len(cut)]
    earlier = [row for row in FALLEN if row.prediction_date <= day]
    assert replayed(earlier) == cut


@pytest.mark.extended
@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(random):
    rows = list(FALLEN)
    random.shuffle(rows)
    assert replayed(rows) == replayed(FALLEN)
