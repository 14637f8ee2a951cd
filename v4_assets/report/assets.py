"""The last step of every run: write the report, and record a finished action as completed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.environment import Places
from v4_assets.config.rollout import Rollout
from v4_assets.daily import MaterializeResult
from v4_assets.errors import ConcurrentWriteError, SalesforceError
from v4_assets.evaluation.evidence import digest
from v4_assets.names import (
    ACTION_TAG,
    CHAMPION_ARCHIVE,
    PRODUCTION_ALIAS,
    PRODUCTION_GROUP,
    ROLLOUT_PAGE,
    ROLLOUT_REPORT,
    SALESFORCE_SYNC,
)
from v4_assets.production import events as deployments
from v4_assets.production import orders, overdue, references
from v4_assets.production import production_row as production_store
from v4_assets.production.archive import is_archived
from v4_assets.production.assets import export_registry, only_today
from v4_assets.production.events import Event, report_name
from v4_assets.production.orders import completed
from v4_assets.prospects.lists import after_switch
from v4_assets.report.charts import Chart
from v4_assets.report.figure_tables import gates_of
from v4_assets.report.markdown import Report
from v4_assets.report.publishing import draw, gather, publish, write
from v4_assets.store import Store

DRAWN = "page_drawn"


def rollout_report(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The report of the day, or of the action that was just carried through, and the page of how things stand."""

    @dg.asset(
        name=ROLLOUT_REPORT,
        deps=[tables.LIFT_COMPARISON, PRODUCTION_ALIAS, SALESFORCE_SYNC, CHAMPION_ARCHIVE],
        partitions_def=partitions,
        group_name=PRODUCTION_GROUP,
        kinds={"report"},
        check_specs=[
            dg.AssetCheckSpec(
                DRAWN,
                asset=ROLLOUT_REPORT,
                description=(
                    "The charts and the rollout page could be made. When not, the report is without charts and the "
                    "page is that of an earlier run; `v4 report` tries again."
                ),
            )
        ],
        description=(
            "Who is live and why, every gate's numbers for both versions, charts, history: Markdown under "
            "`reports/`, and how things stand as one page, `reports/rollout.html`. An action that reached this step "
            "is completed by it."
        ),
    )
    def asset(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
        places: dg.ResourceParam[Places],
    ) -> MaterializeResult:
        only_today(context, clock)
        with store.session():
            events = store.events()
            done = carried_through(context.instance, context.run_id, events)
            written = places.reports / f"{report_name(done, clock.today())}.md" if done else None
            if done and written and written.is_file():
                return result(places.reports / ROLLOUT_PAGE, written, f"{done.event}, completed by another run")
            action = deployments.state_after(events).unfinished
            if action and action.event == "sunset_started" and not is_archived(places.archive, action.version):
                action = None  # the day's own run: the sunset's is to come
            if action and orders.hold_at(events, clock.now()) and context.run.tags.get(ACTION_TAG) != action.event_id:
                action = None  # during a hold only a run that a person asked for ends an action
            if action:
                verify_through(store, action, clock)
            through = through_with(action, clock, context.run_id) if action else None
            report = gather(context.instance, store, rollout, clock, asking=context.run_id, through=through)
            drawn, page, undrawn = _drawn(report, rollout, places.reports)
            own = of_action(report, action, store, rollout) if action else report
            path = write(places.reports, replace(own, undrawn=undrawn), drawn)
            export_registry(places.registry, dict(report.statuses), store.production())
            # Last: a completed action is never resumed, so nothing may be left to do.
            if through:
                complete(store, through)
        return result(page, path, action.event if action else "–", undrawn, own.readers)

    return asset


def result(page: Path, path: Path, action: str, undrawn: str = "", readers: str = "") -> MaterializeResult:
    """The page and a report as the step shows them. `undrawn` says why the page could not be made."""
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.path(str(page)),
            "report": dg.MetadataValue.path(str(path)),
            "text": dg.MetadataValue.md(path.read_text(encoding="utf-8")),
            "action": action,
            "readers": readers or "–",
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=DRAWN,
                passed=not undrawn,
                severity=dg.AssetCheckSeverity.WARN,
                description=undrawn or "ok: the page was written",
            )
        ],
    )


def carried_through(instance: dg.DagsterInstance, run_id: str, events: Sequence[Event]) -> Event | None:
    """The beginning of the action this run was ordered, when another run of the order has completed it; else None."""
    run = instance.get_run_by_id(run_id)
    order = run.tags.get(ACTION_TAG) if run else None
    own = [event for event in events if order and event.action_id == order]
    return own[0] if any(event.event.endswith(deployments.COMPLETED) for event in own) else None


def _drawn(report: Report, rollout: Rollout, folder: Path) -> tuple[dict[str, Chart], Path, str]:
    """Charts, the path of the page, and why it could not be made: a failing page must not block an action."""
    drawn: dict[str, Chart] = {}
    try:
        drawn = draw(report, rollout)
        return drawn, publish(folder, report, drawn), ""
    except Exception as error:
        return drawn, folder / ROLLOUT_PAGE, f"not ok: {type(error).__name__}: {error}"


def of_action(report: Report, action: Event, store: Store, rollout: Rollout) -> Report:
    """The same for an action: with the gates and the evidence it was decided by."""
    day = action.evidence_day or report.status.today
    rows = store.comparisons(day, day)
    sha256 = digest(rows) if rows else None
    return replace(
        report,
        action=action,
        gates=gates_of(action),
        evidence=rows,
        before_contact=store.lift_before_contact(day),
        evidence_sha256=sha256,
        readers=references.left_behind(store, rollout, action),
        prospects=(
            after_switch(store, rollout, action.version, report.status.today)
            if action.event in deployments.SWITCHES
            else ""
        ),
    )


def through_with(action: Event, clock: Clock, run_id: str) -> Event:
    """The event that everything that follows from an action is done."""
    return completed(action, clock.now(), run_id, f"Everything that follows from {action.event} is done.")


def verify_through(store: Store, action: Event, clock: Clock) -> None:
    """Raise SalesforceError while Salesforce has not received what the action switched to. A sunset sends nothing."""
    owed = (
        None
        if action.event.startswith("sunset")
        else overdue.recorded_syncs(store).owed(clock.today(), action.version, action.happened_at)
    )
    if owed:
        raise SalesforceError(
            f"{action.event} to {action.version} is not finished: {owed.rstrip('.')}. It stays unfinished and "
            "is resumed, by the sensor or by `v4 resume`."
        )


def complete(store: Store, through: Event) -> None:
    """Record that an action is through, once."""
    try:
        production_store.record(store, [through])
    except ConcurrentWriteError:
        # Another run of the same order recorded it in the meantime; anything else is not ours to swallow.
        known = store.events()
        if not any(event.event_id == through.event_id for event in known):
            raise
