"""The last step of every run: write down what happened, and mark an action that is through as completed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from v4_assets import deployments, production, tables
from v4_assets.assets.archive import NAME as ARCHIVE
from v4_assets.assets.archive import is_archived
from v4_assets.assets.production import ALIAS, GROUP, export_registry, only_today
from v4_assets.clock import Clock
from v4_assets.dagster_types import MaterializeResult
from v4_assets.deployments import Event
from v4_assets.errors import ConcurrentWriteError, SalesforceError
from v4_assets.evaluation.evidence import Evidence, digest
from v4_assets.evaluation.store import evidence_rows
from v4_assets.resources.warehouse import Warehouse
from v4_assets.rollout import charts
from v4_assets.rollout.evaluations import SALESFORCE_SYNC, checks_of_run, gates_of_run, owed_by_sync
from v4_assets.rollout.orders import ACTION_TAG, completed
from v4_assets.rollout.report import Report, as_markdown, gates_of, name_of
from v4_assets.rollout_file import Rollout
from v4_assets.settings import Places

NAME = "rollout_report"
WEEKS_CHARTED = 26


def rollout_report(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The report of the day, or of the action that was just carried through."""

    @dg.asset(
        name=NAME,
        deps=[tables.LIFT_COMPARISON, ALIAS, SALESFORCE_SYNC, ARCHIVE],
        partitions_def=partitions,
        group_name=GROUP,
        kinds={"markdown"},
        description=(
            "Who is live and why, every gate's numbers for both versions, charts, timeline: Markdown under "
            "`reports/`. An action that reached this step is completed by it."
        ),
    )
    def asset(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        clock: dg.ResourceParam[Clock],
        places: dg.ResourceParam[Places],
    ) -> MaterializeResult:
        only_today(context, clock)
        with warehouse.session():
            events = production.history(warehouse, rollout.catalogue)
            done = carried_through(context.instance, context.run_id, events)
            page = places.reports / f"{name_of(done, clock.today())}.md" if done else None
            if done and page and page.is_file():
                return result(page, f"{done.event}, carried through by another run")
            action = deployments.state_after(events).unfinished
            if action and action.event == "sunset_started" and not is_archived(places.archive, action.version):
                action = None  # the day's own run: the sunset's is to come
            if action:
                verify_through(context.instance, action, context.run_id)
            through = through_with(action, clock, context.run_id) if action else None
            told = [*events, through] if through else events
            report = gather(context.instance, warehouse, rollout, told, action, clock.today(), context.run_id)
            path = write(places.reports, report, warehouse, rollout)
            export_registry(places.registry, dict(report.statuses), production.current(warehouse, rollout.catalogue))
            # Last of all: what is completed is never looked at again, so nothing may be left to do.
            if through:
                complete(warehouse, rollout, through)
        return result(path, action.event if action else "–")

    return asset


def result(path: Path, action: str) -> MaterializeResult:
    """A report as the step shows it."""
    page = dg.MetadataValue.md(path.read_text(encoding="utf-8"))
    return dg.MaterializeResult(metadata={"report": dg.MetadataValue.path(str(path)), "page": page, "action": action})


def carried_through(instance: dg.DagsterInstance, run_id: str, events: Sequence[Event]) -> Event | None:
    """The beginning of the action this run was ordered, when another run of the order has completed it; else None."""
    run = instance.get_run_by_id(run_id)
    order = run.tags.get(ACTION_TAG) if run else None
    told = [event for event in events if order and event.action_id == order]
    return told[0] if any(event.event.endswith(deployments.COMPLETED) for event in told) else None


def through_with(action: Event, clock: Clock, run_id: str) -> Event:
    """The event that everything that follows from an action is done."""
    return completed(action, clock.now(), run_id, f"Everything that follows from {action.event} is done.")


def verify_through(instance: dg.DagsterInstance, action: Event, run_id: str) -> None:
    """Raise SalesforceError while Salesforce does not show what the action switched to."""
    owed = owed_by_sync(instance, run_id)
    if owed:
        raise SalesforceError(
            f"{action.event} to {action.version} is not through: {'; '.join(owed)}. It stays unfinished and "
            "is resumed, by the sensor or by `v4 resume`."
        )


def complete(warehouse: Warehouse, rollout: Rollout, through: Event) -> None:
    """Record that an action is through, once."""
    try:
        production.record(warehouse, rollout.catalogue, [through])
    except ConcurrentWriteError:
        # Another run of the same order recorded it in the meantime; anything else is not ours to swallow.
        known = production.history(warehouse, rollout.catalogue)
        if not any(event.event_id == through.event_id for event in known):
            raise


def gather(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    rollout: Rollout,
    events: list[Event],
    action: Event | None,
    today: date,
    run_id: str,
) -> Report:
    """Everything a report tells of."""
    live = production.current(warehouse, rollout.catalogue)
    day = action.evidence_day or today if action else today
    rows = evidence_rows(warehouse, rollout.catalogue, day, day)
    said = checks_of_run(instance, run_id)
    return Report(
        standing=deployments.standing(
            events,
            baseline=rollout.baseline,
            candidate=rollout.candidate,
            today=today,
            production=(live.version, live.event_id) if live else None,
        ),
        statuses=deployments.statuses(events, rollout.versions, rollout.candidate),
        events=events,
        evidence=rows,
        evidence_sha256=digest(rows) if rows else None,
        gates=gates_of(action) if action else gates_of_run(instance, run_id),
        action=action,
        sync={name: one.description or "" for name, one in said.get(SALESFORCE_SYNC, {}).items()},
    )


def write(folder: Path, report: Report, warehouse: Warehouse, rollout: Rollout) -> Path:
    """Report and charts into the folder; the page is moved into place when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    name = name_of(report.action, report.standing.today)
    drawn = _drawn(report, warehouse, rollout) if report.evidence else {}
    files = {}
    for number, (caption, png) in enumerate(drawn.items(), start=1):
        (folder / f"{name}-{number}.png").write_bytes(png)
        files[caption] = f"{name}-{number}.png"
    path = folder / f"{name}.md"
    beside = path.with_suffix(".md.new")
    beside.write_text(as_markdown(replace(report, charts=files)), encoding="utf-8")
    beside.replace(path)
    return path


def _drawn(report: Report, warehouse: Warehouse, rollout: Rollout) -> dict[str, bytes]:
    day = report.evidence[0].prediction_date
    since = day - timedelta(weeks=WEEKS_CHARTED)
    recorded: list[Evidence] = evidence_rows(warehouse, rollout.catalogue, since, day)
    query = rollout.catalogue.query(tables.LIFT_BY_DECILE, {"first_day": day, "last_day": day})
    deciles: list[dict[str, Any]] = [
        row for row in warehouse.read(query).to_pylist() if row["question"] == "rollback" and row["ranking"] == "cohort"
    ]
    return {
        "Conversion by decile": charts.lift_by_decile(deciles, f"Matured cohort of {day}"),
        "Lift over time": charts.lift_over_time(recorded, report.events, rollout.policy),
    }
