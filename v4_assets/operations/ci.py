"""`v4 ci`: a day with every check, away from production, and its report for a build.

Nothing of it touches production: the run's Dagster instance, and on sample data its warehouse and its Salesforce org,
lie in a folder that is thrown away; on a warehouse of yours it writes to a dataset of its own.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from pydantic import ValidationError

from v4_assets.config.environment import Settings
from v4_assets.config.rollout import DatasetNames
from v4_assets.definitions import build
from v4_assets.errors import V4Error
from v4_assets.names import CHECKLIST_JOB, DAILY_JOB, PAST_DAY_JOB, SCORING_JOB
from v4_assets.operations import local_runs
from v4_assets.operations.ci_report import FAILED, NOT_RUN, PASSED, Report, Row
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.local_runs import Outcome
from v4_assets.production.decision import GATE_NAMES
from v4_assets.resources import warehouse
from v4_assets.sample import world
from v4_assets.sample.world import fill, lead_ids

SAMPLE = world.WorldSpec(scale=0.01, leads_per_week=40, seed=5, through=date(2026, 1, 18))
SAMPLE_DAY = date(2026, 1, 12)
SAMPLE_NOW = f"{SAMPLE_DAY}T06:30"
DAYS_BEFORE = 3
"""Days scored first, because checks compare a day with those before it."""
REASON = "v4 ci checks the present code"


def on_sample(settings: Settings) -> Report:
    """The whole daily job on a small sample world, with a stand-in Salesforce org, in a folder that is thrown away."""
    from salesforce_stand_in import StandInOrg  # noqa: PLC0415 # the stand-in org is started by the demo, dev, ci and tests alone

    made = world.build(SAMPLE)
    changes: dict[str, object] = {
        "now": SAMPLE_NOW,
        "warehouse": "duckdb",
        "bigquery": None,
        "salesforce": "local",
        "salesforce_target": None,
        # Your first day may lie after the sample's.
        "rollout": settings.rollout.model_copy(update={"first_day": SAMPLE_DAY - timedelta(days=DAYS_BEFORE)}),
    }
    with _elsewhere(settings, changes) as here, StandInOrg(here.stand_in_org, lead_ids(made)):
        fill(warehouse(here), here.rollout.catalogue, made)
        local_runs.init(here)
        before = local_runs.backfill(here, here.rollout.first_day, SAMPLE_DAY - timedelta(days=1))
        broken = [(SCORING_JOB, outcome) for _, _, outcome in before if not outcome.success]
        ran = broken or [(DAILY_JOB, local_runs.run_day(here, SAMPLE_DAY))]
        return _report(here, "sample data", SAMPLE_DAY, [*ran, _checklist(here)])


def on_dataset(settings: Settings, dataset: str, day: date) -> Report:
    """Scores and comparison of a day of the configured sources, written to `dataset`; no production, no Salesforce.

    Raises V4Error when `dataset` is the one that rollout.yaml writes to.
    """
    names = settings.rollout.datasets
    local_runs.verify_days(settings, day, day)
    try:
        datasets = DatasetNames(**names.model_dump() | {"features": dataset})
    except ValidationError as error:
        raise V4Error(
            f"--target is {dataset!r}, not the name of a dataset. Use letters, digits and underscores, or on BigQuery "
            "PROJECT.DATASET."
        ) from error
    if _bare(dataset) == _bare(names.features):
        raise V4Error(
            f"{dataset} is the dataset rollout.yaml writes to, where production is. Name one for builds with --target, "
            f"such as {_bare(dataset)}_ci."
        )
    rollout = settings.rollout.model_copy(update={"datasets": datasets})
    changes: dict[str, object] = {"rollout": rollout, "salesforce": "dry-run", "salesforce_target": None}
    with _elsewhere(settings, changes) as here:
        if settings.warehouse == "duckdb":
            _copy_warehouse(settings, here)
        local_runs.init(here)
        # The day may have been scored by an earlier build; what counts is the code of now.
        with warehouse(here).session():
            tags = local_runs.replacing(here, PAST_DAY_JOB, day, REASON)
            outcome = local_runs.run_job(here, PAST_DAY_JOB, tags=tags, partition=day)
        return _report(here, dataset, day, [(PAST_DAY_JOB, outcome), _checklist(here)])


def _checklist(here: Settings) -> tuple[str, Outcome]:
    return CHECKLIST_JOB, local_runs.run_job(here, CHECKLIST_JOB)


def _report(here: Settings, where: str, day: date, ran: list[tuple[str, Outcome]]) -> Report:
    rows, errors = list[Row](), list[str]()
    with dagster_instance(here) as instance:
        for job, outcome in ran:
            rows += _rows(here, instance, job, outcome.run_id)
            errors += outcome.errors
    return Report(where, day, tuple(rows), tuple(errors))


def _rows(here: Settings, instance: dg.DagsterInstance, job: str, run_id: str) -> Iterator[Row]:
    """Every check the job has, whether or not the run came as far as to it."""
    graph = build(here).resolve_job_def(job).asset_layer.asset_graph
    found = checks_of_run(instance, run_id)
    for key in sorted(graph.asset_check_keys, key=lambda key: (key.asset_key, key.name)):
        asset, is_gate = key.asset_key.to_user_string(), key.name in GATE_NAMES
        one = found.get(asset, {}).get(key.name)
        if one is None:
            severity = "ERROR" if graph.get_check_spec(key).blocking else "WARN"
            yield Row(asset, key.name, severity, NOT_RUN, is_gate, "a step before it failed")
        else:
            result = PASSED if one.passed else FAILED
            yield Row(asset, key.name, one.severity.value, result, is_gate, one.description or "")


def checks_of_run(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, Mapping[str, dg.AssetCheckEvaluation]]:
    """Asset to check to its evaluation in a run."""
    found: dict[str, dict[str, dg.AssetCheckEvaluation]] = {}
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            one = event.asset_check_evaluation_data
            found.setdefault(one.asset_key.to_user_string(), {})[one.check_name] = one
    return found


@contextmanager
def _elsewhere(settings: Settings, changes: dict[str, object]) -> Iterator[Settings]:
    """The settings in a home that is thrown away, with the models registered in theirs."""
    with tempfile.TemporaryDirectory(prefix="v4-ci-") as folder:
        home = Path(folder)
        if settings.registered_models.is_dir():
            shutil.copytree(settings.registered_models, home / settings.registered_models.name)
        yield settings.model_copy(update={"home": home, **changes})


def _copy_warehouse(settings: Settings, here: Settings) -> None:
    if not settings.duckdb_file.is_file():
        raise V4Error(
            f"There is no {settings.duckdb_file} to read sources from. Fill it with `v4 sample`, set V4_WAREHOUSE, or "
            "leave out --target to check on sample data."
        )
    with warehouse(settings, any_schema=True).session():  # no other process writes meanwhile
        for ending in ("", ".wal"):
            source = Path(f"{settings.duckdb_file}{ending}")
            if source.is_file():
                shutil.copyfile(source, f"{here.duckdb_file}{ending}")


def _bare(dataset: str) -> str:
    """The dataset without its project; datasets of two projects that are called alike count as the same."""
    return dataset.rpartition(".")[2]
