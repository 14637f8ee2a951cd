"""What somebody on call asks first: what is live, is today scored and sent, what is to be done (`v4 status`)."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import dagster as dg

from v4_assets import tables
from v4_assets.errors import TableMissingError
from v4_assets.operations import operate
from v4_assets.policy.decision import Verdict
from v4_assets.record import production
from v4_assets.record.deployments import state_after
from v4_assets.record.writes import PartitionWrite
from v4_assets.record.written import latest_writes
from v4_assets.resources.connect import registry, warehouse
from v4_assets.resources.warehouse import Warehouse
from v4_assets.rollout import alerts, owed_sync
from v4_assets.rollout.assess import Assessment, assess
from v4_assets.rollout.evaluations import gates_of_day
from v4_assets.rollout.runs import PROCESS_TAG, unfinished, why_gone
from v4_assets.salesforce.ledger import Ledger, Sync
from v4_assets.settings import Settings

DAYS_SHOWN = 14
SILENT = ("event", "run")
"""Alerts that are told once and then are history: what was done, and failed runs of any day."""


def status(settings: Settings) -> dict[str, Any]:
    """Plain values. `live` is None before `v4 init`; `to_do` holds a sentence and a command for everything that waits
    for a person, and is empty when all is well."""
    house, catalogue, today = warehouse(settings), settings.rollout.catalogue, settings.clock.today()
    try:
        if settings.warehouse == "duckdb" and not settings.duckdb_file.exists():
            raise TableMissingError(f"There is no {settings.duckdb_file}.")
        with house.session():
            live = production.current(house, catalogue)
            events = production.history(house, catalogue)
            writes = latest_writes(house, catalogue, today - timedelta(days=DAYS_SHOWN), today)
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
            version: _days(writes, catalogue[tables.scores_key(entry.key)].name)
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
    with operate.dagster_instance(settings) as instance:
        return content | _of_today(instance, house, settings, writes)


def _nothing() -> dict[str, Any]:
    """What there is to say of a day before anything was adopted."""
    return {"scored": {}, "rollout": None, "salesforce": None, "runs": []}


def _of_today(
    instance: dg.DagsterInstance,
    house: Warehouse,
    settings: Settings,
    writes: dict[tuple[str, date], PartitionWrite],
) -> dict[str, Any]:
    rollout, clock = settings.rollout, settings.clock
    runs = list(_runs(instance, clock.today()))  # before anybody reports the left-over ones failed
    told = alerts.conditions(instance, house, rollout, clock)
    to_do = [
        {"what": one.text, "do": one.kind.do} for one in told if one.kind not in map(alerts.KINDS.__getitem__, SILENT)
    ]
    to_do += [
        {"what": f"Run {run['run_id']} of {run['job']}: {run['why']}", "do": run["do"]} for run in runs if run["do"]
    ]
    with house.session():
        assessment = assess(instance, house, rollout, clock)
        return {
            "scored": {
                version: _scored(instance, writes.get((rollout.catalogue[key].name, clock.today())))
                for version, entry in rollout.versions.items()
                for key in [tables.scores_key(entry.key)]
            },
            "rollout": _rollout(instance, settings, assessment),
            "salesforce": _salesforce(instance, house, settings),
            "runs": runs,
            "to_do": to_do,
        }


def _runs(instance: dg.DagsterInstance, today: date) -> list[dict[str, Any]]:
    """Runs that have not ended, and today's jobs whose latest run failed; `do` is empty for one that is at work."""
    found = []
    for run in unfinished(instance):
        why = why_gone(instance, run)
        do = "`v4 tick` reports it failed; then `v4 run --date today`" if why else ""
        found.append(_run(run, why or "it is at work", do))
    latest: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": today.isoformat()})):
        latest.setdefault(run.job_name, run)
    failed = [run for run in latest.values() if run.status == dg.DagsterRunStatus.FAILURE]
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


def _rollout(instance: dg.DagsterInstance, settings: Settings, found: Assessment) -> dict[str, Any]:
    status, decision = found.status, found.decision
    gates = decision.gates or gates_of_day(instance, status.today)
    return {
        "phase": status.phase.value,
        "phase_since": status.phase_since,
        "action": decision.action.value,
        "wanted": decision.wanted.value if decision.wanted else None,
        "reason": decision.reason,
        "gates_failing": [{"name": one.name, "reason": one.reason} for one in gates if one.verdict is Verdict.FAIL],
    }


def _salesforce(instance: dg.DagsterInstance, house: Warehouse, settings: Settings) -> dict[str, Any]:
    """Whether today's sync went through, and what became of the leads of the last sync that sent any."""
    ledger = Ledger(house, settings.rollout.catalogue, settings.clock)
    org = ledger.latest_org()
    content: dict[str, Any] = {
        "target": settings.salesforce,
        "today_done": owed_sync.is_done(instance, settings.clock.today()),
        "last_sent": None,
    }
    if org:
        last = ledger.jobs(org)[-1]
        sync = Sync(org, last.prediction_date, last.model_version, "", sync_id=last.sync_id)
        by_outcome: dict[str, int] = {}
        for row in ledger.accounts(sync):
            by_outcome[row["outcome"]] = by_outcome.get(row["outcome"], 0) + row["lead_count"]
        outcomes = {name: by_outcome.get(name, 0) for name in ("confirmed", "pending", "failed", "quarantined")}
        content["last_sent"] = {
            "org": org,
            "day": last.prediction_date,
            "version": last.model_version,
            "at": last.planned_at,
            "sent": sum(outcomes.values()),
            **outcomes,
        }
    return content


def _days(writes: dict[tuple[str, date], PartitionWrite], table: str) -> list[dict[str, Any]]:
    return [
        {"day": day, "rows": write.row_count, "kind": "retrospective" if write.retrospective else "live"}
        for (name, day), write in sorted(writes.items())
        if name == table
    ]
