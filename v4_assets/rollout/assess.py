"""One look at the rollout: where it stands, what the day's checks said, what is to be done. Reads only.

Both sensors, `v4 status` and `v4 tick` look through here, so that what is shown is what is acted on.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import dagster as dg

from v4_assets.clock import NEW_YORK, Clock
from v4_assets.configuration.rollout_file import Rollout
from v4_assets.errors import V4Error
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.evaluation.store import evidence_rows
from v4_assets.policy import gates
from v4_assets.policy.decide import decide
from v4_assets.policy.decision import Action, Decision, Phase, RolloutStatus
from v4_assets.policy.state import State
from v4_assets.record import deployments, production, verdicts
from v4_assets.record.deployments import DeploymentState, Event
from v4_assets.references import readers as references
from v4_assets.resources.warehouse import Warehouse
from v4_assets.rollout.evaluations import DayEvaluation, NotEvaluated, evaluation_of
from v4_assets.rollout.orders import KIND, Order, gates_json, order_id

RUN_AT = time(6)
"""When the day's run is due, New York."""


@dataclass(frozen=True)
class Assessment:
    """What is known and what follows."""

    status: RolloutStatus
    decision: Decision
    unfinished: Event | None = None
    """An action that has begun and is carried through before anything is decided."""
    order: Order | None = None
    """What the decision orders, or what is unfinished."""
    missing_day: date | None = None
    """A day whose run should be over and is not there."""
    matter: str = "decision"
    """What a hold is about: other matters of the same week are told, too."""
    state: State | None = None
    """What the decision was based on; None when nothing could be decided."""


def assess(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    rollout: Rollout,
    clock: Clock,
    *,
    asking: str | None = None,
    through: Event | None = None,
) -> Assessment:
    """Look once. A run that looks at its last step is `asking`, and `through` is what it records afterwards."""
    today = clock.today()
    catalogue = rollout.catalogue
    with warehouse.session():
        events = [*production.history(warehouse, catalogue), *([through] if through else [])]
        live = production.current(warehouse, catalogue)
        status = deployments.rollout_status(
            events,
            baseline=rollout.baseline,
            candidate=rollout.candidate,
            today=today,
            production=(live.version, live.event_id) if live else None,
        )
        deployed = deployments.state_after(events)
        if deployed.unfinished:
            return _to_be_resumed(warehouse, rollout, status, deployed.unfinished, clock)
        evaluation = evaluation_of(instance, rollout, today, compared(rollout, deployed), asking)
        if isinstance(evaluation, NotEvaluated):
            return _without(evaluation, status, rollout, clock)
        recorded = evidence_rows(warehouse, catalogue, _first_day_looked_at(rollout, today), today)
        rows = [row for row in recorded if row.prediction_date == today]
        if digest(rows) != evaluation.evidence_sha256:
            reason = (
                f"the gates of {today} were taken on evidence {evaluation.evidence_sha256[:12]}, the warehouse holds "
                f"{digest(rows)[:12]}; run the day again"
            )
            return Assessment(status, Decision(Action.HOLD, reason, alert=True), matter=f"evidence of {today}")
        history = gates.history_of(
            recorded,
            candidate=rollout.candidate,
            baseline=rollout.baseline,
            policy=rollout.policy,
            evaluation=rollout.evaluation,
        )
        own = [row for row in rows if row.version == rollout.candidate and row.question == "rollback"]
        readers, unchecked = _baseline_readers(warehouse, rollout) if status.phase is Phase.WATCH else (None, None)
        state = State(
            status,
            evaluation.gates,
            history,
            rollout.policy,
            failing_checks=evaluation.failing,
            approved=_approved(events, rollout, evaluation.evidence_sha256, clock.now()),
            rolled_back_before=rollout.candidate in deployed.rolled_back,
            cohort_from=own[0].cohort_from if own else None,
            baseline_readers=readers,
            unchecked_readers=unchecked,
        )
        decision = decide(state)
    order = _order(decision, status, rollout, deployed, rows, evaluation)
    return Assessment(status, decision, order=order, state=state)


def compared(rollout: Rollout, deployed: DeploymentState) -> tuple[str, ...]:
    """The versions scored side by side: without those that were sunset."""
    return tuple(version for version in (rollout.baseline, rollout.candidate) if version not in deployed.archived)


def _to_be_resumed(
    warehouse: Warehouse, rollout: Rollout, status: RolloutStatus, begun: Event, clock: Clock
) -> Assessment:
    """What has begun goes on, once there is something to go on with: attempts before the day's run would be wasted."""
    today, order = status.today, Order.again(begun)
    said = f"{_told(begun)} is carried through before anything is decided"
    problems = verdicts.unpassed(warehouse, rollout.catalogue, today, begun.version) if order.kind != "sunset" else []
    if not problems:
        return Assessment(status, Decision(Action.HOLD, said), begun, order)
    reason = f"{said}, and waits for scores of {today} that passed: {'; '.join(problems)}"
    decision = Decision(Action.HOLD, reason, alert=clock.now() >= due(rollout, today))
    return Assessment(status, decision, begun, matter=f"scores of {today}")


def due(rollout: Rollout, day: date) -> datetime:
    """From when on a day without its run is missing."""
    return datetime.combine(day, RUN_AT, NEW_YORK) + timedelta(minutes=rollout.policy.grace_minutes)


def _without(evaluation: NotEvaluated, status: RolloutStatus, rollout: Rollout, clock: Clock) -> Assessment:
    from_then = due(rollout, status.today)
    if status.phase is Phase.NOT_ADOPTED:
        return Assessment(status, Decision(Action.HOLD, "nothing is adopted yet; `v4 init` adopts the baseline"))
    if evaluation.in_flight:
        return Assessment(status, Decision(Action.HOLD, evaluation.reason))
    if clock.now() < from_then:
        return Assessment(
            status,
            Decision(Action.HOLD, f"{evaluation.reason}; it is due at 06:00, missing from {from_then:%H:%M} on"),
        )
    return Assessment(status, Decision(Action.HOLD, evaluation.reason, alert=True), missing_day=status.today)


def _first_day_looked_at(rollout: Rollout, today: date) -> date:
    """Far enough back for every streak a policy can ask for."""
    weeks = max(rollout.policy.promotion.weeks_running, *rollout.policy.rollback.weeks_running.model_dump().values(), 2)
    return today - timedelta(days=max(7 * (weeks + 2), rollout.policy.sunset.healthy_days + 7))


def _baseline_readers(warehouse: Warehouse, rollout: Rollout) -> tuple[tuple[str, ...] | None, str | None]:
    """Who still reads the baseline by name, or why that cannot be checked: it must not block a rollback."""
    try:
        return references.named(references.readers(warehouse, rollout, rollout.baseline)), None
    except V4Error as error:
        return None, str(error)


def _approved(events: list[Event], rollout: Rollout, evidence_sha256: str, now: datetime) -> Action | None:
    """What a person agreed to on exactly this evidence, while that is valid."""
    valid = timedelta(hours=rollout.policy.promotion.approval_valid_hours)
    for event in reversed(events):
        if event.event == "approved" and event.evidence_sha256 == evidence_sha256 and now - event.happened_at <= valid:
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


def _told(event: Event) -> str:
    return f"{event.event} ({event.version}) of {event.day}"
