"""While the candidate is live: when it is rolled back, when the baseline may go, and what watching has seen. Pure."""

from datetime import date

from v4_assets.policy.decision import ROLLBACK_GATES, Action, Decision, Gate, Verdict
from v4_assets.policy.state import State
from v4_assets.policy.weeks import without_verdict

WEEKS_WITHOUT_VERDICT = 2
"""So many closed weeks running without a verdict of a rollback gate are told to a person."""


def _convicted(state: State) -> tuple[str, tuple[Gate, ...]] | None:
    """The reason and the closing gates of every criterion that failed in enough weeks running."""
    said, deciding = [], []
    for name in ROLLBACK_GATES:
        weeks = state.failing(name)[-state.needed(name) :]
        if len(weeks) == state.needed(name):
            closing = " ".join(f"{close.week}: {close.gates[name].reason}" for close in weeks)
            said.append(f"{name} failed at {len(weeks)} week-closes running. {closing}")
            deciding += [close.gates[name] for close in weeks]
    return (" ".join(said), tuple(deciding)) if said else None


def rollback(state: State) -> Decision | None:
    """Back to the baseline when a criterion failed in enough weeks running; otherwise nothing to say."""
    if state.status.live_since is None:
        return state.hold(f"Nobody knows since when {state.status.live} is live.", alert=True)
    convicted = _convicted(state)
    return Decision(Action.ROLLBACK, *convicted) if convicted else None


def breach_after_sunset(state: State) -> Decision:
    convicted = _convicted(state)
    if convicted is None:
        said = f"{state.status.candidate} is alone. {_seen(state, 'call for `v4 restore`')}".strip()
        return state.hold(said, state.not_passing(*ROLLBACK_GATES), alert=_unheard(state))
    reason, gates = convicted
    back = f"{state.status.baseline} is archived: `v4 restore {state.status.baseline}` brings it back."
    return state.hold(f"{reason} {back}", gates, alert=True)


def sunset(state: State) -> Decision:
    """Archive the baseline when nothing speaks against it any more; otherwise say what is awaited."""
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
        awaited.append(f"a look at who reads {status.baseline}'s names: {state.unchecked_readers}")
    elif readers is None:
        awaited.append(f"somebody to say that nothing reads {status.baseline}'s names any more")
    elif readers:
        awaited.append(f"the end of what still reads {status.baseline}'s names: {', '.join(readers)}")
    if not awaited:
        reason = f"{status.candidate} has been healthy for {healthy} days and nothing reads {status.baseline}."
        return state.act(Action.SUNSET, asked.approval, reason, state.gates)
    seen = _seen(state, f"roll back to {status.baseline}")
    said = f"{seen} The sunset of {status.baseline} waits for {'; '.join(awaited)}.".strip()
    return state.hold(said, state.not_passing(*ROLLBACK_GATES), alert=_unheard(state) or _on_its_way(state))


def _failing_days(state: State, live_since: date) -> list[date]:
    """The promotion, and every day since on which a rollback gate failed, however it was evaluated."""
    days = {**{day: one.gates for day, one in state.history.items()}, state.status.today: state.gates}
    return [live_since] + [
        day
        for day, found in days.items()
        if live_since < day <= state.status.today
        and any(gate.name in ROLLBACK_GATES and gate.verdict == Verdict.FAIL for gate in found)
    ]


def _seen(state: State, consequence: str) -> str:
    """What watching has seen: weeks on their way to a conviction, today's bad gates, weeks without a verdict."""
    said = []
    for name in ROLLBACK_GATES:
        if weeks := state.failing(name):
            left = state.needed(name) - len(weeks)
            more = f"{left} more {'week' if left == 1 else 'weeks'} like it"
            closing = weeks[-1].gates[name].reason
            said.append(f"{weeks[-1].week} closed with {name} failing, and it takes {more} to {consequence}: {closing}")
        said += [f"Today: {gate.reason}" for gate in state.not_passing(name)]
        if len(silent := _silent(state, name)) >= WEEKS_WITHOUT_VERDICT:
            said.append(f"{name} had no verdict at the close of {', '.join(silent)}.")
    return " ".join(said)


def _silent(state: State, name: str) -> tuple[str, ...]:
    """The latest weeks without a verdict of one gate; no more are named than it takes to tell a person."""
    since = state.status.live_since or state.status.today
    return without_verdict(state.watched, state.status.today, since, name, at_most=WEEKS_WITHOUT_VERDICT)


def _on_its_way(state: State) -> bool:
    """A week has closed with a rollback gate failing, and one more like it may convict."""
    return any(state.failing(name) for name in ROLLBACK_GATES)


def _unheard(state: State) -> bool:
    return any(len(_silent(state, name)) >= WEEKS_WITHOUT_VERDICT for name in ROLLBACK_GATES)
