"""What is due and not there: the day's scores, their delivery to Salesforce, the month, days that were never scored.

Dagster's own freshness policies ask whether an asset was made at all since midnight, whatever day it was made for.
Production's own sync must not wait for the challenger: when the day's run ended without it, it is run by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import dagster as dg

from v4_assets import recorded_checks, tables
from v4_assets.clock import NEW_YORK, Clock
from v4_assets.config.rollout import Rollout
from v4_assets.days import contiguous, days_between
from v4_assets.evaluation.cohorts import FIRST_SCORE_DAYS
from v4_assets.names import DAILY_JOB
from v4_assets.production import events as deployments
from v4_assets.production.events import SWITCHES, Event, state_after
from v4_assets.production.recorded_syncs import Delivery
from v4_assets.prospects import months
from v4_assets.prospects.months import key_of
from v4_assets.runs import PARTITION_TAG, at_work, executing
from v4_assets.store import Store

RUNS_READ = 20


@dataclass(frozen=True)
class Overdue:
    """Scores or sync of today, or scores of the month, that are not there although they are due."""

    what: str
    """scores, sync or month."""
    text: str


def due(rollout: Rollout, day: date) -> datetime:
    """The instant from which a day without its run is overdue. Before first_day none is."""
    return rollout.daily_run.on(max(day, rollout.first_day), NEW_YORK) + timedelta(minutes=rollout.policy.grace_minutes)


def overdue(
    instance: dg.DagsterInstance,
    store: Store,
    rollout: Rollout,
    clock: Clock,
    live: str | None,
    owed: str | None,
    *,
    differs: bool,
) -> Overdue | None:
    """The first thing of today that is overdue; None when nothing is, or its run is still executing.

    `owed` says why Salesforce lacks the live version's scores of today. With `differs` it carries another version's,
    which is wrong at any hour.
    """
    today = clock.today()
    is_due = clock.now() >= due(rollout, today)
    if live is None or not (is_due or differs):
        return None
    if _is_executing(instance, today.isoformat()):
        return None
    problems = recorded_checks.unpassed(store, today, live) if is_due else []
    if problems:
        return Overdue(
            "scores", f"{live}, the live version, has no scores of {today} that passed: {'; '.join(problems)}."
        )
    if owed:
        return Overdue("sync", f"Salesforce has not received {live}'s scores of {today}: {owed.rstrip('.')}.")
    late = months.late_month(store, rollout, live, today)
    return Overdue("month", late) if late and not _is_executing(instance, key_of(today)) else None


def _is_executing(instance: dg.DagsterInstance, partition: str) -> bool:
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": partition}), limit=RUNS_READ)
    return any(at_work(instance, run) for run in runs)


SYNC_ATTEMPTS = 3


def recorded_syncs(store: Store) -> Delivery:
    """Every sync on record."""
    rows = store.rows(tables.SALESFORCE_SYNCS)
    return Delivery([row | {"ended_at": row["ended_at"].astimezone(NEW_YORK)} for row in rows])


def owed_sync(store: Store, day: date, live: str | None) -> str | None:
    """Why Salesforce lacks the live version's scores of the day; None when they are delivered."""
    switch = deployments.state_after(store.events()).live
    return recorded_syncs(store).owed(day, live, switch.happened_at if switch else None)


def sync_action_id(day: date) -> str:
    """What the runs of a day's owed sync are tagged with."""
    return f"sync-{day}"


def sync_is_owed(instance: dg.DagsterInstance, store: Store, clock: Clock, live: str | None, since: datetime) -> bool:
    """Whether the live version's scores of today are good, no run is at work on them, and Salesforce lacks them.

    Before `since`, the instant from which the day's run is overdue, that run must have begun: it sends them itself.
    """
    day = clock.today()
    if live is None or owed_sync(store, day, live) is None:
        return False
    runs = dg.RunsFilter(job_name=DAILY_JOB, tags={PARTITION_TAG: day.isoformat()})
    if clock.now() < since and not instance.get_runs(runs, limit=1):
        return False
    return executing(instance, day) is None and not recorded_checks.unpassed(store, day, live)


@dataclass(frozen=True)
class LostDays:
    """Days before today on which a version that is compared was not scored, oldest first, and what they cost."""

    days: tuple[date, ...]
    judged_from: date
    """First day whose cohort may hold leads that entered on one of them."""
    matter_until: date
    """Last such day."""

    @property
    def command(self) -> str:
        """The command that makes up for them: it fills only gaps."""
        return f"v4 backfill --from {self.days[0]} --to {self.days[-1]} --evaluate"

    @property
    def sentence(self) -> str:
        """The days, the command and the dates."""
        stretches = [f"{first} to {last}" if first != last else f"{first}" for first, last in contiguous(self.days)]
        number = "1 day has" if len(self.days) == 1 else f"{len(self.days)} days have"
        return (
            f"{number} no scores: {', '.join(stretches)}. `{self.command}` makes up for them; their leads are judged "
            f"from {self.judged_from} until {self.matter_until}, and are uncovered where that is not done."
        )


def lost_days(store: Store, rollout: Rollout, clock: Clock, events: Sequence[Event]) -> LostDays | None:
    """The lost days that still matter; None without any.

    A fixed clock is moved by hand, so the days between two of its positions never took place and are not lost.
    """
    adopted = next((event.day for event in events if event.event == "adopted"), None)
    if clock.fixed or adopted is None:
        return None
    state, today = state_after(events), clock.today()
    first = max(adopted, rollout.first_day, today - timedelta(days=rollout.cohort_reach_days - 1))
    writes = store.latest_writes(first, today)
    missing = set[date]()
    for version in {rollout.baseline, rollout.candidate} - state.archived:
        table = store.catalogue[tables.scores_key(rollout.versions[version].key)].name
        scored = {day for name, day in writes if name == table}
        live = {event.day for event in events if event.event in SWITCHES and event.version == version}
        # A candidate is expected from its first scores on, a version that was live from that day on at the latest.
        if begun := min(scored | live, default=None):
            expected = days_between(max(first, begun + timedelta(days=1)), today - timedelta(days=1))
            missing |= set(expected) - scored
    return _lost(tuple(sorted(missing)), rollout)


def _lost(missing: tuple[date, ...], rollout: Rollout) -> LostDays | None:
    if not missing:
        return None
    matures = rollout.outcome_window_days + 1 + rollout.evaluation.label_lag_days
    return LostDays(
        missing,
        judged_from=missing[0] + timedelta(days=matures - FIRST_SCORE_DAYS),
        matter_until=missing[-1] + timedelta(days=rollout.cohort_reach_days - 1),
    )
