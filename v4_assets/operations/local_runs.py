"""Running the graph in this process: one day, a range of gaps, the checklist, training."""

import gc
import getpass
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import dagster as dg

from v4_assets import jobs, recorded_checks, tables
from v4_assets.config.environment import Settings
from v4_assets.days import contiguous, verify_begun
from v4_assets.definitions import build
from v4_assets.errors import V4Error
from v4_assets.names import (
    DAILY_JOB,
    EVALUATION_JOB,
    ONLY_GAPS_TAG,
    PAST_DAY_JOB,
    PROCESS_TAG,
    REPLACE_LIVE_TAG,
    SCORING_JOB,
)
from v4_assets.operations import earlier_judgements
from v4_assets.operations.instance import dagster_instance
from v4_assets.partitions import lead_features, pruned_days
from v4_assets.production import production_row as production_store
from v4_assets.production import recorded_orders
from v4_assets.production.events import Production, state_after
from v4_assets.prospects import contracts
from v4_assets.resources import store
from v4_assets.runs import RANGE_END, RANGE_START, this_process
from v4_assets.store import Store
from v4_assets.warehouse import schema
from v4_assets.warehouse.protocol import Statement

_ONLY_GAPS = {ONLY_GAPS_TAG: "true"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class FailedCheck:
    """A check that did not pass."""

    asset: str
    check: str
    severity: str
    description: str


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run_id: str
    success: bool
    checks_passed: int
    checks_failed: tuple[FailedCheck, ...]
    errors: tuple[str, ...]
    """What stopped a step, one sentence each."""
    waits: str | None = None
    """What was left out and what it waits for; None when everything ran."""


@dataclass(frozen=True)
class Installed:
    """What `v4 init` left."""

    live: Production | None
    """None where nothing was adopted."""
    schema: int
    """The schema version the warehouse has now."""
    upgraded_from: int | None
    """The older one it had; None where nothing had to be upgraded."""


def init(settings: Settings, *, adopting: bool = True) -> Installed:
    """Create or upgrade tables and views and, if `adopting`, adopt the baseline; harmless when that is done."""
    record = store(settings, any_schema=True)
    with record.session():
        before = schema.upgrade(
            record.warehouse,
            record.catalogue,
            record.registry,
            settings.clock,
            taken_along=lambda: _earlier_judgements(settings, record),
        )
        live = production_store.adopt(record, settings.rollout, settings.clock) if adopting else record.production()
    return Installed(live, schema.NEEDED, before.version if before and before.version < schema.NEEDED else None)


def _earlier_judgements(settings: Settings, record: Store) -> list[Statement]:
    with dagster_instance(settings) as instance:
        return earlier_judgements.taken_along(record, instance)


def run_day(settings: Settings, day: date, *, replace_live: str | None = None) -> Outcome:
    """The daily job for today; for a day that is over, all of it but production, Salesforce and the report.

    `replace_live` is the reason for giving up what was written on that day, if any.
    """
    verify_days(settings, day, day)
    # One session for the whole day: every asset would open and close the file otherwise.
    record = store(settings)
    with record.session():
        name = DAILY_JOB if day == settings.clock.today() else PAST_DAY_JOB
        tags = replacing(settings, name, day, replace_live) if replace_live else {}
        outcome = run_job(settings, name, tags=tags, partition=day)
        if record.live() is None:
            waits = (
                f"no version is live, so production and Salesforce wait; `v4 init` adopts {settings.rollout.baseline}"
            )
            return replace(outcome, waits=waits)
    return outcome


def replacing(settings: Settings, job: str, day: date, reason: str) -> dict[str, str]:
    """Record the permission to replace what stands of a day in the tables of a job. Returns the tags of its run."""
    record = store(settings)
    made = {key.to_user_string() for key in build(settings).resolve_job_def(job).asset_layer.selected_asset_keys}
    keys = made & record.catalogue.keys() | {tables.LIFT_BY_DECILE} | _profiles(settings)
    names = {record.catalogue[key].name for key in keys - {tables.SOURCE_OBSERVATIONS}}
    at = settings.clock.now()
    return {REPLACE_LIVE_TAG: recorded_orders.permit_replacement(record, day, reason, names, at, operator())}


def _profiles(settings: Settings) -> set[str]:
    keys = [entry.key for entry in settings.rollout.versions.values()]
    return {make(key) for key in keys for make in (tables.profile_key, contracts.profile_key)}


def operator() -> str:
    """The operator's user name on this machine."""
    return f"{getpass.getuser()} (v4)"


def backfill(settings: Settings, first: date, last: date) -> list[tuple[date, date, Outcome]]:
    """Scores of the days that lack a partition, one run per stretch of them. Existing partitions are kept.

    `pruned_gaps` are left out.
    """
    verify_days(settings, first, last)
    with store(settings).session():
        missing = set(recorded_checks.gaps(store(settings), first, last, _scoring_keys(settings)))
        return [
            (start, end, run_job(settings, SCORING_JOB, tags=_range_tags(start, end)))
            for start, end in contiguous(missing.difference(pruned_gaps(settings, first, last)))
        ]


def pruned_gaps(settings: Settings, first: date, last: date) -> list[date]:
    """Days that lack a partition, or were not checked, and cannot be made again: `v4 prune` removed their features."""
    record = store(settings)
    pruned = pruned_days(record, lead_features(record.catalogue), first, last)
    return (
        [day for day in recorded_checks.gaps(record, first, last, _scoring_keys(settings)) if day in pruned]
        if pruned
        else []
    )


def evaluate(settings: Settings, days: Iterable[date]) -> list[tuple[date, date, Outcome]]:
    """Compare the versions on those of the days that were not evaluated yet, one run a day, oldest first.

    What a day has is kept and checked where it was not.
    """
    wanted = sorted(set(days))
    if not wanted:
        return []
    verify_days(settings, wanted[0], wanted[-1])
    missing = set(recorded_checks.gaps(store(settings), wanted[0], wanted[-1], jobs.EVALUATED)).intersection(wanted)
    with store(settings).session():
        runs = {day: run_job(settings, EVALUATION_JOB, tags=_ONLY_GAPS, partition=day) for day in sorted(missing)}
        return [(day, day, outcome) for day, outcome in runs.items()]


def _scoring_keys(settings: Settings) -> list[str]:
    """The tables of the daily path up to the scores, without those of archived versions."""
    archived = state_after(store(settings).events()).archived
    keys = [*tables.SHARED, tables.SOURCE_OBSERVATIONS]
    for version, entry in settings.rollout.versions.items():
        if version not in archived:
            keys += [tables.features_key(entry.key), tables.scores_key(entry.key)]
    return keys


def run_job(
    settings: Settings,
    name: str,
    *,
    tags: Mapping[str, str] | None = None,
    partition: date | str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Outcome:
    """Any job of the graph, in this process, recorded in the instance under V4_HOME. A month's partition is a text."""
    job = build(settings).resolve_job_def(name)
    with dagster_instance(settings) as instance, _collector_spared():
        result = job.execute_in_process(
            instance=instance,
            tags={PROCESS_TAG: this_process(), **(tags or {})},
            partition_key=str(partition) if partition else None,
            run_config={**QUIET, **(config or {})},
            raise_on_error=False,
        )
        return _outcome(result)


@contextmanager
def _collector_spared() -> Iterator[None]:
    """What is imported and defined by now stays through the run: the collector need not look through it every time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    evaluations = result.get_asset_check_evaluations()
    failed = tuple(
        FailedCheck(one.asset_key.to_user_string(), one.check_name, one.severity.value, one.description or "")
        for one in evaluations
        if not one.passed
    )
    return Outcome(
        run_id=result.run_id,
        success=result.success,
        checks_passed=len(evaluations) - len(failed),
        checks_failed=failed,
        errors=tuple(_errors(result.all_events)),
    )


def _errors(events: Iterable[dg.DagsterEvent]) -> Iterator[str]:
    for event in events:
        if event.is_step_failure and event.step_failure_data.error:
            error = event.step_failure_data.error
            # Dagster wraps what an asset raises; the cause is what a person can act on.
            cause = error.cause or error
            yield f"{event.step_key}: {cause.message.strip()}"


def _range_tags(first: date, last: date) -> dict[str, str]:
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat(), **_ONLY_GAPS}


def verify_days(settings: Settings, first: date, last: date) -> None:
    """Raise V4Error for an empty range, or for days that cannot be scored yet or any more."""
    today = settings.clock.today()
    verify_begun(settings.rollout.first_day, today)
    if first > last:
        raise V4Error(f"The range from {first} to {last} is empty. Give the earlier day first.")
    if first < settings.rollout.first_day:
        raise V4Error(
            f"{first} lies before first_day {settings.rollout.first_day} of rollout.yaml. Move first_day, or "
            f"start later."
        )
    if last > today:
        raise V4Error(f"{last} has not begun in New York, where it is {today}. Run it on its day.")
