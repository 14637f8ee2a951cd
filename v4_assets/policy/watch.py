"""While the candidate is live: when it is rolled back, when the baseline may go, and what watching has seen. Pure."""

from datetime import date

from v4_assets.policy.case import Case
from v4_assets.policy.decision import ROLLBACK_GATES, Action, Decision, Gate, Verdict
from v4_assets.policy.weeks import without_verdict

WEEKS_WITHOUT_VERDICT = 2
"""So many closed weeks running without a verdict of a rollback gate are told to a person."""


def _convicted(case: Case) -> tuple[str, tuple[Gate, ...]] | None:
    """The reason and the closing gates of every criterion that failed in enough weeks running."""
    said, deciding = [], []
    for name in ROLLBACK_GATES:
        weeks = case.failing(name)[-case.needed(name) :]
        if len(weeks) == case.needed(name):
            closing = " ".join(f"{close.week}: {close.gates[name].reason}" for close in weeks)
            said.append(f"{name} failed at {len(weeks)} week-closes running. {closing}")
            deciding += [close.gates[name] for close in weeks]
    return (" ".join(said), tuple(deciding)) if said else None


def rollback(case: Case) -> Decision | None:
    """Back to the baseline when a criterion failed in enough weeks running; otherwise nothing to say."""
    if case.standing.live_since is None:
        return case.hold(f"Nobody knows since when {case.standing.live} is live.", alert=True)
    convicted = _convicted(case)
    return Decision(Action.ROLLBACK, *convicted) if convicted else None


def breach_after_sunset(case: Case) -> Decision:
    convicted = _convicted(case)
    if convicted is None:
        said = f"{case.standing.candidate} is alone. {_seen(case, 'call for `v4 restore`')}".strip()
        return case.hold(said, case.bad(*ROLLBACK_GATES), alert=_unheard(case))
    reason, gates = convicted
    back = f"{case.standing.baseline} is archived: `v4 restore {case.standing.baseline}` brings it back."
    return case.hold(f"{reason} {back}", gates, alert=True)


def sunset(case: Case) -> Decision:
    """Archive the baseline when nothing speaks against it any more; otherwise say what is awaited."""
    standing, asked, cohort = case.standing, case.policy.sunset, case.circumstances.cohort_from
    live_since = standing.live_since or standing.today
    healthy = (standing.today - max(_failing_days(case, live_since))).days
    readers = case.circumstances.readers_left
    awaited = []
    if healthy < asked.healthy_days:
        awaited.append(f"{max(healthy, 0)} of {asked.healthy_days} healthy days")
    if cohort is None or cohort <= live_since:
        awaited.append(f"a matured cohort contacted wholly after {live_since}")
    if case.bad(*ROLLBACK_GATES):
        awaited.append("a cohort that passes every rollback criterion")
    if case.circumstances.readers_unknown:
        awaited.append(f"a look at who reads {standing.baseline}'s names: {case.circumstances.readers_unknown}")
    elif readers is None:
        awaited.append(f"somebody to say that nothing reads {standing.baseline}'s names any more")
    elif readers:
        awaited.append(f"the end of what still reads {standing.baseline}'s names: {', '.join(readers)}")
    if not awaited:
        reason = f"{standing.candidate} has been healthy for {healthy} days and nothing reads {standing.baseline}."
        return case.act(Action.SUNSET, asked.approval, reason, case.today)
    seen = _seen(case, f"roll back to {standing.baseline}")
    said = f"{seen} The sunset of {standing.baseline} waits for {'; '.join(awaited)}.".strip()
    return case.hold(said, case.bad(*ROLLBACK_GATES), alert=_unheard(case) or _on_its_way(case))


def _failing_days(case: Case, live_since: date) -> list[date]:
    """The promotion, and every day since on which a rollback gate failed, however it was evaluated."""
    days = {**{day: one.gates for day, one in case.history.items()}, case.standing.today: case.today}
    return [live_since] + [
        day
        for day, found in days.items()
        if live_since < day <= case.standing.today
        and any(gate.name in ROLLBACK_GATES and gate.verdict == Verdict.FAIL for gate in found)
    ]


def _seen(case: Case, consequence: str) -> str:
    """What watching has seen: weeks on their way to a conviction, today's bad gates, weeks without a verdict."""
    said = []
    for name in ROLLBACK_GATES:
        if weeks := case.failing(name):
            left = case.needed(name) - len(weeks)
            more = f"{left} more {'week' if left == 1 else 'weeks'} like it"
            closing = weeks[-1].gates[name].reason
            said.append(f"{weeks[-1].week} closed with {name} failing, and it takes {more} to {consequence}: {closing}")
        said += [f"Today: {gate.reason}" for gate in case.bad(name)]
        if len(silent := _silent(case, name)) >= WEEKS_WITHOUT_VERDICT:
            said.append(f"{name} had no verdict at the close of {', '.join(silent)}.")
    return " ".join(said)


def _silent(case: Case, name: str) -> tuple[str, ...]:
    """The latest weeks without a verdict of one gate; no more are named than it takes to tell a person."""
    since = case.standing.live_since or case.standing.today
    return without_verdict(case.watched, case.standing.today, since, name, at_most=WEEKS_WITHOUT_VERDICT)


def _on_its_way(case: Case) -> bool:
    """A week has closed with a rollback gate failing, and one more like it may convict."""
    return any(case.failing(name) for name in ROLLBACK_GATES)


def _unheard(case: Case) -> bool:
    return any(len(_silent(case, name)) >= WEEKS_WITHOUT_VERDICT for name in ROLLBACK_GATES)
