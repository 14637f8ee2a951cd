"""The status of a rollout at one instant: phase, gates, decision, what is overdue or unfinished, the last sync.

The sensors, `v4 status`, alerts, report and page all use `read_status`: what is shown is what is acted on. Reads only.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import dagster as dg

from v4_assets import recorded_checks
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation import booked_calls
from v4_assets.evaluation.call_votes import Warning
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.production import day_evaluations, orders, references
from v4_assets.production import events as deployments
from v4_assets.production.day_evaluations import DayEvaluation, NotEvaluated, evaluation_of
from v4_assets.production.decision import Action, Decision, Phase, RolloutStatus
from v4_assets.production.decision_state import State
from v4_assets.production.events import DeploymentState, Event
from v4_assets.production.orders import Order, following
from v4_assets.production.overdue import LostDays, Overdue, due, lost_days, overdue, owed_sync, recorded_syncs
from v4_assets.production.recorded_syncs import Sync
from v4_assets.production.rules import decide
from v4_assets.prospects import months
from v4_assets.runs import executing
from v4_assets.store import Store


@dataclass(frozen=True)
class Status:
    """A rollout at one instant, and what the sensor does next."""

    rollout: RolloutStatus
    decision: Decision
    unfinished: Event | None = None
    """A started action, completed before anything is decided."""
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
    lost: LostDays | None = None
    """Days before today that were not scored and still matter."""
    carries: str | None = None
    """The version whose scores Salesforce carries instead of the live one's; None where it carries those or none."""
    synced_today: bool = False
    """The live version's scores of today are delivered; a dry run counts."""
    warning: Warning | None = None
    """The early warning on booked calls; None while the candidate is not live."""
    hold: Event | None = None
    """The hold in force; None without one."""
    policy_change: str | None = None
    """How rollout.yaml differs from the thresholds of the latest close; None where it does not."""


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
        today, syncs, live = clock.today(), recorded_syncs(store), store.live()
        owed, carries = owed_sync(store, today, live), syncs.differs_from(live)
        found = _decided(instance, store, rollout, clock, events, asking, owed)
        found = orders.status_on_hold(found, orders.hold_at(events, clock.now()))
        due_now = not (asking or found.unfinished) and (carries or not found.missing_day)
        return replace(
            found,
            events=events,
            overdue=overdue(instance, store, rollout, clock, live, owed, differs=bool(carries)) if due_now else None,
            sync=syncs.last,
            carries=carries,
            lost=lost_days(store, rollout, clock, events),
            synced_today=owed is None,
            warning=booked_calls.standing_warning(store, rollout, events, today),
            policy_change=day_evaluations.policy_change(store, rollout, clock),
        )


def _decided(
    instance: dg.DagsterInstance,
    store: Store,
    rollout: Rollout,
    clock: Clock,
    events: tuple[Event, ...],
    asking: str | None,
    owed: str | None,
) -> Status:
    """Phase, gates and decision of today. `owed` says why the live version's scores are not delivered."""
    today, live = clock.today(), store.production()
    status = deployments.rollout_status(
        events,
        baseline=rollout.baseline,
        candidate=rollout.candidate,
        today=today,
        production=(live.version, live.event_id) if live else None,
    )
    deployed = deployments.state_after(events)
    if deployed.unfinished and not orders.supersedes("rollback", deployed.unfinished):
        return _to_be_resumed(store, rollout, status, deployed.unfinished, clock)
    found = _judged(instance, store, rollout, clock, status, events, asking, owed)
    if deployed.unfinished is None:
        return found
    if found.order is None or found.order.kind != "rollback":
        return _to_be_resumed(store, rollout, status, deployed.unfinished, clock)
    return replace(found, order=orders.superseding(found.order, deployed.unfinished))


def _judged(
    instance: dg.DagsterInstance,
    store: Store,
    rollout: Rollout,
    clock: Clock,
    status: RolloutStatus,
    events: tuple[Event, ...],
    asking: str | None,
    owed: str | None,
) -> Status:
    """The decision on today's gates."""
    today, deployed = status.today, deployments.state_after(events)
    evaluation = evaluation_of(store, today, compared(rollout, deployed))
    run = executing(instance, today, but=asking)
    if isinstance(evaluation, NotEvaluated):
        return _without_evaluation(evaluation, status, rollout, clock, run)
    if run:
        return Status(status, Decision(Action.HOLD, _still_executing(run, today)))
    if owed:
        evaluation = replace(evaluation, failing=(*evaluation.failing, f"salesforce_sync: {owed.rstrip('.')}"))
    recorded = store.comparisons(day_evaluations.first_day_read(rollout, today), today)
    rows = [row for row in recorded if row.prediction_date == today]
    if digest(rows) != evaluation.evidence_sha256:
        reason = (
            f"the gates of {today} were taken on evidence {evaluation.evidence_sha256[:12]}, the warehouse holds "
            f"{digest(rows)[:12]}; run the day again"
        )
        return Status(status, Decision(Action.HOLD, reason, alert=True), subject=f"evidence of {today}")
    since = clock.now() - timedelta(hours=rollout.policy.promotion.approval_valid_hours)
    approved = deployments.approved(events, rollout.candidate, evaluation.evidence_sha256, since)
    state = _state(store, rollout, status, deployed, evaluation, recorded, approved)
    decision = decide(state)
    order = following(store, decision, status, rollout, deployed, rows)
    return Status(status, decision, order=order, state=state)


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
    readers, unchecked = references.of_baseline(store, rollout) if status.phase is Phase.WATCH else (None, None)
    judged = [row for row in recorded if row.prediction_date == status.today and row.question == "rollback"]
    return State(
        status,
        evaluation.gates,
        day_evaluations.history(store, rollout, status, recorded),
        rollout.policy,
        failing_checks=evaluation.failing,
        approved=approved,
        rolled_back_before=rollout.candidate in deployed.rolled_back,
        cohort_from=next((row.cohort_from for row in judged if row.version == rollout.candidate), None),
        baseline_readers=readers,
        evidence_sha256=evaluation.evidence_sha256,
        unchecked_readers=unchecked,
        prospects_missing=(
            months.missing_scores(store, rollout, rollout.candidate, status.today)
            if status.phase is Phase.PARALLEL
            else None
        ),
    )


def compared(rollout: Rollout, deployed: DeploymentState) -> tuple[str, ...]:
    """The versions scored side by side: without those that were sunset."""
    return tuple(version for version in (rollout.baseline, rollout.candidate) if version not in deployed.archived)


def _to_be_resumed(store: Store, rollout: Rollout, status: RolloutStatus, started: Event, clock: Clock) -> Status:
    """An unfinished action is resumed once today's scores have passed: attempts before that would be wasted."""
    today, order = status.today, Order.again(started)
    what = f"{started.event} ({started.version}) of {started.day} is completed before anything is decided"
    problems = recorded_checks.unpassed(store, today, started.version) if order.kind != "sunset" else []
    if not problems:
        return Status(status, Decision(Action.HOLD, what), started, order)
    reason = f"{what}, and waits for scores of {today} that passed: {'; '.join(problems)}"
    decision = Decision(Action.HOLD, reason, alert=clock.now() >= due(rollout, today))
    return Status(status, decision, started, subject=f"scores of {today}")


def _still_executing(run: dg.DagsterRun, today: date) -> str:
    return f"run {run.run_id} ({run.job_name}) of {today} is still executing"


def _without_evaluation(
    evaluation: NotEvaluated, status: RolloutStatus, rollout: Rollout, clock: Clock, run: dg.DagsterRun | None
) -> Status:
    """Hold, and say whether the day's run is overdue. A day that was judged and written again is not missing."""
    deadline = due(rollout, status.today)
    if status.phase is Phase.NOT_ADOPTED:
        return Status(status, Decision(Action.HOLD, "nothing is adopted yet; `v4 init` adopts the baseline"))
    if run:
        reason = f"{evaluation.reason}: {_still_executing(run, status.today)}"
        return Status(status, Decision(Action.HOLD, reason))
    if evaluation.is_stale:
        decision = Decision(Action.HOLD, evaluation.reason, alert=True)
        return Status(status, decision, subject=f"evidence of {status.today}")
    if status.today < rollout.first_day:
        reason = f"the rollout begins on {rollout.first_day}, first_day of rollout.yaml"
        return Status(status, Decision(Action.HOLD, reason))
    if clock.now() < deadline:
        reason = f"{evaluation.reason}; it is due at {rollout.daily_run}, missing from {deadline:%H:%M} on"
        return Status(status, Decision(Action.HOLD, reason))
    return Status(status, Decision(Action.HOLD, evaluation.reason, alert=True), missing_day=status.today)
