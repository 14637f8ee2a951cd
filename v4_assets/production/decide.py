"""From gates to a decision: which rules apply in which phase. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from v4_assets.production.decision import (
    EVIDENCE_GATES,
    GATE_NAMES,
    PROMOTION_LIFT,
    TO_PROMOTE,
    Action,
    Decision,
    Gate,
    Phase,
)
from v4_assets.production.state import Rule, State
from v4_assets.production.watch import breach_after_sunset, rollback, sunset


def decide(state: State) -> Decision:
    """What the sensor does now: the first rule of the phase that applies decides."""
    if state.status.disagreement:
        return Decision(Action.HOLD, state.status.disagreement, alert=True)
    for rule in RULES[state.status.phase]:
        if decision := rule(state):
            return decision
    raise AssertionError(f"No rule of {state.status.phase} applied.")


def _awaits_adoption(state: State) -> Decision:
    return state.hold(f"Nothing is live yet: `v4 init` adopts {state.status.baseline}.")


def _complete(state: State) -> Decision | None:
    """Hold unless every gate was evaluated today exactly once."""
    names = tuple(gate.name for gate in state.gates)
    if sorted(names) == sorted(GATE_NAMES):
        return None
    missing = [name for name in GATE_NAMES if name not in names]
    unknown = sorted({name for name in names if names.count(name) > 1 or name not in GATE_NAMES})
    parts = [f"{', '.join(missing)} missing"] * bool(missing) + [f"{', '.join(unknown)} unexpected"] * bool(unknown)
    return state.hold(f"Today's gates are not complete: {'; '.join(parts)}.", alert=True)


def _excluded(state: State) -> Decision | None:
    """The candidate may not be promoted, whatever its gates are."""
    status, weeks = state.status, state.policy.promotion.expires_after_weeks
    again = f"`v4 allow {status.candidate} --reason …` lets it compete again."
    if state.rolled_back_before:
        return state.hold(f"{status.candidate} was rolled back and has not been allowed since. {again}")
    if status.phase_since is None:
        return state.hold("The start of the parallel phase is not recorded in v4_deployments.", alert=True)
    if status.today > status.phase_since + timedelta(weeks=weeks):
        tried = f"{status.candidate} has run in parallel since {status.phase_since} and has not earned its promotion"
        return state.hold(f"{tried} in {weeks} weeks. The parallel phase has expired: {again}", alert=True)
    return None


def _promotion(state: State) -> Decision:
    asked, status = state.policy.promotion, state.status
    weeks = state.earned
    awaited = _summary(state.not_passing(*TO_PROMOTE))
    if len(weeks) < asked.weeks_running:
        done = f" ({', '.join(close.week for close in weeks)})" if weeks else ""
        line = f"with a lift of at least {asked.lift_at_least:g}"
        awaited.insert(0, f"{len(weeks)} of {asked.weeks_running} consecutive weeks closed {line}{done}.")
    if state.failing_checks:
        awaited.append(f"Checks fail: {', '.join(state.failing_checks)}.")
    if state.prospects_missing:
        awaited.append(state.prospects_missing)
    if awaited:
        return state.hold(f"{status.candidate} waits: {' '.join(awaited)}", state.not_passing(*TO_PROMOTE))
    deciding = weeks[-asked.weeks_running :]
    closes = " ".join(f"{close.week}: {close.gates[PROMOTION_LIFT].reason}" for close in deciding)
    today = "Today every gate of a promotion passes and no check fails."
    reason = f"{status.candidate} has earned its promotion. {closes} {today}"
    deciders = tuple(gate for gate in state.gates if gate.name in TO_PROMOTE)
    return state.act(Action.PROMOTE, asked.approval, reason, deciders)


def _summary(bad: Sequence[Gate]) -> list[str]:
    """Which gates do not pass, and why: one reason for the evidence gates, since they share a cohort."""
    names = [f"Not passed today: {', '.join(f'{gate.name} ({gate.verdict.name})' for gate in bad)}."] if bad else []
    shared = [gate.reason for gate in bad if gate.name in EVIDENCE_GATES][:1]
    return names + shared + [gate.reason for gate in bad if gate.name not in EVIDENCE_GATES]


def _stays_out(state: State) -> Decision:
    status = state.status
    since = f" on {status.phase_since}" if status.phase_since else ""
    again = f"`v4 allow {status.candidate} --reason …` lets it compete again."
    return state.hold(f"{status.candidate} was rolled back{since}. {again}")


RULES: dict[Phase, tuple[Rule, ...]] = {
    Phase.NOT_ADOPTED: (_awaits_adoption,),
    Phase.PARALLEL: (_complete, _excluded, _promotion),
    Phase.WATCH: (_complete, rollback, sunset),
    Phase.ROLLED_BACK: (_stays_out,),
    Phase.SUNSET: (_complete, breach_after_sunset),
}
"""The rules of each phase, in order. The last one always applies."""
