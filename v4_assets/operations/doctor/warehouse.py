"""Probes of where things are kept: V4_HOME, the warehouse, the sources, our tables, the time zones."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v4_assets import tables
from v4_assets.checks import Finding
from v4_assets.clock import NEW_YORK, cutoff
from v4_assets.config.environment import Settings
from v4_assets.errors import TableMissingError
from v4_assets.operations.doctor import Probe, ProbeResult, Verdict
from v4_assets.resources import warehouse
from v4_assets.sources import checks
from v4_assets.tables import Table
from v4_assets.warehouse import dialects, schema, table_differences
from v4_assets.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse

LEAST_FREE_BYTES = 2**30
LOCK_SECONDS = 2.0
"""A busy file is an answer, too: it is not waited for as a run would."""


def probes(settings: Settings) -> dict[str, Probe]:
    """Name to probe, in the order in which one thing stands on the other."""
    on_bigquery = partial(_bigquery_probes, settings) if settings.warehouse == "bigquery" else dict
    catalogue = settings.rollout.catalogue
    return {
        "V4_HOME": partial(home, settings),
        "warehouse": partial(access, settings),
        **on_bigquery(),
        **{f"source {table.name}": partial(source, settings, table) for table in catalogue.sources},
        "sources filled": partial(filled, settings),
        "sources fresh": partial(fresh, settings),
        "schema version": partial(schema_version, settings),
        "tables and views": partial(made, settings),
        "time zones": partial(time_zones, settings),
        "SQL files": partial(sql_files, settings),
    }


def _bigquery_probes(settings: Settings) -> dict[str, Probe]:
    catalogue = settings.rollout.catalogue
    datasets = dict.fromkeys(table.dataset for table in catalogue.values())
    written = catalogue[tables.PARTITION_WRITES]
    return {
        **{f"dataset {name}": partial(dataset, settings, name) for name in datasets},
        **{f"reading {table.name}": partial(readable, settings, table) for table in catalogue.sources},
        f"writing {written.dataset}": partial(writable, settings, written),
    }


def home(settings: Settings) -> ProbeResult:
    """V4_HOME can be written, or made, and the disk has room."""
    place = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        return ProbeResult(
            Verdict.FAIL, f"{place} cannot be written.", "Give the user who runs v4 the right to write there."
        )
    free = shutil.disk_usage(place).free
    text = f"{settings.home}{'' if place == settings.home else ' (not made yet)'}, {free / 2**30:.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return ProbeResult(Verdict.WARN, text, "Make room; docs/operations.md says what grows and how it is pruned.")
    return ProbeResult(Verdict.OK, text)


@contextmanager
def opened(settings: Settings, *, any_schema: bool = True) -> Iterator[Warehouse]:
    """The warehouse, which is never created here. Raises TableMissingError without a file, WarehouseBusyError, and
    SchemaVersionError on the tables of another release unless `any_schema`."""
    if settings.warehouse == "duckdb" and not settings.duckdb_file.exists():
        raise TableMissingError(
            f"There is no {settings.duckdb_file}. `v4 init` makes one; `v4 sample` fills it with sample data."
        )
    seconds = min(settings.warehouse_lock_seconds, LOCK_SECONDS)
    connected = warehouse(settings.model_copy(update={"warehouse_lock_seconds": seconds}), any_schema=any_schema)
    with connected.session():
        yield connected


def access(settings: Settings) -> ProbeResult:
    """The warehouse answers a query; an embedded file exists and no other process holds it."""
    with opened(settings) as connected:
        connected.read(settings.rollout.catalogue.query("time_zones", {"cutoff": cutoff(settings.clock.today())}))
    if settings.warehouse == "duckdb":
        return ProbeResult(Verdict.OK, f"{settings.duckdb_file} is there, and its lock is free")
    target = settings.bigquery
    return ProbeResult(Verdict.OK, f"BigQuery runs jobs of {target.project if target else '?'}")


def dataset(settings: Settings, name: str) -> ProbeResult:
    """A dataset is there, in the configured location."""
    from v4_assets.warehouse.bigquery.access import location  # noqa: PLC0415 # Google's client is slow to import

    wanted = settings.bigquery.location if settings.bigquery else ""
    found = location(bigquery_warehouse(settings), name)
    if found.upper() != wanted.upper():
        do = "Set V4_BIGQUERY_LOCATION; all datasets must lie in one location."
        return ProbeResult(Verdict.FAIL, f"It lies in {found}, V4_BIGQUERY_LOCATION is {wanted}.", do)
    return ProbeResult(Verdict.OK, f"in {found}")


def readable(settings: Settings, table: Table) -> ProbeResult:
    """The account may read a source."""
    from v4_assets.warehouse.bigquery.access import verify_readable  # noqa: PLC0415 # as above

    verify_readable(bigquery_warehouse(settings), table)
    return ProbeResult(Verdict.OK, "may be read (dry run)")


def writable(settings: Settings, table: Table) -> ProbeResult:
    """The account may write where our tables are."""
    from v4_assets.warehouse.bigquery.access import verify_writable  # noqa: PLC0415 # as above

    verify_writable(bigquery_warehouse(settings), table)
    return ProbeResult(Verdict.OK, "tables may be made and changed (dry run and permissions)")


def bigquery_warehouse(settings: Settings) -> "BigQueryWarehouse":
    """The configured warehouse, of any schema version; asked only where it is BigQuery."""
    from v4_assets.warehouse.bigquery.warehouse import BigQueryWarehouse  # noqa: PLC0415 # as above

    connected = warehouse(settings, any_schema=True)
    assert isinstance(connected, BigQueryWarehouse)  # asked only where V4_WAREHOUSE is bigquery
    return connected


def source(settings: Settings, table: Table) -> ProbeResult:
    """A source has the declared columns in the declared types."""
    with opened(settings) as connected:
        columns = connected.columns(table)
    if not columns:
        do = f"Load it, or correct `datasets` in rollout.yaml: it is looked for in {table.dataset}."
        return ProbeResult(Verdict.FAIL, "It is not there.", do)
    return _of(checks.columns([(table, columns)]), Verdict.FAIL, "Ask the owner of the table's feed.")


def sql_files(settings: Settings) -> ProbeResult:
    """No file of sql/ means something else to Google than to the embedded engine."""
    found = dialects.verify(settings.warehouse)
    if found:
        return ProbeResult(
            Verdict.WARN, " ".join(found), "The demo and the tests compute these otherwise than BigQuery."
        )
    return ProbeResult(Verdict.OK, "Both engines compute every file alike.")


def filled(settings: Settings) -> ProbeResult:
    """No source is empty."""
    found = checks.filled(_observed(settings))
    return _of(found, Verdict.FAIL, "Wait for the load, or ask the owner of the table's feed.")


def fresh(settings: Settings) -> ProbeResult:
    """The newest entry of each source is recent, by the limits of the day's own check."""
    known_at = cutoff(settings.clock.today())
    found = checks.fresh(_observed(settings), known_at, settings.rollout.checks.source_age_days)
    return _of(found, Verdict.WARN, "Ask whether the feed stopped; scores go on with what there is.")


def _observed(settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """What source_observations would note now, by source. On BigQuery it is a real query, of about 0.1 GiB."""
    today = settings.clock.today()
    params = {"prediction_date": today, "cutoff": cutoff(today), "retrospective": False}
    with opened(settings) as connected:
        rows = connected.read(settings.rollout.catalogue.query(tables.SOURCE_OBSERVATIONS, params)).to_pylist()
    return {row["source"]: row for row in rows}


def schema_version(settings: Settings) -> ProbeResult:
    """The tables are of the schema version this release needs; otherwise an upgrade is due."""
    with opened(settings) as connected:
        there = schema.found(connected, settings.rollout.catalogue)
    if there is None:
        return ProbeResult(Verdict.FAIL, "There are no tables of this project yet.", "`v4 init` makes them.")
    schema.verify_version(there)
    return ProbeResult(Verdict.OK, f"schema {there.version}, as release {schema.RELEASE} needs")


def made(settings: Settings) -> ProbeResult:
    """Our tables are there in the declared shape, and our views are there."""
    catalogue, lacking, wrong = settings.rollout.catalogue, list[str](), list[str]()
    with opened(settings) as connected:
        for table, shape in zip(catalogue.made, connected.shapes(catalogue.made), strict=True):
            name = f"{table.dataset}.{table.name}"
            if shape is None:
                lacking.append(f"{name} is not there")
                continue
            wrong += table_differences.differences(table, shape)
            lacking += [
                f"{name}.{column.name} is not there" for column in table_differences.missing_columns(table, shape)
            ]
        views = {name: connected.view_texts(name) for name in {view.dataset for view in catalogue.views}}
    lacking += [
        f"the view {view.dataset}.{view.name} is not there"
        for view in catalogue.views
        if view.name not in views[view.dataset]
    ]
    if wrong:
        do = "Repair what a table has beside its declaration as it says; `v4 init` makes what is missing."
        return ProbeResult(Verdict.FAIL, "; ".join([*wrong, *lacking]), do)
    if lacking:
        return ProbeResult(Verdict.FAIL, "; ".join(lacking), "`v4 init` makes what is missing; it changes no rows.")
    return ProbeResult(Verdict.OK, f"{len(catalogue.made)} tables and {len(catalogue.views)} views as declared")


def time_zones(settings: Settings) -> ProbeResult:
    """The session reads instants in UTC, New York's zone is known, and the day's cut-off is its midnight there."""
    today = settings.clock.today()
    instant = cutoff(today)
    with opened(settings) as connected:
        [row] = connected.read(settings.rollout.catalogue.query("time_zones", {"cutoff": instant})).to_pylist()
    wanted = {"session_hour": instant.hour, "new_york_hour": 0, "new_york_date": today}
    if row != wanted:
        do = "The session must be in UTC (on BigQuery: no default_time_zone option of the project), and know New York."
        return ProbeResult(
            Verdict.FAIL, f"The warehouse reads {instant:%Y-%m-%d %H:%M} UTC as {row}, not {wanted}.", do
        )
    fixed = ", the clock is fixed" if settings.now else ""
    text = f"today's partition is {today}, its cut-off {instant:%Y-%m-%d %H:%M} UTC ({NEW_YORK.key} 00:00){fixed}"
    verdict = Verdict.WARN if settings.now and not in_demo(settings) else Verdict.OK
    return ProbeResult(verdict, text, _unfix(settings) if settings.now else "")


def in_demo(settings: Settings) -> bool:
    """Whether this home is a finished demo's and its clock is the one in use."""
    file = settings.demo_clock_file
    return file.is_file() and file.read_text(encoding="utf-8").strip() == settings.now


def _unfix(settings: Settings) -> str:
    where = settings.demo_clock_file
    return f"Production needs the real time: remove {where if Path(where).exists() else 'V4_NOW'}."


def _of(finding: Finding, otherwise: Verdict, do: str) -> ProbeResult:
    if finding.passed:
        return ProbeResult(Verdict.OK, f"{finding.actual}, expected {finding.expected}")
    return ProbeResult(otherwise, f"{finding.actual}, expected {finding.expected}: {'; '.join(finding.details)}", do)
