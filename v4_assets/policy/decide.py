"""From gates to a decision: what may happen in which phase, and what it waits for. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from v4_assets.configuration.rollout_policy import Policy
from v4_assets.policy.case import Case, Rule
from v4_assets.policy.decision import (
    EVIDENCE_GATES,
    GATE_NAMES,
    PROMOTION_LIFT,
    Action,
    Circumstances,
    Decision,
    Gate,
    History,
    Phase,
    Standing,
)
from v4_assets.policy.watch import breach_after_sunset, rollback, sunset


def decide(
    standing: Standing,
    today: tuple[Gate, ...],
    history: History,
    policy: Policy,
    circumstances: Circumstances | None = None,
) -> Decision:
    """What the sensor does now. The first rule of the phase that has something to say decides."""
    if standing.disagreement:
        return Decision(Action.HOLD, standing.disagreement, alert=True)
    case = Case(standing, today, history, policy, circumstances or Circumstances())
    for rule in RULES[standing.phase]:
        if decision := rule(case):
            return decision
    raise AssertionError(f"No rule of {standing.phase} had anything to say.")


def _awaits_adoption(case: Case) -> Decision:
    return case.hold(f"Nothing is live yet; `v4 init` adopts {case.standing.baseline}.")


def _complete(case: Case) -> Decision | None:
    """A day that was not evaluated by every gate, each once, decides nothing."""
    names = tuple(gate.name for gate in case.today)
    if sorted(names) == sorted(GATE_NAMES):
        return None
    missing = [name for name in GATE_NAMES if name not in names]
    unknown = sorted({name for name in names if names.count(name) > 1 or name not in GATE_NAMES})
    said = [f"{', '.join(missing)} missing"] * bool(missing) + [f"{', '.join(unknown)} too many"] * bool(unknown)
    return case.hold(f"Today's gates are not complete: {'; '.join(said)}.", alert=True)


def _kept_out(case: Case) -> Decision | None:
    """The candidate may not be promoted, whatever it shows."""
    standing, weeks = case.standing, case.policy.promotion.expires_after_weeks
    again = f"`v4 allow {standing.candidate} --reason …` lets it compete again."
    if case.circumstances.rolled_back_before:
        return case.hold(f"{standing.candidate} was rolled back and nobody has allowed it since. {again}")
    if standing.phase_since is None:
        return case.hold("Nobody knows since when the versions run in parallel.", alert=True)
    if standing.today > standing.phase_since + timedelta(weeks=weeks):
        said = f"{standing.candidate} has run in parallel since {standing.phase_since} and has not earned its promotion"
        return case.hold(f"{said} in {weeks} weeks. A person decides: {again}", alert=True)
    return None


def _promotion(case: Case) -> Decision:
    asked, standing = case.policy.promotion, case.standing
    weeks = case.earned
    awaited = _briefly(case.bad(*GATE_NAMES))
    if len(weeks) < asked.weeks_running:
        done = f" ({', '.join(close.week for close in weeks)})" if weeks else ""
        line = f"with a lift of at least {asked.lift_at_least:g}"
        awaited.insert(0, f"{len(weeks)} of {asked.weeks_running} weeks running closed {line}{done}.")
    if case.circumstances.data_checks_failing:
        awaited.append(f"Checks fail: {', '.join(case.circumstances.data_checks_failing)}.")
    if awaited:
        return case.hold(f"{standing.candidate} waits: {' '.join(awaited)}", case.bad(*GATE_NAMES))
    deciding = weeks[-asked.weeks_running :]
    said = " ".join(f"{close.week}: {close.gates[PROMOTION_LIFT].reason}" for close in deciding)
    reason = f"{standing.candidate} has earned its promotion. {said} Today every gate passes, and no check fails."
    return case.act(Action.PROMOTE, asked.approval, reason, case.today)


def _briefly(bad: Sequence[Gate]) -> list[str]:
    """Which gates do not pass, and why: of those on evidence the first speaks, for they share a cohort."""
    said = [f"Not passed today: {', '.join(f'{gate.name} ({gate.verdict.name})' for gate in bad)}."] if bad else []
    shared = [gate.reason for gate in bad if gate.name in EVIDENCE_GATES][:1]
    return said + shared + [gate.reason for gate in bad if gate.name not in EVIDENCE_GATES]


def _stays_out(case: Case) -> Decision:
    standing = case.standing
    since = f" on {standing.phase_since}" if standing.phase_since else ""
    again = f"`v4 allow {standing.candidate} --reason …` lets it compete again."
    return case.hold(f"{standing.candidate} was rolled back{since}. {again}")


RULES: dict[Phase, tuple[Rule, ...]] = {
    Phase.NOT_ADOPTED: (_awaits_adoption,),
    Phase.PARALLEL: (_complete, _kept_out, _promotion),
    Phase.WATCH: (_complete, rollback, sunset),
    Phase.ROLLED_BACK: (_stays_out,),
    Phase.SUNSET: (_complete, breach_after_sunset),
}
"""What may happen in each phase. The last rule of a phase always decides."""
