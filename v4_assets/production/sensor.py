"""The sensor that promotes, rolls back and sunsets: one tick, one order, one run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.names import ACTION_JOBS, ACTION_TAG, FIRST_ASSETS, ROLLOUT_SENSOR, SYNC_JOB
from v4_assets.production import overdue, recorded_orders
from v4_assets.production.attempts import next_attempt
from v4_assets.production.orders import Order
from v4_assets.production.overdue import due
from v4_assets.production.status import Status, read_status
from v4_assets.runs import end_left_over
from v4_assets.store import Store

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

SECONDS_BETWEEN_TICKS = 300


def rollout_sensor(rollout: Rollout, requested: "Sequence[AssetJob]", *, running: bool) -> dg.SensorDefinition:
    """The sensor, on or off as configured; `requested` are the jobs it may launch."""

    @dg.sensor(
        name=ROLLOUT_SENSOR,
        jobs=requested,
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=(
            "Completes what is unfinished, then reads the day's latest gates and the closed weeks before it "
            "and promotes, rolls back, sunsets or holds. Every hold says what it waits for."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        store: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        end_left_over(context.instance)
        status = read_status(context.instance, store, rollout, clock)
        since, live = due(rollout, status.rollout.today), status.rollout.live
        idle = status.order is None and status.hold is None
        if idle and overdue.sync_is_owed(context.instance, store, clock, live, since):
            return _owed(context, status)
        return answer(context, store, status, rollout, clock)

    return sensor


def _owed(context: dg.SensorEvaluationContext, status: Status) -> dg.SensorResult:
    """The run that brings the live version's scores to Salesforce after the day's run ended without."""
    day = status.rollout.today
    action = overdue.sync_action_id(day)
    attempt = next_attempt(context.instance, action, context.cursor, overdue.SYNC_ATTEMPTS)
    if attempt.number is None:
        reason = f"{status.decision.reason}; Salesforce has not received the scores of {day}: {attempt.reason}"
        return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=attempt.cursor)
    wanted = dg.RunRequest(
        run_key=f"{action}:{attempt.number}",
        job_name=SYNC_JOB,
        partition_key=day.isoformat(),
        tags={ACTION_TAG: action},
    )
    return dg.SensorResult(run_requests=[wanted], cursor=attempt.cursor)


def answer(
    context: dg.SensorEvaluationContext, store: Store, status: Status, rollout: Rollout, clock: Clock
) -> dg.SensorResult:
    """The run an status asks for, or the reason for none."""
    order = status.order
    if order is None:
        held = f"{status.decision.action.value}: {status.decision.reason}"
        return dg.SensorResult(skip_reason=dg.SkipReason(held), cursor=context.cursor)
    attempt = next_attempt(context.instance, order.event_id, context.cursor, rollout.policy.max_attempts)
    if attempt.number is None:
        reason = f"{order.kind} to {order.version}: {attempt.reason}"
        return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=attempt.cursor)
    config = recorded_orders.give(store, order, clock.now())
    return dg.SensorResult(run_requests=[request(order, config, attempt.number, status)], cursor=attempt.cursor)


def request(order: Order, config: dict[str, str], number: int, status: Status) -> dg.RunRequest:
    """The run that carries out an order; it carries the order's id alone."""
    return dg.RunRequest(
        run_key=f"{order.event_id}:{number}",
        job_name=ACTION_JOBS[order.kind],
        partition_key=status.rollout.today.isoformat(),
        run_config={"ops": {FIRST_ASSETS[order.kind]: {"config": config}}},
        tags={ACTION_TAG: order.event_id, "v4/attempt": str(number)},
    )
