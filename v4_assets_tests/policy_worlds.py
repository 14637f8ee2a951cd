"""Shared by the tests of gates and decisions: evidence rows, gates of a day, histories, states."""

from datetime import date

from v4_assets.configuration.rollout_file import read_rollout
from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.intervals import lift_interval, logit_auc_interval, wilson
from v4_assets.policy.decide import decide
from v4_assets.policy.decision import (
    EVIDENCE_GATES,
    GATE_NAMES,
    Action,
    Decision,
    Evaluated,
    Gate,
    Phase,
    RolloutStatus,
    Verdict,
)
from v4_assets.policy.gates import evidence_gates
from v4_assets.policy.state import State
from v4_assets.settings import PROJECT
from v4_assets_tests.evidences import evidence

ROLLOUT = PROJECT / "rollout.yaml"
FILE = read_rollout(ROLLOUT)
POLICY, EVALUATION = FILE.policy, FILE.evaluation
VERSIONS = {"candidate": "v4.1.0", "baseline": "v4.0.0"}
PASS, INCONCLUSIVE, FAIL = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL
HAIR = 1e-6


def changed(section, **changes):
    """POLICY with numbers of one of its sections changed."""
    return POLICY.model_copy(update={section: getattr(POLICY, section).model_copy(update=changes)})


def candidate(**changes) -> Evidence:
    """The candidate's row: 4,750 leads of which 200 converted, 42 in the top decile of 475, a lift of 2.1."""
    sizes = {
        "model_sha256": "a" * 64,
        "leads": 4_750,
        "top_leads": 475.0,
        "only_own_top": 20.0,
        "only_baseline_top": 8.0,
    }
    return evidence(**{**sizes, **changes})


def baseline(**changes) -> Evidence:
    return candidate(version="v4.0.0", only_own_top=None, only_baseline_top=None, **changes)


def judged(*rows: Evidence, policy=POLICY, evaluation=EVALUATION) -> dict[str, Gate]:
    found = evidence_gates(rows, **VERSIONS, policy=policy, evaluation=evaluation)
    assert tuple(gate.name for gate in found) == EVIDENCE_GATES
    return {gate.name: gate for gate in found}


def crossing(bound, line: float, low: float, high: float) -> float:
    """The figure between low and high whose rising `bound` meets the line."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if bound(middle) > line else (middle, high)
    return low


LIFT_BOUND = crossing(lambda x: lift_interval(x, 200, 4_750, 475.0, 0.6).high, 1.5, 10, 40)
LIFT_BOUND_2 = crossing(lambda x: lift_interval(x, 200, 4_750, 475.0, 0.6).high, 2.0, 10, 60)
AUC_BOUND = crossing(lambda auc: logit_auc_interval(auc, 0.02, 0.6).high, 0.59, 0.5, 0.6)
RATE_BOUND = crossing(lambda x: wilson(x, 475, 0.6).high, 0.05, 5, 40)


TODAY = date(2026, 1, 26)  # the Monday of 2026-W05


def gate(name: str, verdict: Verdict = PASS, **more) -> Gate:
    return Gate(name, verdict, f"{name} is {verdict.name}.", **more)


def day_gates(names=GATE_NAMES, **verdicts: Verdict) -> tuple[Gate, ...]:
    """All pass but those named."""
    return tuple(gate(name, verdicts.get(name, PASS)) for name in names)


def sunday(week: str) -> date:
    year, _, number = week.partition("-W")
    return date.fromisocalendar(int(year), int(number), 7)


def history(*, retrospective: bool = False, **weeks: dict[str, Verdict]) -> dict[date, Evaluated]:
    """Closes of weeks of 2026 by keywords like W03; all gates pass but those given."""
    return {
        sunday(f"2026-{week}"): Evaluated(day_gates(EVIDENCE_GATES, **verdicts), retrospective)
        for week, verdicts in weeks.items()
    }


def status(phase: Phase = Phase.WATCH, **changes) -> RolloutStatus:
    known = {
        "phase": phase,
        "live": "v4.1.0" if phase in (Phase.WATCH, Phase.SUNSET) else "v4.0.0",
        "today": TODAY,
        "live_since": date(2026, 1, 4),
        "phase_since": date(2026, 1, 4),
        **VERSIONS,
    }
    return RolloutStatus(**{**known, **changes})


def watch(past, found=None, policy=POLICY, facts=None, **changes) -> Decision:
    return decide(State(status(**changes), found or day_gates(), past, policy, **(facts or {})))


DUE = {"cohort_from": date(2026, 1, 5), "baseline_readers": (), "approved": Action.SUNSET}


CALM = history(W02={}, W03={}, W04={})


GOOD = history(W03={}, W04={}, retrospective=True)


def parallel(past=GOOD, found=None, policy=POLICY, facts=None, **changes) -> Decision:
    return decide(State(status(Phase.PARALLEL, **changes), found or day_gates(), past, policy, **(facts or {})))
