"""Running the graph in this process: one day, a range of gaps, the checklist, training."""

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from v4_assets import jobs, tables
from v4_assets.config.environment import Settings
from v4_assets.days import contiguous, days_between
from v4_assets.errors import V4Error
from v4_assets.graph import build
from v4_assets.names import (
    DAILY_JOB,
    EVALUATION_JOB,
    ONLY_GAPS_TAG,
    PAST_DAY_JOB,
    PROCESS_TAG,
    REPLACE_LIVE_TAG,
    SCORING_JOB,
)
from v4_assets.operations.instance import dagster_instance
from v4_assets.production import store as production_store
from v4_assets.production.assets import archived_versions
from v4_assets.production.events import Production
from v4_assets.resources import store
from v4_assets.runs import this_process
from v4_assets.warehouse import schema

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
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


@dataclass(frozen=True)
class Installed:
    """What `v4 init` left."""

    live: Production
    schema: int
    """The schema version the warehouse has now."""
    upgraded_from: int | None
    """The older one it had; None where nothing had to be upgraded."""


def init(settings: Settings) -> Installed:
    """Create or upgrade tables and views and adopt the baseline; harmless when that is done."""
    record = store(settings, any_schema=True)
    with record.session():
        before = schema.upgrade(record.warehouse, record.catalogue, record.registry, settings.clock)
        live = production_store.adopt(record, settings.rollout, settings.clock)
    return Installed(live, schema.NEEDED, before.version if before and before.version < schema.NEEDED else None)


def run_day(settings: Settings, day: date, *, replace_live: str | None = None) -> Outcome:
    """The daily job for today; for a day that is over, all of it but production, Salesforce and the report.

    `replace_live` is the reason for giving up what was written on that day, if any.
    """
    _verify_days(settings, day, day)
    tags = {REPLACE_LIVE_TAG: replace_live} if replace_live else {}
    # One session for the whole day: every asset would open and close the file otherwise.
    with store(settings).session():
        name = DAILY_JOB if day == settings.clock.today() else PAST_DAY_JOB
        return run_job(settings, name, tags=tags, partition=day)


def backfill(settings: Settings, first: date, last: date) -> list[tuple[date, date, Outcome]]:
    """Scores of the days that lack a partition, one run per stretch of them. Existing partitions are kept."""
    _verify_days(settings, first, last)
    with store(settings).session():
        return [
            (start, end, run_job(settings, SCORING_JOB, tags=_range_tags(start, end)))
            for start, end in contiguous(gaps(settings, first, last, _scoring_keys(settings)))
        ]


def evaluate(settings: Settings, days: Iterable[date]) -> list[tuple[date, date, Outcome]]:
    """Compare the versions on those of the days that were not evaluated yet, one run a day, oldest first."""
    wanted = sorted(set(days))
    if not wanted:
        return []
    _verify_days(settings, wanted[0], wanted[-1])
    missing = set(gaps(settings, wanted[0], wanted[-1], jobs.EVALUATED))
    with store(settings).session():
        return [(day, day, run_job(settings, EVALUATION_JOB, partition=day)) for day in wanted if day in missing]


def gaps(settings: Settings, first: date, last: date, keys: Iterable[str]) -> list[date]:
    """Days from `first` to `last` on which one of the tables has no partition yet."""
    record = store(settings)
    daily = [record.catalogue[key].name for key in keys]
    written = record.latest_writes(first, last)
    return [day for day in days_between(first, last) if any((name, day) not in written for name in daily)]


def _scoring_keys(settings: Settings) -> list[str]:
    """The tables of the daily path up to the scores, without those of archived versions."""
    archived = archived_versions(settings.places.registry)
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
    partition: date | None = None,
    config: Mapping[str, Any] | None = None,
) -> Outcome:
    """Any job of the graph, in this process, recorded in the instance under V4_HOME."""
    job = build(settings).resolve_job_def(name)
    with dagster_instance(settings) as instance, _collector_spared():
        result = job.execute_in_process(
            instance=instance,
            tags={PROCESS_TAG: this_process(), **(tags or {})},
            partition_key=partition.isoformat() if partition else None,
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
    return {RANGE_START: first.isoformat(), RANGE_END: last.isoformat(), ONLY_GAPS_TAG: "true"}


def _verify_days(settings: Settings, first: date, last: date) -> None:
    today = settings.clock.today()
    if first > last:
        raise V4Error(f"The range from {first} to {last} is empty. Give the earlier day first.")
    if first < settings.rollout.first_day:
        raise V4Error(
            f"{first} lies before first_day {settings.rollout.first_day} of rollout.yaml. Move first_day, or "
            f"start later."
        )
    if last > today:
        raise V4Error(f"{last} has not begun in New York, where it is {today}. Run it on its day.")
