"""From gates to a decision: which rules apply in which phase. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta

from v4_assets.production.decision import (
    EVIDENCE_GATES,
    GATE_NAMES,
    PROMOTION_LIFT,
    ROLLBACK_GATES,
    TO_PROMOTE,
    Action,
    Decision,
    Gate,
    Phase,
    Verdict,
)
from v4_assets.production.decision_state import Rule, State
from v4_assets.production.weeks import Close, without_verdict

WEEKS_WITHOUT_VERDICT = 2
"""Consecutive closed weeks without a verdict of a rollback gate after which an alert is raised."""


def _convicted(state: State) -> tuple[str, tuple[Gate, ...]] | None:
    """The reason and the closing gates of every criterion that failed in enough consecutive weeks."""
    reasons: list[str] = []
    deciding: list[Gate] = []
    judged: dict[date, Close] = {}
    for name in ROLLBACK_GATES:
        weeks = state.failing(name)[-state.needed(name) :]
        if len(weeks) == state.needed(name):
            closing = " ".join(f"{close.week}: {close.gates[name].reason}" for close in weeks)
            reasons.append(f"{name} failed at {len(weeks)} consecutive week-closes. {closing}")
            deciding += [close.gates[name] for close in weeks]
            judged.update({close.day: close for close in weeks})
    reasons += _ranked_by(state, list(judged.values()))
    return (" ".join(reasons), tuple(deciding)) if reasons else None


def _ranked_by(state: State, weeks: list[Close]) -> list[str]:
    """Says so when leads were contacted before the live version ranked them for calling."""
    since, cohorts = state.status.live_since, [close.cohort for close in weeks if close.cohort]
    if since is None or not cohorts:
        return []
    first, last = min(one[0] for one in cohorts), max(one[1] for one in cohorts)
    if first >= since:
        return []
    whole = "All" if last < since else "Some"
    return [
        f"{whole} of these leads, contacted {first} to {last}, were contacted before {state.status.live} went live on "
        f"{since}: the version before it ranked them for calling."
    ]


def rollback(state: State) -> Decision | None:
    """Back to the baseline when a criterion failed in enough consecutive weeks; None otherwise."""
    if state.status.live_since is None:
        return state.hold(
            f"The start of {state.status.live}'s time in production is not recorded in v4_deployments.", alert=True
        )
    convicted = _convicted(state)
    return Decision(Action.ROLLBACK, *convicted) if convicted else None


def breach_after_sunset(state: State) -> Decision:
    """Hold after a sunset; a criterion that would have rolled back raises an alert that names `v4 restore`."""
    convicted = _convicted(state)
    if convicted is None:
        summary = (
            f"{state.status.candidate} is the only version. {_watch_summary(state, 'call for `v4 restore`')}".strip()
        )
        return state.hold(summary, state.not_passing(*ROLLBACK_GATES), alert=_lacks_verdicts(state))
    reason, gates = convicted
    back = f"{state.status.baseline} is archived: `v4 restore {state.status.baseline}` brings it back."
    return state.hold(f"{reason} {back}", gates, alert=True)


def sunset(state: State) -> Decision:
    """Archive the baseline once every condition is met; otherwise hold and list what is missing."""
    status, asked, cohort = state.status, state.policy.sunset, state.cohort_from
    live_since = status.live_since or status.today
    healthy = (status.today - max(_failing_days(state, live_since))).days
    readers = state.baseline_readers
    awaited = []
    if healthy < asked.healthy_days:
        awaited.append(f"{max(healthy, 0)} of {asked.healthy_days} healthy days")
    if cohort is None or cohort <= live_since:
        awaited.append(f"a matured cohort contacted wholly after {live_since}")
    if state.not_passing(*ROLLBACK_GATES):
        awaited.append("a cohort that passes every rollback criterion")
    if state.unchecked_readers:
        awaited.append(f"a check of what reads {status.baseline}'s names: {state.unchecked_readers}")
    elif readers is None:
        awaited.append(f"a check that nothing reads {status.baseline}'s names")
    elif readers:
        awaited.append(f"these readers of {status.baseline}'s names to be moved: {', '.join(readers)}")
    if not awaited:
        reason = f"{status.candidate} has been healthy for {healthy} days and nothing reads {status.baseline}."
        return state.act(Action.SUNSET, asked.approval, reason, state.gates)
    summary = _watch_summary(state, f"roll back to {status.baseline}")
    reason = f"{summary} The sunset of {status.baseline} waits for {'; '.join(awaited)}.".strip()
    alert = _lacks_verdicts(state) or _may_convict_next(state)
    return state.hold(reason, state.not_passing(*ROLLBACK_GATES), alert=alert)


def _failing_days(state: State, live_since: date) -> list[date]:
    """The day of the promotion, and every day since on which a rollback gate failed, live or retrospective."""
    days = {**{day: one.gates for day, one in state.history.items()}, state.status.today: state.gates}
    return [live_since] + [
        day
        for day, found in days.items()
        if live_since < day <= state.status.today
        and any(gate.name in ROLLBACK_GATES and gate.verdict == Verdict.FAIL for gate in found)
    ]


def _watch_summary(state: State, consequence: str) -> str:
    """Failing weeks so far, today's gates that do not pass, and weeks without a verdict."""
    parts = []
    for name in ROLLBACK_GATES:
        if weeks := state.failing(name):
            left = state.needed(name) - len(weeks)
            more = f"{left} more such {'week' if left == 1 else 'weeks'}"
            closing = weeks[-1].gates[name].reason
            parts.append(f"{weeks[-1].week} closed with {name} failing; {more} will {consequence}: {closing}")
        parts += [f"Today: {gate.reason}" for gate in state.not_passing(name)]
        if len(weeks_without := _without_verdict(state, name)) >= WEEKS_WITHOUT_VERDICT:
            parts.append(f"{name} had no verdict at the close of {', '.join(weeks_without)}.")
    return " ".join(parts)


def _without_verdict(state: State, name: str) -> tuple[str, ...]:
    """The latest consecutive weeks without a verdict of one gate, at most as many as raise an alert."""
    today, weeks = state.status.today, state.policy.weeks
    since = state.status.live_since or today
    return without_verdict(state.watched, today, weeks, since, name, at_most=WEEKS_WITHOUT_VERDICT)


def _may_convict_next(state: State) -> bool:
    """The latest week closed with a rollback gate failing, so the next one may convict."""
    return any(state.failing(name) for name in ROLLBACK_GATES)


def _lacks_verdicts(state: State) -> bool:
    """A rollback gate had no verdict for long enough to raise an alert."""
    return any(len(_without_verdict(state, name)) >= WEEKS_WITHOUT_VERDICT for name in ROLLBACK_GATES)


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
