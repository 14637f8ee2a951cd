"""The status of a rollout at one instant: phase, gates, decision, what is overdue or unfinished, the last sync.

The sensors, `v4 status`, alerts, report and page all use `read_status`: what is shown is what is acted on. Reads only.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import dagster as dg

from v4_assets import verdicts
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.production import events as deployments
from v4_assets.production import gates, pending_sync, references
from v4_assets.production.decide import decide
from v4_assets.production.decision import Action, Decision, Phase, RolloutStatus
from v4_assets.production.evaluations import DayEvaluation, NotEvaluated, evaluation_of
from v4_assets.production.events import DeploymentState, Event
from v4_assets.production.last_sync import last_sync
from v4_assets.production.orders import KIND, Order, gates_json, order_id
from v4_assets.production.overdue import Overdue, due, overdue
from v4_assets.production.state import State
from v4_assets.production.synced import Sync
from v4_assets.store import Store


@dataclass(frozen=True)
class Status:
    """A rollout at one instant, and what the sensor does next."""

    rollout: RolloutStatus
    decision: Decision
    unfinished: Event | None = None
    """An action that was started and is completed before anything is decided."""
    order: Order | None = None
    """The order that follows from the decision, or the unfinished one."""
    missing_day: date | None = None
    """A day whose run is overdue."""
    subject: str = "decision"
    """What a hold is about: an alert is raised once per subject and week."""
    state: State | None = None
    """What the decision was based on; None when nothing could be decided."""
    events: tuple[Event, ...] = ()
    """The history of production, oldest first."""
    overdue: Overdue | None = None
    """Scores or sync of today that should be there by now."""
    sync: Sync | None = None
    """The last sync on record; None before the first."""
    synced_today: bool = False
    """A sync of today has finished; a dry run counts."""


def read_status(
    instance: dg.DagsterInstance,
    store: Store,
    rollout: Rollout,
    clock: Clock,
    *,
    asking: str | None = None,
    through: Event | None = None,
) -> Status:
    """Read everything once. A run that reads at its last step is `asking`; `through` is the event it records next."""
    with store.session():
        events = (*store.events(), *([through] if through else []))
        found = _decided(instance, store, rollout, clock, events, asking)
        due_now = not (asking or found.missing_day or found.unfinished)
        return replace(
            found,
            events=events,
            overdue=overdue(instance, store, rollout, clock, found.rollout.live) if due_now else None,
            sync=last_sync(instance, store),
            synced_today=pending_sync.is_done(instance, clock.today()),
        )


def _decided(
    instance: dg.DagsterInstance,
    store: Store,
    rollout: Rollout,
    clock: Clock,
    events: tuple[Event, ...],
    asking: str | None,
) -> Status:
    """Phase, gates and decision of today."""
    today, live = clock.today(), store.production()
    status = deployments.rollout_status(
        events,
        baseline=rollout.baseline,
        candidate=rollout.candidate,
        today=today,
        production=(live.version, live.event_id) if live else None,
    )
    deployed = deployments.state_after(events)
    if deployed.unfinished:
        return _to_be_resumed(store, rollout, status, deployed.unfinished, clock)
    evaluation = evaluation_of(instance, rollout, today, compared(rollout, deployed), asking)
    if isinstance(evaluation, NotEvaluated):
        return _without_evaluation(evaluation, status, rollout, clock)
    recorded = store.comparisons(_first_day_read(rollout, today), today)
    rows = [row for row in recorded if row.prediction_date == today]
    if digest(rows) != evaluation.evidence_sha256:
        reason = (
            f"the gates of {today} were taken on evidence {evaluation.evidence_sha256[:12]}, the warehouse holds "
            f"{digest(rows)[:12]}; run the day again"
        )
        return Status(status, Decision(Action.HOLD, reason, alert=True), subject=f"evidence of {today}")
    state = _state(
        store, rollout, status, deployed, evaluation, recorded, _approved(events, rollout, evaluation, clock)
    )
    decision = decide(state)
    return Status(status, decision, order=_order(decision, status, rollout, deployed, rows, evaluation), state=state)


def _state(
    store: Store,
    rollout: Rollout,
    status: RolloutStatus,
    deployed: DeploymentState,
    evaluation: DayEvaluation,
    recorded: list[Evidence],
    approved: Action | None,
) -> State:
    """Everything the decision of today is based on."""
    readers, unchecked = _baseline_readers(store, rollout) if status.phase is Phase.WATCH else (None, None)
    judged = [row for row in recorded if row.prediction_date == status.today and row.question == "rollback"]
    return State(
        status,
        evaluation.gates,
        gates.history_of(
            recorded,
            candidate=rollout.candidate,
            baseline=rollout.baseline,
            policy=rollout.policy,
            evaluation=rollout.evaluation,
        ),
        rollout.policy,
        failing_checks=evaluation.failing,
        approved=approved,
        rolled_back_before=rollout.candidate in deployed.rolled_back,
        cohort_from=next((row.cohort_from for row in judged if row.version == rollout.candidate), None),
        baseline_readers=readers,
        unchecked_readers=unchecked,
    )


def compared(rollout: Rollout, deployed: DeploymentState) -> tuple[str, ...]:
    """The versions scored side by side: without those that were sunset."""
    return tuple(version for version in (rollout.baseline, rollout.candidate) if version not in deployed.archived)


def _to_be_resumed(store: Store, rollout: Rollout, status: RolloutStatus, started: Event, clock: Clock) -> Status:
    """An unfinished action is resumed once today's scores have passed: attempts before that would be wasted."""
    today, order = status.today, Order.again(started)
    what = f"{started.event} ({started.version}) of {started.day} is completed before anything is decided"
    problems = verdicts.unpassed(store, today, started.version) if order.kind != "sunset" else []
    if not problems:
        return Status(status, Decision(Action.HOLD, what), started, order)
    reason = f"{what}, and waits for scores of {today} that passed: {'; '.join(problems)}"
    decision = Decision(Action.HOLD, reason, alert=clock.now() >= due(rollout, today))
    return Status(status, decision, started, subject=f"scores of {today}")


def _without_evaluation(evaluation: NotEvaluated, status: RolloutStatus, rollout: Rollout, clock: Clock) -> Status:
    """Hold, and say whether the day's run is overdue."""
    deadline = due(rollout, status.today)
    if status.phase is Phase.NOT_ADOPTED:
        return Status(status, Decision(Action.HOLD, "nothing is adopted yet; `v4 init` adopts the baseline"))
    if evaluation.in_flight:
        return Status(status, Decision(Action.HOLD, evaluation.reason))
    if clock.now() < deadline:
        reason = f"{evaluation.reason}; it is due at {rollout.daily_run}, missing from {deadline:%H:%M} on"
        return Status(status, Decision(Action.HOLD, reason))
    return Status(status, Decision(Action.HOLD, evaluation.reason, alert=True), missing_day=status.today)


def _first_day_read(rollout: Rollout, today: date) -> date:
    """Far enough back for every streak of weeks a policy can require."""
    weeks = max(rollout.policy.promotion.weeks_running, *rollout.policy.rollback.weeks_running.model_dump().values(), 2)
    return today - timedelta(days=max(7 * (weeks + 2), rollout.policy.sunset.healthy_days + 7))


def _baseline_readers(store: Store, rollout: Rollout) -> tuple[tuple[str, ...] | None, str | None]:
    """Who still reads the baseline by name, or why that cannot be checked: it must not block a rollback."""
    try:
        return references.named(references.readers(store, rollout, rollout.baseline)), None
    except V4Error as error:
        return None, str(error)


def _approved(events: tuple[Event, ...], rollout: Rollout, evaluation: DayEvaluation, clock: Clock) -> Action | None:
    """The action approved on exactly this evidence, while the approval is valid."""
    earliest = clock.now() - timedelta(hours=rollout.policy.promotion.approval_valid_hours)
    for event in reversed(events):
        approves = event.event == "approved" and event.evidence_sha256 == evaluation.evidence_sha256
        if approves and event.happened_at >= earliest:
            return Action.PROMOTE if event.version == rollout.candidate else Action.SUNSET
    return None


def _order(
    decision: Decision,
    status: RolloutStatus,
    rollout: Rollout,
    deployed: DeploymentState,
    rows: list[Evidence],
    evaluation: DayEvaluation,
) -> Order | None:
    if decision.action not in KIND:
        return None
    kind = KIND[decision.action]
    version = rollout.candidate if kind == "promotion" else rollout.baseline
    expected = deployed.live.event_id if deployed.live else ""
    judged = {row.model_sha256 for row in rows if row.version == version}
    return Order(
        event_id=order_id(kind, version, expected, evaluation.evidence_sha256),
        kind=kind,
        version=version,
        previous=status.live if kind != "sunset" else None,
        expected_event_id=expected,
        reason=decision.reason,
        decided_by="rollout_sensor",
        gates=gates_json(decision.gates),
        evidence_day=status.today.isoformat(),
        evidence_sha256=evaluation.evidence_sha256,
        model_sha256=judged.pop() if len(judged) == 1 else None,
    )
