"""The simulation rolls back and promotes on exactly the days on which the real gates and the real decision do."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from v4_assets.config.rollout_policy import Weeks
from v4_assets.production.decision import GATE_NAMES, Action, Gate, Phase, RolloutStatus, Verdict
from v4_assets.production.decision_state import State
from v4_assets.production.gates import history_of
from v4_assets.production.rules import decide
from v4_assets.studies.assumptions import FALLEN, HEALTHY, TOP, Strength
from v4_assets.studies.odds_rules import NEVER, Rule, convictions, promotions, trial, watched
from v4_assets.studies.replay import replay
from v4_assets.studies.simulation import Sums
from v4_assets_tests.fixtures.evidences import evidence
from v4_assets_tests.fixtures.policy_odds import CONFIGURED, FILE, GIVEN, WEEKLY

MONDAY = date(2026, 1, 5)
SATURDAY = date(2026, 1, 3)
VERSIONS: dict[str, Any] = {"candidate": "v4.1.0", "baseline": "v4.0.0"}


def at(sums: Sums, history: int, column: int) -> dict[str, float]:
    return {
        name: float(np.broadcast_to(getattr(sums, name), sums.conversions.shape)[history, column])
        for name in ("leads", "conversions", "top", "baseline_top", "both_top")
    }


def rows(sums: Sums, history: int, column: int, day: date, question: str, *, retrospective: bool = False) -> list:
    """Evidence of both versions as the simulation has it."""
    one = at(sums, history, column)
    auc, se = float(sums.auc()[history, column]), float(sums.auc_se()[history, column])
    shared = {
        "prediction_date": day,
        "question": question,
        "model_sha256": "a" * 64,
        "leads": int(one["leads"]),
        "conversions": int(one["conversions"]),
        "top_leads": TOP * one["leads"],
        "retrospective": retrospective,
    }
    own = evidence(
        **shared,
        top_conversions=one["top"],
        top_decile_conversion=one["top"] / (TOP * one["leads"]),
        auc=None if np.isnan(auc) else auc,
        auc_se=None if np.isnan(se) else se,
        only_own_top=one["top"] - one["both_top"],
        only_baseline_top=one["baseline_top"] - one["both_top"],
    )
    theirs = replace(
        own,
        version="v4.0.0",
        top_conversions=one["baseline_top"],
        top_decile_conversion=one["baseline_top"] / (TOP * one["leads"]),
        only_own_top=None,
        only_baseline_top=None,
    )
    return [own, theirs]


PASSING = tuple(Gate(name, Verdict.PASS, f"{name} passes.") for name in GATE_NAMES)


def first_rollback(recorded: list, rule: Rule, weeks: int) -> int:
    """Day, counted from MONDAY, on which the real decision rolls back; NEVER if it does not."""
    history = history_of(recorded, **VERSIONS, policy=rule.policy, evaluation=rule.evaluation)
    eve = MONDAY - timedelta(days=1)
    for week in range(1, weeks + 1):
        today = MONDAY + timedelta(weeks=week)
        past = {day: one for day, one in history.items() if day < today}
        status = RolloutStatus(Phase.WATCH, "v4.1.0", "v4.1.0", "v4.0.0", today, eve, eve)
        if decide(State(status, PASSING, past, rule.policy)).action == Action.ROLLBACK:
            return 7 * week
    return NEVER


@pytest.mark.parametrize(
    ("rule", "strengths", "changes"),
    [
        pytest.param(CONFIGURED, (HEALTHY, FALLEN), {}, id="configured, a fall"),
        pytest.param(CONFIGURED, (HEALTHY,), {"base_rate": 0.024}, id="configured, a low base rate"),
        pytest.param(CONFIGURED, (FALLEN,), {"leads_per_week": 30}, id="configured, too few leads"),
        pytest.param(WEEKLY, (HEALTHY,), {"leads_per_week": 3000}, id="the letter"),
        pytest.param(
            CONFIGURED, (HEALTHY, FALLEN), {"top_effort": 1.3, "leads_per_week": 1000}, id="configured, effort"
        ),
        pytest.param(WEEKLY, (HEALTHY,), {"leads_per_week": 70}, id="the letter, weeks without conversions"),
    ],
)
def test_the_simulation_rolls_back_exactly_when_the_real_decision_does(rule, strengths, changes):
    looks = watched(replace(GIVEN, histories=60, **changes), rule, *strengths)
    simulated = np.min(list(convictions(looks, rule).values()), axis=0)
    weeks = looks.cohorts.conversions.shape[1] // 7
    for history, day in enumerate(simulated):
        recorded = []
        for week in range(weeks):
            sunday = 7 * week + 6
            recorded += rows(looks.cohorts, history, sunday, MONDAY + timedelta(days=sunday), "rollback")
        assert first_rollback(recorded, rule, weeks) == day
    if "leads_per_week" not in changes:
        assert (simulated < NEVER).mean() > 0


@pytest.mark.parametrize(
    ("strength", "weeks", "adopted"),
    [
        pytest.param(HEALTHY, Weeks(), MONDAY, id="healthy"),
        pytest.param(Strength(1.75, 0.6), Weeks(), MONDAY, id="middling"),
        pytest.param(HEALTHY, Weeks(end_on="friday", close_from="wednesday"), SATURDAY, id="weeks end on Friday"),
    ],
)
def test_the_simulation_promotes_exactly_when_the_real_decision_does(strength, weeks, adopted):
    policy = FILE.policy.model_copy(update={"weeks": weeks})
    rule = replace(CONFIGURED, policy=policy)
    tried = trial(replace(GIVEN, histories=15, leads_per_week=1000), rule, strength)
    simulated = promotions(tried, rule)
    assert (simulated < NEVER).sum() > 0
    for history, promoted in enumerate(simulated):
        recorded = []
        found = tried.judged.cohorts
        for column in range(found.conversions.shape[1]):
            day = adopted + timedelta(days=column - tried.earlier)
            early = {"retrospective": day < adopted}
            recorded += rows(found, history, column, day, "promotion", **early)
        replayed = replay(recorded, policy, FILE.evaluation, candidate="v4.1.0", baseline="v4.0.0", adopted=adopted)
        real = [(one.day - adopted).days for one in replayed if one.decision.action == Action.PROMOTE]
        assert (real or [NEVER])[0] == promoted
