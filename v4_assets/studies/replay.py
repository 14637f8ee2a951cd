"""Replays a policy on recorded evidence, day by day, as if its decisions had been executed. Pure.

What no evidence records is taken to have been well: the bundle's own test figures, the days in parallel, the data
checks, and that no reader uses the old names. A promotion counts as approved at once, a sunset by `approval: manual`
to be asked for and never answered. A cohort stays as long as it was recorded: a policy that asks for more
conversions than it holds finds it short.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

from v4_assets.config.rollout_policy import Evaluation, Policy
from v4_assets.evaluation.evidence import Evidence
from v4_assets.production.decision import (
    LIVE_PARALLEL_DAYS,
    MODEL_TEST_METRICS,
    Action,
    Decision,
    Gate,
    History,
    Phase,
    RolloutStatus,
    Verdict,
)
from v4_assets.production.decision_state import State
from v4_assets.production.gates import history_of
from v4_assets.production.rules import decide

AFTER = {Action.PROMOTE: Phase.WATCH, Action.ROLLBACK: Phase.ROLLED_BACK, Action.SUNSET: Phase.SUNSET}


@dataclass(frozen=True)
class Replayed:
    """One recorded day: the policy's decision in the phase that its own earlier decisions led to."""

    day: date
    phase: Phase
    decision: Decision
    retrospective: bool
    happened: tuple[str, ...] = ()
    """The recorded events of that day, as text."""

    @property
    def acts(self) -> bool:
        """Whether it would have changed what is live, or archived the baseline."""
        return self.decision.action in AFTER


def replay(
    evidence: Iterable[Evidence],
    policy: Policy,
    evaluation: Evaluation,
    *,
    candidate: str,
    baseline: str,
    adopted: date,
    until: date | None = None,
    happened: Mapping[date, Sequence[str]] | None = None,
) -> list[Replayed]:
    """Every day with evidence from `adopted` on, oldest first; days before it are history only.

    Counting live days in parallel begins at `adopted`, among days whose evidence was computed on that very day. Days on
    which something `happened` without evidence are not decided on and do not appear.
    """
    rows = sorted(evidence, key=lambda row: row.prediction_date)
    by_day = {day: tuple(group) for day, group in groupby(rows, lambda row: row.prediction_date)}
    history = history_of(rows, candidate=candidate, baseline=baseline, policy=policy, evaluation=evaluation)
    status = RolloutStatus(Phase.PARALLEL, baseline, candidate, baseline, adopted, adopted, adopted)
    live_days, replayed = 0, []
    for day in sorted(by_day):
        if day < adopted or (until and day > until):
            continue
        live_days += not history[day].retrospective
        past = {earlier: one for earlier, one in history.items() if earlier < day}
        status = replace(status, today=day)
        today = (*history[day].gates, *_assumed(live_days, policy.promotion.min_parallel_days))
        decision = decide(_state(by_day[day], status, today, past, policy))
        words = tuple((happened or {}).get(day, ()))
        replayed.append(Replayed(day, status.phase, decision, history[day].retrospective, words))
        status = _after(status, decision.action)
    return replayed


def as_dicts(days: Sequence[Replayed]) -> list[dict[str, Any]]:
    """The days as JSON shows them."""
    return [
        {
            "day": one.day,
            "phase": one.phase.value,
            "action": one.decision.action.value,
            "reason": one.decision.reason,
            "retrospective": one.retrospective,
            "happened": one.happened,
        }
        for one in days
    ]


def as_text(days: Sequence[Replayed]) -> str:
    """The days with a decision or an event, with the reason; then the final phase."""
    if not days:
        return "No evidence is stored, so nothing can be replayed."
    lines = []
    for one in days:
        if one.acts:
            lines.append(f"{one.day}  would {one.decision.action.value}: {one.decision.reason}")
        lines += [f"{one.day}  happened: {words}" for words in one.happened]
    last = days[-1]
    acted = sum(one.acts for one in days)
    times = "once" if acted == 1 else f"{acted} times"
    ended = AFTER.get(last.decision.action, last.phase).value
    lines.append(
        f"{len(days)} days with evidence, {days[0].day} to {last.day}; it would have acted {times} and ended in "
        f"the phase {ended}. On {last.day}: {last.decision.reason}"
    )
    return "\n".join(lines)


def _assumed(live_days: int, needed: int) -> tuple[Gate, ...]:
    """The gates that no evidence records."""
    enough = Verdict.PASS if live_days >= needed else Verdict.INCONCLUSIVE
    reason = f"{live_days} of {needed} days evaluated live."
    return (
        Gate(MODEL_TEST_METRICS, Verdict.PASS, "The bundle's own figures are taken to pass."),
        Gate(LIVE_PARALLEL_DAYS, enough, reason, float(live_days), float(needed)),
    )


def _state(
    rows: Sequence[Evidence], status: RolloutStatus, gates: tuple[Gate, ...], history: History, policy: Policy
) -> State:
    cohort = [row.cohort_from for row in rows if row.question == "rollback" and row.version == status.candidate]
    return State(
        status,
        gates,
        history,
        policy,
        approved=Action.PROMOTE,
        cohort_from=cohort[0] if cohort else None,
        baseline_readers=(),
    )


def _after(status: RolloutStatus, action: Action) -> RolloutStatus:
    """The rollout's status after the action, which is executed on the day it is decided."""
    if action not in AFTER:
        return status
    switches = action in (Action.PROMOTE, Action.ROLLBACK)
    live = {Action.PROMOTE: status.candidate, Action.ROLLBACK: status.baseline}.get(action, status.live)
    since = status.today if switches else status.live_since
    return replace(status, phase=AFTER[action], live=live, live_since=since, phase_since=status.today)
