"""Gathering what a report tells, drawing its charts, and writing report and page."""

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg

from v4_assets import tables
from v4_assets.clock import NEW_YORK, Clock
from v4_assets.configuration.rollout_file import Rollout
from v4_assets.evaluation.evidence import digest
from v4_assets.evaluation.store import evidence_rows
from v4_assets.record import deployments, production
from v4_assets.record.deployments import Event
from v4_assets.resources.warehouse import Warehouse
from v4_assets.rollout import charts
from v4_assets.rollout.assess import assess
from v4_assets.rollout.charts import Chart
from v4_assets.rollout.evaluations import SALESFORCE_SYNC, checks_of_run
from v4_assets.rollout.last_sync import last_sync
from v4_assets.rollout.missing import missing
from v4_assets.rollout.outlook import outlook
from v4_assets.rollout.page import as_html
from v4_assets.rollout.problems import problems
from v4_assets.rollout.report import DECILES, PAGE, WEEKS, Picture, Report, as_markdown, name_of
from v4_assets.settings import Places

WEEKS_CHARTED = 26


def gather(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    rollout: Rollout,
    clock: Clock,
    *,
    asking: str | None = None,
    through: Event | None = None,
) -> Report:
    """Everything the report of the day tells of. A run at its last step is `asking`; `through` is what it records."""
    catalogue, today = rollout.catalogue, clock.today()
    with warehouse.session():
        looked = assess(instance, warehouse, rollout, clock, asking=asking, through=through)
        events = [*production.history(warehouse, catalogue), *([through] if through else [])]
        recorded = evidence_rows(warehouse, catalogue, today - timedelta(weeks=WEEKS_CHARTED), today)
        latest = max((row.prediction_date for row in recorded), default=today)
        query = catalogue.query(tables.LIFT_BY_DECILE, {"first_day": latest, "last_day": latest})
        deciles = warehouse.read(query).to_pylist()
        sync = last_sync(instance, warehouse, rollout)
        # A run that asks is about to be what was missing.
        lacking = None if asking else missing(instance, warehouse, rollout, clock, looked)
    rows = [row for row in recorded if row.prediction_date == latest]
    said = checks_of_run(instance, asking).get(SALESFORCE_SYNC, {}) if asking else {}
    return Report(
        status=looked.status,
        statuses=deployments.statuses(events, rollout.versions, rollout.candidate),
        events=events,
        evidence=rows,
        evidence_sha256=digest(rows) if rows else None,
        gates=looked.state.gates if looked.state else (),
        at=clock.now().astimezone(NEW_YORK),
        outlook=outlook(looked.decision, looked.state),
        problems=problems(instance, rollout, looked, sync, lacking=lacking, asking=asking),
        sync=sync,
        checks={name: one.description or "" for name, one in said.items()},
        deciles=[row for row in deciles if (row["question"], row["ranking"]) == ("rollback", "cohort")],
        recorded=recorded,
    )


def draw(report: Report, rollout: Rollout) -> dict[str, Chart]:
    """Heading to chart; none without evidence."""
    if not report.evidence:
        return {}
    cohort = f"Matured cohort of {report.evidence[0].prediction_date}"
    return {
        WEEKS: charts.lift_over_time(report.recorded, report.events, rollout.policy),
        DECILES: charts.conversion_by_decile(report.deciles, cohort),
    }


def write(folder: Path, report: Report, drawn: Mapping[str, Chart]) -> Path:
    """Report and charts into the folder; the report is moved into place when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    name = name_of(report.action, report.status.today)
    pictures = {}
    for number, (heading, chart) in enumerate(drawn.items(), start=1):
        (folder / f"{name}-{number}.png").write_bytes(chart.png)
        pictures[heading] = Picture(f"{name}-{number}.png", chart.alt)
    return _moved(folder / f"{name}.md", as_markdown(replace(report, charts=pictures)))


def publish(folder: Path, report: Report, drawn: Mapping[str, Chart]) -> Path:
    """The page of the report of a day, charts and all in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {heading: Picture(f"{number}", chart.alt) for number, (heading, chart) in enumerate(drawn.items())}
    drawings = {picture.file: drawn[heading].svg for heading, picture in pictures.items()}
    return _moved(folder / PAGE, as_html(as_markdown(replace(report, charts=pictures)), drawings))


def publish_now(
    instance: dg.DagsterInstance, warehouse: Warehouse, rollout: Rollout, clock: Clock, places: Places
) -> Path:
    """The page as things stand now, from the warehouse, without a run. Returns where it is."""
    report = gather(instance, warehouse, rollout, clock)
    return publish(places.reports, report, draw(report, rollout))


def rewrite(instance: dg.DagsterInstance, warehouse: Warehouse, rollout: Rollout, clock: Clock, places: Places) -> str:
    """The same for who has something else to do. Says where the page is, or why it could not be written."""
    try:
        return f"The rollout page: {publish_now(instance, warehouse, rollout, clock, places)}"
    except Exception as error:
        return f"The rollout page could not be written, `v4 report` tries again: {type(error).__name__}: {error}"


def _moved(path: Path, text: str) -> Path:
    """Readers see the old file or the new one, whole."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    return path
