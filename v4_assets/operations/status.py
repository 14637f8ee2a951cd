"""`v4 status`: what is live, whether today is scored and synced, what has to be done."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, timedelta
from typing import Any

import dagster as dg

from v4_assets import tables
from v4_assets.config.environment import Settings
from v4_assets.config.rollout import Rollout
from v4_assets.errors import TableMissingError
from v4_assets.evaluation.week_closes import live_on
from v4_assets.names import ACTION_JOBS, DAILY_JOB, PROCESS_TAG
from v4_assets.operations.instance import read_instance
from v4_assets.production.day_evaluations import gates_of_day
from v4_assets.production.decision import ROLLBACK_GATES, Gate, Phase, Verdict
from v4_assets.production.events import state_after
from v4_assets.production.status import Status, read_status
from v4_assets.report import alerts
from v4_assets.report.wording import COUNTS
from v4_assets.resources import registry, store
from v4_assets.runs import unfinished, why_gone
from v4_assets.store import Store
from v4_assets.warehouse.writes import PartitionWrite

DAYS_SHOWN = 14
INFORMATIVE = ("event", "run")
"""Kinds of alerts that need no action: what was done, and failed runs of any day."""


def status(settings: Settings) -> dict[str, Any]:
    """Plain values. `live` is None before `v4 init`; `to_do` holds a sentence and a command for everything that needs
    an operator, and is empty when all is well."""
    record, today = store(settings, reading=True), settings.clock.today()
    try:
        if settings.warehouse == "duckdb" and not settings.duckdb_file.exists():
            raise TableMissingError(f"There is no {settings.duckdb_file}.")
        with record.session():
            live, events = record.production(), record.events()
            writes = record.latest_writes(today - timedelta(days=DAYS_SHOWN), today)
    except TableMissingError:
        live, events, writes = None, [], {}
    since = next((event for event in reversed(events) if live and event.event_id == live.event_id), None)
    begun = state_after(events).unfinished
    content: dict[str, Any] = {
        "today": today,
        "clock_fixed": settings.now is not None,
        "warehouse": str(settings.duckdb_file) if settings.warehouse == "duckdb" else settings.warehouse,
        "live": asdict(live) if live else None,
        "since": asdict(since) if since else None,
        "days_shown": DAYS_SHOWN,
        "days": {
            version: _days(writes, record.catalogue[tables.scores_key(entry.key)].name)
            for version, entry in settings.rollout.versions.items()
        },
        "models": {
            version: {"path": str(entry.path), "sha256": entry.files["model.json"]}
            for version, entry in registry(settings).entries().items()
        },
        "unfinished": asdict(begun) if begun else None,
    }
    if live is None:
        return content | _nothing() | {"to_do": [{"what": "Nothing is live.", "do": "`v4 init`"}]}
    with read_instance(settings) as instance:
        return content | _of_today(instance, record, settings, writes)


def _nothing() -> dict[str, Any]:
    """The part of a status that exists only after adoption."""
    return {"scored": {}, "rollout": None, "hold": None, "salesforce": None, "runs": []}


def _of_today(
    instance: dg.DagsterInstance,
    record: Store,
    settings: Settings,
    writes: dict[tuple[str, date], PartitionWrite],
) -> dict[str, Any]:
    rollout, clock = settings.rollout, settings.clock
    runs = list(_runs(instance, clock.today()))  # before read_status marks abandoned runs as failed
    found = read_status(instance, record, rollout, clock)
    informative = [alerts.KINDS[kind] for kind in INFORMATIVE]
    current = alerts.of_status(instance, rollout, found)
    to_do = [{"what": one.text, "do": one.kind.do} for one in current if one.kind not in informative]
    to_do += _failing(record, rollout, found)
    to_do += [
        {"what": f"Run {run['run_id']} of {run['job']}: {run['why']}", "do": run["do"]} for run in runs if run["do"]
    ]
    return {
        "scored": {
            version: _scored(instance, writes.get((rollout.catalogue[key].name, clock.today())))
            for version, entry in rollout.versions.items()
            for key in [tables.scores_key(entry.key)]
        },
        "rollout": _rollout(record, found),
        "hold": asdict(found.hold) if found.hold else None,
        "salesforce": _salesforce(settings, found),
        "runs": runs,
        "to_do": to_do,
    }


def _failing(store: Store, rollout: Rollout, found: Status) -> Iterator[dict[str, str]]:
    """The rollback gates that the live version fails today, in whatever phase.

    On the day of a switch they judged the version that was live before it.
    """
    now = found.rollout
    if now.live != live_on(found.events, rollout)(now.today):
        return
    do = {Phase.WATCH: "`v4 lift`; `v4 rollback --reason …` does not wait for the close of the week"}
    if state_after(found.events).unfinished:
        do = {}  # another order is refused until that one is completed
    for gate in _gates(store, found):
        if gate.name in ROLLBACK_GATES and gate.verdict is Verdict.FAIL:
            what = f"{now.live} is live and fails {gate.name}: {gate.reason}"
            yield {"what": what, "do": do.get(now.phase, "`v4 lift`, `v4 lift --weeks`")}


def _gates(store: Store, found: Status) -> tuple[Gate, ...]:
    """Today's gates, those of the decision or else as the day's run recorded them."""
    return found.state.gates if found.state else gates_of_day(store, found.rollout.today)


def _runs(instance: dg.DagsterInstance, today: date) -> list[dict[str, Any]]:
    """Runs that have not ended, and today's jobs whose latest run failed; `do` is empty for one that is executing.

    A daily run that succeeded makes up for every run before it. An action that is not finished has a line of its own.
    """
    found = []
    for run in unfinished(instance):
        why = why_gone(instance, run)
        do = "`v4 tick` reports it failed; then `v4 run --date today`" if why else ""
        found.append(_run(run, why or "it is executing", do))
    latest: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": today.isoformat()})):
        if run.job_name == DAILY_JOB and run.is_success:
            break
        latest.setdefault(run.job_name, run)
    failed = [
        run
        for run in latest.values()
        if run.status == dg.DagsterRunStatus.FAILURE and run.job_name not in ACTION_JOBS.values()
    ]
    return found + [_run(run, "it failed", alerts.KINDS["run"].do) for run in failed]


def _run(run: dg.DagsterRun, why: str, do: str) -> dict[str, Any]:
    day = run.tags.get("dagster/partition")
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "day": day,
        "status": run.status.value,
        "why": why,
        "do": do,
    }


def _scored(instance: dg.DagsterInstance, write: PartitionWrite | None) -> dict[str, Any] | None:
    """Today's rows of a version: how many, when, and by which run of whom."""
    if write is None:
        return None
    run = instance.get_run_by_id(write.run_id) if write.run_id else None
    by = "an unknown run"
    if run:
        launched = run.tags.get("dagster/schedule_name") or run.tags.get(PROCESS_TAG, "Dagster")
        by = f"{run.job_name} ({launched})"
    return {"rows": write.row_count, "at": write.written_at, "run_id": write.run_id, "by": by}


def _rollout(record: Store, found: Status) -> dict[str, Any]:
    status, decision = found.rollout, found.decision
    gates = _gates(record, found)
    return {
        "phase": status.phase.value,
        "phase_since": status.phase_since,
        "action": decision.action.value,
        "wanted": decision.wanted.value if decision.wanted else None,
        "reason": decision.reason,
        "gates": [{**vars(gate), "verdict": gate.verdict.name} for gate in decision.gates],
        "gates_failing": [{"name": one.name, "reason": one.reason} for one in gates if one.verdict is Verdict.FAIL],
    }


def _salesforce(settings: Settings, found: Status) -> dict[str, Any]:
    """Whether today's scores are delivered, and what happened to the leads that were sent last."""
    sync = found.sync
    content: dict[str, Any] = {"target": settings.salesforce, "today_done": found.synced_today, "last_sent": None}
    content["owed"], content["carries"] = sync.owed if sync else None, found.carries
    content["not_in_org"], content["held_back"] = (sync.absent, sync.kept_back) if sync else (0, 0)
    if sync and sync.sent_at:
        content["last_sent"] = {
            "org": sync.sent_org,
            "day": sync.sent_day,
            "version": sync.sent_version,
            "at": sync.sent_at.astimezone(UTC),
            **{name: getattr(sync, name) for name in COUNTS},
        }
    return content


def _days(writes: dict[tuple[str, date], PartitionWrite], table: str) -> list[dict[str, Any]]:
    return [
        {"day": day, "rows": write.row_count, "kind": "retrospective" if write.retrospective else "live"}
        for (name, day), write in sorted(writes.items())
        if name == table
    ]
