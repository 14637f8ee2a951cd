"""The days before today that a decision looks back on, each judged as it was recorded."""

from datetime import date, timedelta

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation import week_verdicts
from v4_assets.evaluation.evidence import Evidence
from v4_assets.production import gates, week_history
from v4_assets.production.decision import History, RolloutStatus
from v4_assets.production.weeks import name_of
from v4_assets.store import Store


def first_day_read(rollout: Rollout, today: date) -> date:
    """Far enough back for every streak of weeks a policy can require."""
    weeks = max(rollout.policy.promotion.weeks_running, *rollout.policy.rollback.weeks_running.model_dump().values(), 2)
    return today - timedelta(days=max(7 * (weeks + 2), rollout.policy.sunset.healthy_days + 7))


def history(store: Store, rollout: Rollout, status: RolloutStatus, recorded: list[Evidence]) -> History:
    """Every day read, judged as it was recorded; days without a record by the thresholds of today."""
    events, first = store.events(), min((row.prediction_date for row in recorded), default=status.today)
    found = gates.history_of(
        recorded,
        candidate=rollout.candidate,
        baseline=rollout.baseline,
        policy=rollout.policy,
        evaluation=rollout.evaluation,
        covered=week_verdicts.covered(store, rollout, events, status.today),
        live_on=week_verdicts.live_on(events, rollout),
    )
    name = store.catalogue[tables.LIFT_COMPARISON].name
    writes = store.latest_writes(first, status.today)
    sequences = {day: write.sequence for (table, day), write in writes.items() if table == name}
    return week_history.with_records(
        found, week_verdicts.recorded(store, first, status.today), sequences, status.live_since
    )


def policy_change(store: Store, rollout: Rollout, clock: Clock) -> str | None:
    today, weeks = clock.today(), rollout.policy.weeks
    recorded = week_verdicts.recorded(store, first_day_read(rollout, today), today)
    return week_history.changed_since(recorded, rollout.policy, rollout.evaluation, lambda day: name_of(day, weeks))
