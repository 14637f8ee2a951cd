"""The next decision: what it asks, how far that is, and when it falls. In plain words. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from v4_assets.production.decision import (
    LIVE_PARALLEL_DAYS,
    MODEL_TEST_METRICS,
    NOT_BEHIND_BASELINE,
    ROLLBACK_GATES,
    TO_PROMOTE,
    Action,
    Decision,
    Gate,
    Phase,
    Verdict,
)
from v4_assets.production.decision_state import State
from v4_assets.production.weeks import WEEK, first_day, last_day
from v4_assets.report.wording import count, day, figure, free, label, line

MET, OPEN, MISSED = "met", "open", "missed"
STANDS = {Verdict.PASS: MET, Verdict.INCONCLUSIVE: OPEN, Verdict.FAIL: MISSED}


@dataclass(frozen=True)
class Criterion:
    """One thing that is asked for, what was found, and how it stands: met, open or missed."""

    asked: str
    found: str
    stands: str


@dataclass(frozen=True)
class Outlook:
    """The next decision in a sentence or two, and its criteria; none where a person alone decides."""

    said: str
    criteria: tuple[Criterion, ...] = ()


def outlook(decision: Decision, state: State | None) -> Outlook:
    """What comes next. `state` is what the decision was based on, None where nothing could be decided."""
    if state is None or state.status.disagreement:
        return Outlook(_sentence(decision.reason))
    criteria = CRITERIA[state.status.phase](state)
    return Outlook(_decided(decision, state) or SAID[state.status.phase](decision, state), criteria)


def _decided(decision: Decision, state: State) -> str | None:
    """What was decided already and is not carried out yet."""
    status = state.status
    what = {
        Action.PROMOTE: f"the promotion of {status.candidate}",
        Action.ROLLBACK: f"the rollback to {status.baseline}",
        Action.SUNSET: f"the sunset of {status.baseline}",
    }
    if decision.action is Action.ASK and decision.wanted:
        line = f"v4 approve {state.evidence_sha256[:12]}".rstrip()
        return f"A person must agree to {what[decision.wanted]}: `{line}`, which holds for today's evidence."
    if decision.action in what:
        return f"Decided: {what[decision.action]}. The sensor starts it at its next tick."
    return None


def _promotion(decision: Decision, state: State) -> str:
    status, asked = state.status, state.policy.promotion
    missing = []
    left = asked.weeks_running - len(state.earned)
    if left > 0:
        missing.append(f"a lift of at least {asked.lift_at_least:g} at {count(left, 'more week-close')}")
    for gate in state.not_passing(*TO_PROMOTE):
        if gate.name == LIVE_PARALLEL_DAYS:
            missing.append(count(int((gate.threshold or 0) - (gate.actual or 0)), "more day") + " side by side")
        else:
            missing.append(f"today's {label(gate)} on the good side")
    if state.failing_checks:
        missing.append("every check of the data passed")
    if state.prospects_missing:
        missing.append("the month's scores of the prospects")
    if not missing or status.phase_since is None:
        return _sentence(decision.reason)
    until = status.phase_since + timedelta(weeks=asked.expires_after_weeks)
    if status.today > until:
        return _sentence(decision.reason)
    needs = f"The promotion of {status.candidate} needs {_listed(missing)}."
    return f"{needs} {_next_close(state)} It can be earned until {day(until)}; after that a person decides."


def _watch(decision: Decision, state: State) -> str:
    status = state.status
    at_risk = [name for name in ROLLBACK_GATES if state.failing(name)]
    if at_risk:
        name = min(at_risk, key=lambda one: state.needed(one) - len(state.failing(one)))
        left, week = state.needed(name) - len(state.failing(name)), state.failing(name)[-1]
        gate = week.gates[name]
        return (
            f"{count(left, 'more week')} like {week.week} roll{'s' * (left == 1)} {status.candidate} back to "
            f"{status.baseline}: its {label(gate)} was {figure(gate)} there, and {line(gate)} is asked for. "
            f"{_next_close(state)}"
        )
    weeks = count(max(state.needed(name) for name in ROLLBACK_GATES), "week-close")
    return (
        f"{status.candidate} stays unless one figure misses its line, by more than chance explains, at {weeks} "
        f"running. {_last_close(state)} {_next_close(state)}"
    )


def _last_close(state: State) -> str:
    """Whether the latest closed week says anything: no evidence is not a good week."""
    last = state.watched.get(first_day(state.status.today, state.policy.weeks) - WEEK)
    spoken = last and all(last.gates[name].verdict is not Verdict.INCONCLUSIVE for name in ROLLBACK_GATES)
    return f"{last.week} closed with none missed." if last and spoken else "The last week has closed without a verdict."


def _as_the_sensor_says(decision: Decision, state: State) -> str:
    return _sentence(decision.reason)


def _parallel_criteria(state: State) -> tuple[Criterion, ...]:
    asked, weeks = state.policy.promotion, state.earned
    closed = f"{min(len(weeks), asked.weeks_running)} of {asked.weeks_running}"
    named = f" ({', '.join(one.week for one in weeks[-asked.weeks_running :])})" if weeks else ""
    failing = state.failing_checks
    return (
        Criterion(
            f"a lift of at least {asked.lift_at_least:g} at {count(asked.weeks_running, 'week-close')} running",
            closed + named,
            MET if len(weeks) >= asked.weeks_running else OPEN,
        ),
        *(
            Criterion(_asked(gate, state), _found(gate), STANDS[gate.verdict])
            for gate in state.gates
            if gate.name in TO_PROMOTE
        ),
        Criterion("every check of the data", ", ".join(failing) or "passed", MISSED if failing else MET),
        *([Criterion("the month's scores of the prospects", "missing", OPEN)] if state.prospects_missing else []),
    )


def _watch_criteria(state: State) -> tuple[Criterion, ...]:
    found = []
    for gate in state.gates:
        if gate.name in ROLLBACK_GATES:
            weeks, needed = state.failing(gate.name), state.needed(gate.name)
            missed = f"missed at {len(weeks)} of the {count(needed, 'week-close')} running that roll back"
            stands = MISSED if weeks or gate.verdict is Verdict.FAIL else STANDS[gate.verdict]
            found.append(Criterion(_asked(gate, state), f"{figure(gate)} today; {missed}", stands))
    return tuple(found)


def _none(state: State) -> tuple[Criterion, ...]:
    return ()


def _asked(gate: Gate, state: State) -> str:
    if gate.name == NOT_BEHIND_BASELINE:
        return f"lift not below {state.status.baseline}'s on the same leads"
    if gate.name == MODEL_TEST_METRICS:
        return "the model passed its own tests before it came here"
    return f"{label(gate)} of at least {line(gate)}"


def _found(gate: Gate) -> str:
    if gate.actual is None:
        return {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.INCONCLUSIVE: "not known"}[gate.verdict]
    return figure(gate) + (", no verdict" if gate.verdict is Verdict.INCONCLUSIVE else "")


def _next_close(state: State) -> str:
    closing = last_day(state.status.today, state.policy.weeks)
    return f"The next week closes on {day(closing, weekday=True, year=False)} and counts from the day after."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sentence(text: str) -> str:
    plain = free(text)
    # A version's name keeps its v.
    first = plain[:1] if re.match(r"v\d", plain) else plain[:1].upper()
    return first + plain[1:] + ("" if plain.endswith((".", "…", "`")) else ".")


SAID: dict[Phase, Callable[[Decision, State], str]] = {
    Phase.NOT_ADOPTED: _as_the_sensor_says,
    Phase.PARALLEL: _promotion,
    Phase.WATCH: _watch,
    Phase.ROLLED_BACK: _as_the_sensor_says,
    Phase.SUNSET: _as_the_sensor_says,
}
CRITERIA: dict[Phase, Callable[[State], tuple[Criterion, ...]]] = {
    Phase.NOT_ADOPTED: _none,
    Phase.PARALLEL: _parallel_criteria,
    Phase.WATCH: _watch_criteria,
    Phase.ROLLED_BACK: _none,
    Phase.SUNSET: _watch_criteria,
}
