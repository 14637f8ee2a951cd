"""Dagster's SQLite files kept open: the same files, shared by nested calls, and nothing lost by a killed process."""

import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from v4_assets import dagster_storage
from v4_assets.config.environment import Settings, load
from v4_assets.operations.instance import dagster_instance, read_instance
from v4_assets.runs import RANGE_END, RANGE_START

DAYS = dg.StaticPartitionsDefinition(["monday", "tuesday"])


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("ok", asset="made")],
)
def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def fatal() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def materialize(settings: Settings, asset: dg.AssetsDefinition = made) -> None:
    tags = {RANGE_START: "monday", RANGE_END: "tuesday"} if asset is made else {}
    with dagster_instance(settings) as instance:
        assert dg.materialize([asset], instance=instance, tags=tags).success


def settings_of(home: Path) -> Settings:
    return load({"V4_HOME": str(home)})


@pytest.fixture
def settings(tmp_path) -> Settings:
    return settings_of(tmp_path)


def seen(instance: dg.DagsterInstance) -> tuple[set[str], list[str], int]:
    """Materialized partitions, the runs' states, and how many events the runs have."""
    runs = instance.get_runs()
    events = sum(len(instance.all_logs(run.run_id)) for run in runs)
    return instance.get_materialized_partitions(dg.AssetKey("made")), [run.status.value for run in runs], events


def test_dagster_itself_reads_what_was_stored_and_stores_what_is_read(settings):
    materialize(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as stock:
        assert type(stock.event_log_storage).__name__ == "SqliteEventLogStorage"
        partitions, states, events = seen(stock)
        assert (partitions, states) == ({"monday", "tuesday"}, ["SUCCESS"])
        assert dg.materialize([made], partition_key="monday", instance=stock).success
    with dagster_instance(settings) as instance:
        assert isinstance(instance.event_log_storage, dagster_storage.KeptEvents)
        assert seen(instance)[1] == ["SUCCESS", "SUCCESS"]
        assert seen(instance)[2] > events


def test_calls_inside_share_the_instance_and_the_next_one_is_new(settings):
    with dagster_instance(settings) as outer, dagster_instance(settings) as inner:
        assert inner is outer
    with dagster_instance(settings) as later:
        assert later is not outer
        assert later.get_runs() == []


def test_two_homes_do_not_share(tmp_path):
    first, second = (settings_of(tmp_path / name) for name in ("first", "second"))
    with dagster_instance(first), dagster_instance(second):
        materialize(first)
    with dagster_instance(second) as instance:
        assert instance.get_runs() == []


def test_a_copied_home_stores_in_itself(tmp_path):
    first = settings_of(tmp_path / "first")
    materialize(first)
    first.home.rename(tmp_path / "second")
    second = settings_of(tmp_path / "second")
    materialize(second)
    assert not first.home.exists()
    with dagster_instance(second) as instance:
        assert len(instance.get_runs()) == 2


def test_more_files_than_are_kept_open_are_all_read(settings, monkeypatch):
    monkeypatch.setattr(dagster_storage, "FILES_OPEN", 2)
    with dagster_instance(settings) as instance:
        for _ in range(4):
            materialize(settings)
        assert [len(instance.all_logs(run.run_id)) > 5 for run in instance.get_runs()] == [True] * 4
        events: Any = instance.event_log_storage
        assert len(events._files._engines) <= 2


def test_a_storage_that_dagster_yaml_names_is_used(settings, tmp_path):
    settings.dagster_home.mkdir(parents=True)
    named = f"storage:\n  sqlite:\n    base_dir: {tmp_path / 'elsewhere'}\n"
    (settings.dagster_home / "dagster.yaml").write_text(named, encoding="utf-8")
    materialize(settings)
    assert (tmp_path / "elsewhere" / "history" / "runs.db").exists()
    assert not (settings.dagster_home / "history").exists()


def killed(home: Path) -> None:
    settings = settings_of(home)
    with dagster_instance(settings):
        materialize(settings)
        materialize(settings, fatal)


@pytest.mark.extended
def test_a_killed_process_loses_no_event(settings):
    child = multiprocessing.get_context("spawn").Process(target=killed, args=(settings.home,))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    with dagster_instance(settings) as instance:
        partitions, states, _ = seen(instance)
        assert (partitions, sorted(states)) == ({"monday", "tuesday"}, ["STARTED", "SUCCESS"])
        [left] = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        stored = [entry.dagster_event_type for entry in instance.all_logs(left.run_id)]
        assert dg.DagsterEventType.STEP_START in stored
    for file in settings.dagster_home.rglob("*.db"):
        with sqlite3.connect(file) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# --- reading without Dagster's storage


def answers(instance: dg.DagsterInstance) -> dict[str, object]:
    """What commands ask an instance for, in every form they do."""
    runs = instance.get_runs()
    first = runs[0]
    kinds = (dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.ASSET_MATERIALIZATION)
    filters = {
        "ids": dg.RunsFilter(run_ids=[run.run_id for run in runs[1:]]),
        "job": dg.RunsFilter(job_name=first.job_name),
        "another job": dg.RunsFilter(job_name="other"),
        "tag": dg.RunsFilter(tags={RANGE_START: "monday"}),
        "tags": dg.RunsFilter(tags={RANGE_START: ["monday", "tuesday"], RANGE_END: "tuesday"}),
        "another tag": dg.RunsFilter(tags={RANGE_START: "tuesday"}),
        "status": dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]),
        "other statuses": dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED]),
        "two conditions": dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], tags={RANGE_END: "tuesday"}),
    }
    wanted = {
        "asset": dg.AssetRecordsFilter(asset_key=dg.AssetKey("made")),
        "partition": dg.AssetRecordsFilter(asset_key=dg.AssetKey("made"), asset_partitions=["monday"]),
        "another partition": dg.AssetRecordsFilter(asset_key=dg.AssetKey("made"), asset_partitions=["friday"]),
        "another asset": dg.AssetRecordsFilter(asset_key=dg.AssetKey("other"), asset_partitions=["monday"]),
    }
    return {
        "runs": runs,
        "latest": instance.get_runs(limit=1),
        "run": instance.get_run_by_id(first.run_id),
        "no run": instance.get_run_by_id("none"),
        "record": instance.get_run_record_by_id(first.run_id),
        "no record": instance.get_run_record_by_id("none"),
        **{f"runs by {name}": instance.get_run_records(one) for name, one in filters.items()},
        **{f"made by {name}": instance.fetch_materializations(one, limit=3).records for name, one in wanted.items()},
        **{f"{run.run_id} {kind}": instance.get_records_for_run(run.run_id, of_type=kind).records
           for run in runs for kind in kinds},
    }  # fmt: skip


def test_a_reader_answers_as_dagsters_own_storage_does(settings):
    for _ in range(3):
        materialize(settings)
    with dagster_instance(settings) as instance:
        failed = instance.get_runs()[1]
        instance.report_run_failed(failed, "for this test")
    with read_instance(settings) as reading:
        assert not isinstance(reading, dg.DagsterInstance)
        found = answers(reading)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as stock:
        expected = answers(stock)
    assert found == expected
    assert [len(found[name]) for name in ("runs", "runs by ids", "runs by tags", "made by partition")] == [3, 2, 3, 3]
    assert len(found["runs by status"]) == 2
    assert sum(len(found[name]) for name in found if "ASSET_CHECK_EVALUATION" in name) == 3


def test_a_reader_of_a_new_home_finds_nothing(settings):
    with read_instance(settings) as reading:
        assert reading.get_runs() == []
        assert reading.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey("made")), limit=1).records == []
        of_type = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        assert reading.get_records_for_run("none", of_type=of_type).records == []


def test_what_a_reader_does_not_read_the_real_instance_does_and_the_reader_sees_it(settings):
    materialize(settings)
    with read_instance(settings) as reading:
        [run] = reading.get_runs()
        reading.report_run_canceled(run)
        assert [one.status for one in reading.get_runs()] == [dg.DagsterRunStatus.CANCELED]
        assert reading.get_materialized_partitions(dg.AssetKey("made")) == {"monday", "tuesday"}


def test_a_reader_reports_no_run_as_failed(settings):
    materialize(settings)
    with read_instance(settings) as reading:
        [run] = reading.get_runs()
        reading.report_run_failed(run, "its process has exited")
        assert [one.status for one in reading.get_runs()] == [dg.DagsterRunStatus.SUCCESS]


@pytest.mark.parametrize(
    "ask",
    [
        lambda reading: reading.get_runs(dg.RunsFilter(snapshot_id="x")),
        lambda reading: reading.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey("made"), after_timestamp=1.0), limit=1
        ),
    ],
)
def test_a_condition_that_is_not_read_is_refused_not_ignored(settings, ask):
    with read_instance(settings) as reading, pytest.raises(NotImplementedError, match="not read here"):
        ask(reading)


def test_a_home_whose_dagster_yaml_names_a_storage_is_read_through_it(settings):
    settings.dagster_home.mkdir(parents=True)
    text = "storage:\n  sqlite:\n    base_dir: " + str(settings.dagster_home / "elsewhere") + "\n"
    (settings.dagster_home / "dagster.yaml").write_text(text, encoding="utf-8")
    with read_instance(settings) as reading:
        assert isinstance(reading, dg.DagsterInstance)
        assert reading.get_runs() == []
    assert (settings.dagster_home / "elsewhere").is_dir()
