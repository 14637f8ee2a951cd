"""The whole daily job at production size, from starting a process to its end, against the same job with empty assets.

Ours is what `v4 run` does for one day: imports, definitions, sources, features, scores, checks, all recorded in a
Dagster instance on disk. The no-op has the same daily assets with the same dependencies and the same checks, all
passing, the same executor and an instance of the same configuration, but nothing in the assets' bodies, no resources,
no metadata. It is measured twice: `noop` imports what ours imports, so that the ratio is the day's work; `bare` imports
dagster and nothing of this project, so neither xgboost nor duckdb.

Both instances have run a day before. Every measurement is a process and a day of its own, as it would be every morning.

python -m benchmarks.daily prepare FOLDER
python -m benchmarks.daily ours|noop|bare FOLDER REPETITION
"""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.measure import timed

# ruff: noqa: PLC0415 # The no-op lives in this file, too, and must not pay for what only ours imports.

FIRST_DAY = date(2026, 1, 11)
"""The day both have run before anything is measured."""
LAST_DAY = date(2026, 1, 18)
JOB = "daily"
START = "2025-10-01"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def day_of(repetition: int) -> date:
    """The day the repetition (from 0) runs. Raises ValueError beyond the last day of the world."""
    day = FIRST_DAY + timedelta(days=1 + repetition)
    if day > LAST_DAY:
        raise ValueError(f"The sample world ends on {LAST_DAY}: at most {(LAST_DAY - FIRST_DAY).days} repetitions.")
    return day


def prepare(folder: str) -> None:
    """The homes: ours with a copy of the sample world, the others' with the job's shape; all have run FIRST_DAY."""
    from benchmarks.features import settings_in, template
    from v4_assets.operations import local_runs

    home = Path(folder) / "ours"
    home.mkdir()
    settings = settings_in(home)
    shutil.copy(settings_in(template(folder, 1.0)).duckdb_file, settings.duckdb_file)
    local_runs.init(settings)
    run_ours(folder, FIRST_DAY)
    for name in ("noop", "bare"):
        empty = Path(folder) / name
        (empty / "dagster").mkdir(parents=True)
        (empty / "shape.json").write_text(json.dumps(shape()), encoding="utf-8")
        shutil.copy(settings.dagster_home / "dagster.yaml", empty / "dagster")
        run_empty(empty, FIRST_DAY)


def shape() -> list[dict[str, Any]]:
    """The daily assets of the real graph: name, group, dependencies, and checks as (name, is it blocking)."""
    from v4_assets.definitions import defs
    from v4_assets.names import DAILY_JOB

    layer = defs().resolve_job_def(DAILY_JOB).asset_layer
    graph = layer.asset_graph
    return [
        {
            "name": key.to_user_string(),
            "group": graph.get(key).group_name,
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "checks": [
                (spec.name, spec.blocking)
                for check in sorted(graph.get(key).check_keys)
                for spec in [graph.get_check_spec(check)]
            ],
        }
        for key in sorted(layer.executable_asset_keys)
    ]


def run_ours(folder: str, day: date) -> None:
    """The daily job of `day`, as at 06:30 on its morning. Raises RuntimeError when the run failed."""
    from v4_assets.config.environment import load
    from v4_assets.operations import local_runs

    settings = load({"V4_HOME": str(Path(folder) / "ours"), "V4_NOW": f"{day}T06:30"})

    def work() -> None:
        outcome = local_runs.run_day(settings, day)
        if not outcome.success:
            raise RuntimeError(f"{day} failed: {outcome.errors} {outcome.checks_failed}")

    timed(work)


def run_noop(folder: str, day: date) -> None:
    """The empty job of `day` in a process that imported what ours imports."""
    import v4_assets.operations.local_runs  # noqa: F401 # for its cost

    run_empty(Path(folder) / "noop", day)


def run_bare(folder: str, day: date) -> None:
    """The empty job of `day` in a process that imported dagster alone."""
    run_empty(Path(folder) / "bare", day)


def run_empty(home: Path, day: date) -> None:
    """The empty job of `day`. Raises RuntimeError when the run failed."""

    def work() -> None:
        job = empty_definitions(json.loads((home / "shape.json").read_text(encoding="utf-8"))).resolve_job_def(JOB)
        with instance(home) as on_disk:
            result = job.execute_in_process(
                instance=on_disk, partition_key=day.isoformat(), run_config=QUIET, raise_on_error=False
            )
        if not result.success:
            raise RuntimeError(f"the no-op of {day} failed")

    timed(work)


@contextmanager
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance on disk under `home`."""
    with dg.DagsterInstance.from_config(str(home / "dagster")) as on_disk:
        yield on_disk


def empty_definitions(assets: list[dict[str, Any]]) -> dg.Definitions:
    """Definitions of assets of this shape, of the sources they name, and of the job that runs them."""
    days = dg.DailyPartitionsDefinition(start_date=START, timezone="America/New_York", end_offset=1)
    sources = {dep for asset in assets for dep in asset["deps"]} - {asset["name"] for asset in assets}
    return dg.Definitions(
        assets=[*(dg.AssetSpec(source) for source in sorted(sources)), *(empty_asset(one, days) for one in assets)],
        jobs=[dg.define_asset_job(JOB, selection=[asset["name"] for asset in assets])],
        executor=dg.in_process_executor,
    )


def empty_asset(shape: dict[str, Any], days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """An asset that does nothing and whose checks pass."""
    checks = [dg.AssetCheckSpec(name, asset=shape["name"], blocking=blocking) for name, blocking in shape["checks"]]

    @dg.asset(
        name=shape["name"],
        group_name=shape["group"],
        deps=shape["deps"],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=checks,
    )
    def asset() -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster knows the bare class alone
        return dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(check_name=check.name, passed=True) for check in checks]
        )

    return asset


def main(what: str, folder: str, repetition: str = "0") -> None:
    """One measurement, or what all need."""
    if what == "prepare":
        prepare(folder)
    else:
        {"ours": run_ours, "noop": run_noop, "bare": run_bare}[what](folder, day_of(int(repetition)))


if __name__ == "__main__":
    main(*sys.argv[1:])
