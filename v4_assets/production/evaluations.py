"""A day's checks as Dagster recorded them: the gates shown in the UI are the gates the sensor acts on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import takewhile
from typing import Any

import dagster as dg

from v4_assets import tables
from v4_assets.config.rollout import Rollout
from v4_assets.names import ACTION_TAG, SALESFORCE_SYNC
from v4_assets.production.decision import GATE_NAMES, Gate, Verdict
from v4_assets.runs import at_work

MUST_HOLD = ("all_accounted_for", "read_back_equals_warehouse")
"""Checks of the sync that a switch must pass to be finished."""
KEYS = (tables.features_key, tables.scores_key)
RUNS_READ = 50
Evaluations = Mapping[str, Mapping[str, dg.AssetCheckEvaluation]]
"""Asset to check to its evaluation."""


@dataclass(frozen=True)
class DayEvaluation:
    """The checks of one day, all of one run."""

    run_id: str
    gates: tuple[Gate, ...]
    evidence_sha256: str
    failing: tuple[str, ...]
    """Checks of features, scores and sync that failed, and steps that did; they stand in the way of promotion."""


@dataclass(frozen=True)
class NotEvaluated:
    """Why a day cannot be acted on."""

    reason: str
    in_flight: bool = False
    """A run is executing: the day will be evaluated."""


def evaluation_of(
    instance: dg.DagsterInstance, rollout: Rollout, day: date, compared: Sequence[str], asking: str | None = None
) -> DayEvaluation | NotEvaluated:
    """The evaluation of a day by the run that judged it last. `compared` are the versions whose data checks count.

    `asking` is the run that asks: it is still executing its last step, and counts as successful.
    """
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(tables.LIFT_COMPARISON), asset_partitions=[day.isoformat()])
    records = instance.fetch_materializations(wanted, limit=1).records
    if not records:
        return _unevaluated(instance, day)
    run = instance.get_run_by_id(records[0].run_id)
    if run is None:
        return NotEvaluated(f"the run that evaluated {day} was deleted from Dagster; run the day again")
    if run.run_id != asking and at_work(instance, run):
        return NotEvaluated(f"run {run.run_id} of {day} is still executing", in_flight=True)
    later = [one for one in _later(instance, day, run) if one.run_id != asking]
    for one in later:
        if at_work(instance, one):
            return NotEvaluated(f"run {one.run_id} ({one.job_name}) of {day} is executing again", in_flight=True)
    run = instance.get_run_by_id(run.run_id) or run
    well = run.is_success or run.run_id == asking
    judged = _judged(rollout, day, compared, run, checks_of_run(instance, run.run_id), well=well)
    if isinstance(judged, NotEvaluated):
        return judged
    broken = [one for one in map(instance.get_run_by_id, (one.run_id for one in later)) if one and not one.is_success]
    ended = [f"run {one.run_id} ({one.job_name}), later on, ended as {one.status.value}" for one in broken]
    return replace(judged, failing=(*judged.failing, *ended))


def _later(instance: dg.DagsterInstance, day: date, run: dg.DagsterRun) -> list[dg.DagsterRun]:
    """Runs of the day after the one that evaluated it: they may have found bad data. Actions do not evaluate."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": day.isoformat()}), limit=RUNS_READ)
    newer = takewhile(lambda one: one.run_id != run.run_id, runs)
    return [one for one in newer if ACTION_TAG not in one.tags]


def _judged(
    rollout: Rollout, day: date, compared: Sequence[str], run: dg.DagsterRun, found: Evaluations, *, well: bool
) -> DayEvaluation | NotEvaluated:
    """What one run found, if it evaluated everything."""
    gates = found.get(tables.LIFT_COMPARISON, {})
    if missing := [name for name in GATE_NAMES if name not in gates]:
        return NotEvaluated(f"run {run.run_id} of {day} left out the gates {', '.join(missing)}; run the day again")
    data = [key(rollout.versions[version].key) for version in compared for key in KEYS]
    if elsewhere := [name for name in data if name not in found]:
        return NotEvaluated(
            f"the gates of {day} are of run {run.run_id}, the checks of {', '.join(elsewhere)} of another; "
            "run the whole day again, so that one run answers for all"
        )
    shas = {str(_value(gates[name], "evidence_sha256")) for name in GATE_NAMES}
    if len(shas) != 1:
        return NotEvaluated(f"the gates of {day} were taken on different evidence; run the day again")
    failing = [
        f"{asset}.{name}"
        for asset in (*data, SALESFORCE_SYNC)
        for name, one in found.get(asset, {}).items()
        if not one.passed and one.severity == dg.AssetCheckSeverity.ERROR
    ]
    if not well:
        failing.append(f"run {run.run_id} ended as {run.status.value}")
    return DayEvaluation(run.run_id, tuple(_gate(gates[name]) for name in GATE_NAMES), shas.pop(), tuple(failing))


def gates_of_run(instance: dg.DagsterInstance, run_id: str) -> tuple[Gate, ...]:
    """The gates a run has evaluated so far; none where any is missing."""
    found = checks_of_run(instance, run_id).get(tables.LIFT_COMPARISON, {})
    return tuple(_gate(found[name]) for name in GATE_NAMES) if all(name in found for name in GATE_NAMES) else ()


def gates_of_day(instance: dg.DagsterInstance, day: date) -> tuple[Gate, ...]:
    """The gates of the run that judged a day last; none where it was not judged."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(tables.LIFT_COMPARISON), asset_partitions=[day.isoformat()])
    records = instance.fetch_materializations(wanted, limit=1).records
    return gates_of_run(instance, records[0].run_id) if records else ()


def checks_of_run(instance: dg.DagsterInstance, run_id: str) -> Evaluations:
    """Every check evaluation of a run so far."""
    found: dict[str, dict[str, dg.AssetCheckEvaluation]] = {}
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            one = event.asset_check_evaluation_data
            found.setdefault(one.asset_key.to_user_string(), {})[one.check_name] = one
    return found


def owed_by_sync(instance: dg.DagsterInstance, run_id: str) -> tuple[str, ...]:
    """What Salesforce lacks or shows differently after a run's sync, one sentence each. A dry run owes nothing.

    Rows that the org refused permanently are recorded and not owed.
    """
    checks = checks_of_run(instance, run_id).get(SALESFORCE_SYNC, {})
    owed = [f"{name}: {one.description}" for name, one in checks.items() if name in MUST_HOLD and not one.passed]
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records:
        made = record.event_log_entry.asset_materialization
        if made is not None and made.asset_key.to_user_string() == SALESFORCE_SYNC and "pending" in made.metadata:
            pending = made.metadata["pending"].value
            owed += [f"{pending} leads are pending"] if pending else []
    return tuple(owed)


def _gate(one: dg.AssetCheckEvaluation) -> Gate:
    return Gate(
        name=one.check_name,
        verdict=Verdict[str(_value(one, "verdict"))],
        reason=one.description or "",
        actual=_number(one, "actual"),
        threshold=_number(one, "threshold"),
        bound=_number(one, "bound"),
        alert=bool(_value(one, "alert")),
    )


def _number(one: dg.AssetCheckEvaluation, name: str) -> float | None:
    value = _value(one, name)
    return float(value) if isinstance(value, int | float) else None


def _value(one: dg.AssetCheckEvaluation, name: str) -> Any:
    return one.metadata[name].value if name in one.metadata else None


def _unevaluated(instance: dg.DagsterInstance, day: date) -> NotEvaluated:
    """Why the day is not evaluated: a run is executing, the last run failed before it, or there was none."""
    tags, reason = {"dagster/partition": day.isoformat()}, f"lift_comparison of {day} was not evaluated"
    for run in instance.get_runs(dg.RunsFilter(tags=tags), limit=1):
        if at_work(instance, run):
            return NotEvaluated(f"{reason} yet: run {run.run_id} ({run.job_name}) is still executing", in_flight=True)
    for run in instance.get_runs(dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.FAILURE]), limit=1):
        return NotEvaluated(f"{reason}: run {run.run_id} ({run.job_name}) failed before it")
    return NotEvaluated(reason)
