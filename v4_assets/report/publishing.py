"""Gather what a report shows, draw its charts, write report and page."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg

from v4_assets.atomic_files import atomic_write
from v4_assets.clock import NEW_YORK, Clock
from v4_assets.config.environment import Places
from v4_assets.config.rollout import Rollout
from v4_assets.evaluation.evidence import digest
from v4_assets.names import ROLLOUT_PAGE, SYNC_JOB
from v4_assets.production import events, orders
from v4_assets.production.day_evaluations import checks_of_sync
from v4_assets.production.decision import ROLLBACK_GATES, Verdict
from v4_assets.production.events import Event, report_name
from v4_assets.production.recorded_syncs import Sync
from v4_assets.production.status import Status, read_status
from v4_assets.report import charts
from v4_assets.report.alerts import held, unfinished, warnings
from v4_assets.report.charts import Chart
from v4_assets.report.html import as_html
from v4_assets.report.markdown import DECILES, WARNING, WEEKS, Picture, Report, as_markdown
from v4_assets.report.next_decision import outlook
from v4_assets.report.wording import count
from v4_assets.store import Store

WEEKS_CHARTED = 26


def gather(
    instance: dg.DagsterInstance,
    store: Store,
    rollout: Rollout,
    clock: Clock,
    *,
    asking: str | None = None,
    through: Event | None = None,
) -> Report:
    """Everything a report shows. A run that reads at its last step is `asking`; `through` is its next event."""
    today = clock.today()
    with store.session():
        status = read_status(instance, store, rollout, clock, asking=asking, through=through)
        recorded = store.comparisons(today - timedelta(weeks=WEEKS_CHARTED), today)
        latest = max((row.prediction_date for row in recorded), default=today)
        deciles, before_contact = store.deciles(latest), store.lift_before_contact(latest)
        checks = checks_of_sync(store, today, asking) if asking else {}
    rows = [row for row in recorded if row.prediction_date == latest]
    return Report(
        status=status.rollout,
        statuses=events.statuses(status.events, rollout.versions, rollout.candidate),
        events=status.events,
        evidence=rows,
        evidence_sha256=digest(rows) if rows else None,
        gates=status.state.gates if status.state else (),
        at=clock.now().astimezone(NEW_YORK),
        outlook=outlook(status.decision, status.state),
        problems=problems(instance, rollout, status, asking=asking),
        sync=status.sync,
        checks={name: one.reason for name, one in checks.items()},
        deciles=deciles,
        before_contact=before_contact,
        recorded=recorded,
        warning=status.warning,
    )


def draw(report: Report, rollout: Rollout) -> dict[str, Chart]:
    """Heading to chart; none without evidence."""
    if not report.evidence:
        return {}
    cohort = f"Matured cohort of {report.evidence[0].prediction_date}"
    warning = charts.warning_over_weeks(report.warning) if report.warning else None
    return {
        **({WARNING: warning} if warning else {}),
        WEEKS: charts.lift_over_time(report.recorded, report.events, rollout.policy),
        DECILES: charts.conversion_by_decile(report.deciles, cohort),
    }


def write(folder: Path, report: Report, drawn: Mapping[str, Chart]) -> Path:
    """Report and charts into the folder; the report is moved into place when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    name = report_name(report.action, report.status.today)
    pictures = {}
    for number, (heading, chart) in enumerate(drawn.items(), start=1):
        (folder / f"{name}-{number}.png").write_bytes(chart.png)
        pictures[heading] = Picture(f"{name}-{number}.png", chart.alt)
    text = as_markdown(replace(report, charts=pictures))
    return atomic_write(folder / f"{name}.md", text.encode())


def publish(folder: Path, report: Report, drawn: Mapping[str, Chart]) -> Path:
    """The page of the report of a day, charts and all in one file."""
    pictures = {heading: Picture(f"{number}", chart.alt) for number, (heading, chart) in enumerate(drawn.items())}
    drawings = {picture.file: drawn[heading].svg for heading, picture in pictures.items()}
    text = as_html(as_markdown(replace(report, charts=pictures)), drawings)
    return atomic_write(folder / ROLLOUT_PAGE, text.encode())


def publish_now(instance: dg.DagsterInstance, store: Store, rollout: Rollout, clock: Clock, places: Places) -> Path:
    """Write the page as of now, without a run. Returns its path."""
    report = gather(instance, store, rollout, clock)
    return publish(places.reports, report, draw(report, rollout))


def rewrite(instance: dg.DagsterInstance, store: Store, rollout: Rollout, clock: Clock, places: Places) -> str:
    """Like publish_now, but never raises: returns the path or the error, as a sentence."""
    try:
        return f"The rollout page: {publish_now(instance, store, rollout, clock, places)}"
    except Exception as error:
        return f"The rollout page could not be written, `v4 report` tries again: {type(error).__name__}: {error}"


def hooks(rollout: Rollout) -> set[dg.HookDefinition]:
    """Rewrite the page at the end of a sync that no report follows: one that failed, and one that runs by itself."""
    resources = {"store", "clock", "places"}

    def page(context: dg.HookContext) -> None:
        found = context.resources
        context.log.info(rewrite(context.instance, found.store, rollout, found.clock, found.places))

    @dg.failure_hook(required_resource_keys=resources)
    def page_after_failure(context: dg.HookContext) -> None:
        page(context)

    @dg.success_hook(required_resource_keys=resources)
    def page_after_sync_alone(context: dg.HookContext) -> None:
        if context.job_name == SYNC_JOB:
            page(context)

    return {page_after_failure, page_after_sync_alone}


RUNS_READ = 50


def problems(
    instance: dg.DagsterInstance, rollout: Rollout, status: Status, *, asking: str | None = None
) -> tuple[str, ...]:
    """Every open problem in a sentence. `asking` is the run that asks, at its last step."""
    return (
        *([orders.hold_sentence(status.hold)] if status.hold and status.hold.event_id not in status.subject else []),
        *(alert.text for alert in (*held(status, rollout), *unfinished(instance, status, rollout))),
        *([status.overdue.text] if status.overdue else _carried(status)),
        *(alert.text for alert in warnings(status)),
        *_of_today(status),
        *_failed_runs(instance, status, asking),
        *_of_salesforce(status.sync),
    )


def _carried(status: Status) -> Iterator[str]:
    if status.carries:
        yield f"Salesforce carries {status.carries}'s scores, live is {status.rollout.live}."


def _of_today(status: Status) -> Iterator[str]:
    state = status.state
    if state is None:
        return
    failing = (one for one in state.gates if one.name in ROLLBACK_GATES and one.verdict is Verdict.FAIL)
    yield from (f"{gate.name} fails today: {gate.reason}" for gate in failing)
    for name in state.failing_checks:
        yield f"A check of today fails: {name}."


def _failed_runs(instance: dg.DagsterInstance, status: Status, asking: str | None) -> Iterator[str]:
    """The latest run of each of today's jobs, if it failed: a failure that was repaired since is not a problem."""
    today = status.rollout.today
    seen: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": today.isoformat()}), limit=RUNS_READ):
        if run.job_name not in seen and run.run_id != asking and run.status is dg.DagsterRunStatus.FAILURE:
            yield f"Run {run.run_id} of {run.job_name} for {today} failed. See docs/runbook.md."
        seen.add(run.job_name)


def _of_salesforce(sync: Sync | None) -> Iterator[str]:
    if sync is None:
        return
    if sync.owed:
        yield f"Salesforce lacks scores of the last sync: {sync.owed.rstrip('.')}."
    elif sync.pending:
        yield f"{count(sync.pending, 'lead')} are pending in Salesforce; the next sync sends them."
    refused = max(sync.quarantined, sync.kept_back)
    if refused:
        yield f"Salesforce refuses {count(refused, 'lead')} (quarantined); salesforce_sync names them and the reasons."
