"""The next decision is told in plain words: what is missing, how far it is, and when it falls."""

from datetime import date
from pathlib import Path

import pytest

from v4_assets.config.rollout import read_rollout
from v4_assets.production.decision import (
    GATE_NAMES,
    LIVE_PARALLEL_DAYS,
    PROMOTION_LIFT,
    TOP_DECILE_LIFT,
    Evaluated,
    Gate,
    Phase,
    RolloutStatus,
    Verdict,
)
from v4_assets.production.decision_state import State
from v4_assets.production.rules import decide
from v4_assets.project_files import PROJECT
from v4_assets.report.next_decision import MET, MISSED, OPEN, Outlook, outlook

POLICY = read_rollout(Path(PROJECT) / "rollout.yaml").policy
TODAY = date(2026, 1, 14)
LAST, BEFORE_LAST = date(2026, 1, 11), date(2026, 1, 4)
FIGURES = {PROMOTION_LIFT: (2.1, 2.0), TOP_DECILE_LIFT: (2.1, 1.5), LIVE_PARALLEL_DAYS: (7.0, 7.0)}


def gates(**verdicts: Verdict) -> tuple[Gate, ...]:
    return tuple(
        Gate(name, verdicts.get(name, Verdict.PASS), "…", *FIGURES.get(name, (0.7, 0.6))) for name in GATE_NAMES
    )


def outlook_of(phase: Phase, closes: dict[date, tuple[Gate, ...]], today=None, facts=None, **changes) -> Outlook:
    known = {"live_since": date(2026, 1, 1), "phase_since": date(2026, 1, 1), **changes}
    live = "v4.1.0" if phase is Phase.WATCH else "v4.0.0"
    status = RolloutStatus(phase, live, "v4.1.0", "v4.0.0", TODAY, **known)
    history = {day: Evaluated(found, retrospective=False) for day, found in closes.items()}
    state = State(status, today or gates(), history, POLICY, **(facts or {}))
    return outlook(decide(state), state)


def test_one_more_good_week_is_missing():
    found = outlook_of(Phase.PARALLEL, {LAST: gates()})
    assert found.said == (
        "The promotion of v4.1.0 needs a lift of at least 2 at 1 more week-close. The next week closes on Sunday "
        "18 January and counts from the day after. It can be earned until 26 March 2026; after that a person decides."
    )
    first = found.criteria[0]
    assert (first.asked, first.found, first.stands) == (
        "a lift of at least 2 at 2 week-closes running",
        "1 of 2 (2026-W02)",
        OPEN,
    )


def test_everything_that_is_missing_is_named():
    short = tuple(
        Gate(one.name, Verdict.INCONCLUSIVE, "…", 5.0, 7.0) if one.name == LIVE_PARALLEL_DAYS else one
        for one in gates(promotion_auc=Verdict.FAIL)
    )
    found = outlook_of(Phase.PARALLEL, {}, short, {"failing_checks": ("features_v41.drift",)})
    assert found.said.startswith(
        "The promotion of v4.1.0 needs a lift of at least 2 at 2 more week-closes, today's AUC for a promotion on "
        "the good side, 2 more days side by side and every check of the data passed."
    )
    assert [one.stands for one in found.criteria if one.asked.startswith("AUC")] == [MISSED]
    assert found.criteria[-1].found == "features_v41.drift"


def test_a_decision_is_shown_before_it_is_carried_out():
    found = outlook_of(Phase.PARALLEL, {BEFORE_LAST: gates(), LAST: gates()})
    assert found.said == "Decided: the promotion of v4.1.0. The sensor starts it at its next tick."
    assert {one.stands for one in found.criteria} == {MET}


def test_a_promotion_that_ran_out_of_time_waits_for_a_person():
    found = outlook_of(Phase.PARALLEL, {LAST: gates()}, phase_since=date(2025, 10, 1))
    assert "The parallel phase has expired: `v4 allow v4.1.0 --reason …` lets it compete again." in found.said


def test_a_bad_week_says_how_many_more_roll_back():
    found = outlook_of(Phase.WATCH, {LAST: gates(top_decile_lift=Verdict.FAIL)})
    assert found.said == (
        "1 more week like 2026-W02 rolls v4.1.0 back to v4.0.0: its top-decile lift was 2.10 there, and 1.5 is asked "
        "for. The next week closes on Sunday 18 January and counts from the day after."
    )
    lift = found.criteria[0]
    assert (lift.found, lift.stands) == (
        "2.10 today; missed at 1 of the 2 week-closes running that roll back",
        MISSED,
    )


@pytest.mark.parametrize(
    ("closes", "said"),
    [
        ({LAST: gates()}, "2026-W02 closed with none missed."),
        ({LAST: gates(auc=Verdict.INCONCLUSIVE)}, "The last week has closed without a verdict."),
        ({}, "The last week has closed without a verdict."),
    ],
    ids=["good", "inconclusive", "missing"],
)
def test_a_week_without_a_verdict_is_no_good_week(closes, said):
    stays = "stays unless one figure misses its line, by more than chance explains, at 2 week-closes running."
    assert f"{stays} {said}" in outlook_of(Phase.WATCH, closes).said


def test_after_a_rollback_only_a_person_decides():
    found = outlook_of(Phase.ROLLED_BACK, {LAST: gates()})
    assert found == Outlook("v4.1.0 was rolled back on 2026-01-01. `v4 allow v4.1.0 --reason …` lets it compete again.")
