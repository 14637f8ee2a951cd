"""A host that crashes in the middle of the morning: the run left STARTED is named, ended, and waited for by nobody."""

import os
import signal
from datetime import timedelta
from unittest.mock import patch

import dagster as dg
import pytest
import yaml

from v4_assets import runs
from v4_assets.clock import Clock
from v4_assets.config.environment import load
from v4_assets.definitions import build
from v4_assets.errors import V4Error
from v4_assets.evaluation.evaluator import Evaluator
from v4_assets.names import ACTION_JOBS, DAILY_JOB, PROCESS_TAG, SYNC_JOB
from v4_assets.operations import local_runs, prune
from v4_assets.operations.doctor import examine, rollout
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.status import status
from v4_assets.operations.status_text import as_text
from v4_assets.project_files import PROJECT
from v4_assets_tests.fixtures.narrow import present
from v4_assets_tests.fixtures.stories import ADOPTED, Story, tell


def killed_in_the_morning(environment: dict[str, str]) -> None:
    """The daily job as Dagster's own launcher starts it, which knows nothing of our tags; killed in the comparison."""

    def fatal(evaluator: Evaluator) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    settings = load(environment)
    with patch.object(Evaluator, "compare", fatal), dagster_instance(settings) as instance:
        job = build(settings).resolve_job_def(DAILY_JOB)
        job.execute_in_process(instance=instance, partition_key=str(ADOPTED), run_config=local_runs.QUIET)


def latest(story: Story) -> dg.DagsterRun:
    with dagster_instance(story.settings) as instance:
        [run] = instance.get_runs(limit=1)
        return run


@pytest.mark.extended
def test_a_morning_killed_in_the_middle_is_named_ended_and_run_again(tmp_path, processes):
    story = tell("adopted", tmp_path / "home")
    child = processes.Process(target=killed_in_the_morning, args=(story.environment,))
    child.start()
    child.join(300)
    assert child.exitcode == -signal.SIGKILL
    run = latest(story)
    assert run.status == dg.DagsterRunStatus.STARTED

    [doctor] = examine({"runs": rollout.probes(story.settings)["runs left over"]})
    assert f"run {run.run_id} (daily_scoring of {ADOPTED}) is STARTED: The process" in doctor.found
    content = status(story.settings)
    left = f"Run {run.run_id} of daily_scoring: The process that executed this run has exited."
    assert {"what": left, "do": "`v4 tick` reports it failed; then `v4 run --date today`"} in content["to_do"]
    assert f"Run        {run.run_id} daily_scoring of {ADOPTED}: STARTED, The process" in as_text(content)

    # The scores had passed: production's own sync does not wait for the day to be run again.
    tick = story.tick()
    assert (tick.said, [one.success for one in tick.outcomes]) == (
        f"sync_salesforce for {ADOPTED}, sync-{ADOPTED}:1",
        [True],
    )
    with dagster_instance(story.settings) as instance:
        assert present(instance.get_run_by_id(run.run_id)).status == dg.DagsterRunStatus.FAILURE
    assert f"Run {run.run_id} of daily_scoring for {ADOPTED} failed." in story.alerts()
    assert [one["what"] for one in status(story.settings)["to_do"]] == [f"Run {run.run_id} of daily_scoring: it failed"]

    # What another job of the day left failed is made up for, too.
    with dagster_instance(story.settings) as instance:
        job = dg.GraphDefinition(SYNC_JOB, node_defs=[]).to_job()
        of_today = {"dagster/partition": f"{ADOPTED}"}
        killed = instance.create_run_for_job(job, tags=of_today, status=dg.DagsterRunStatus.FAILURE)
    assert f"Run {killed.run_id} of {SYNC_JOB}: it failed" in [one["what"] for one in status(story.settings)["to_do"]]
    assert story.run().success
    content = status(story.settings)
    assert (content["to_do"], content["runs"], content["salesforce"]["today_done"]) == ([], [], True)
    assert content["scored"]["v4.0.0"]["by"].startswith("daily_scoring (")
    assert content["rollout"]["phase"] == "parallel"

    story.goes_on(ADOPTED + timedelta(days=1), "07:29")
    assert status(story.settings)["to_do"] == []
    story.goes_on(time="07:30")
    missing = "The day 2026-01-06 is missing: lift_comparison of 2026-01-06 was not evaluated."
    assert status(story.settings)["to_do"] == [{"what": missing, "do": "`v4 run --date today`"}]
    _pruned(story)


def _pruned(story: Story) -> None:
    """Old runs and files go; runs of actions, and what is young, stay."""
    settings = story.settings
    with pytest.raises(V4Error, match="at least 30 are kept"):
        prune.old(settings, 29)
    assert prune.old(settings, 30) == prune.Old((), ())
    with dagster_instance(settings) as instance:
        known = [run.run_id for run in instance.get_runs()]
        job = dg.GraphDefinition(ACTION_JOBS["rollback"], node_defs=[]).to_job()
        action = instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS)
    story.goes_on(ADOPTED + timedelta(days=32))
    with patch.object(prune, "Clock", lambda: story.settings.clock.__class__(Clock().now() + timedelta(days=31))):
        found = prune.old(story.settings, 30)
    assert found.run_ids == tuple(known)
    names = {file.name for file in found.files}
    assert {f"{ADOPTED}-daily.md", f"{ADOPTED}_v4.0.0_job1.csv"} <= names
    prune.remove(story.settings, found)
    with dagster_instance(settings) as instance:
        assert [run.run_id for run in instance.get_runs()] == [action.run_id]
    assert not any(file.exists() for file in found.files)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def started(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    job = dg.GraphDefinition("job", node_defs=[]).to_job()
    return instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)


@pytest.mark.parametrize("tags", [{PROCESS_TAG: "elsewhere:1"}, {}, {PROCESS_TAG: runs.this_process()}])
def test_what_has_not_ended_after_two_hours_is_waited_for_no_longer_wherever_it_ran(instance, monkeypatch, tags):
    run = started(instance, **tags)
    assert runs.at_work(instance, run)
    monkeypatch.setattr(runs, "LONGEST_RUN", timedelta(0))
    assert "has not ended within" in (runs.why_gone(instance, run) or "")
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED
    runs.end_left_over(instance)
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("name", ["local", "production"])
def test_dagster_s_own_monitoring_and_ours_end_a_run_after_the_same_time(name):
    config = yaml.safe_load((PROJECT / "deploy" / f"dagster.{name}.yaml").read_text(encoding="utf-8"))
    assert timedelta(seconds=config["run_monitoring"]["max_runtime_seconds"]) == runs.LONGEST_RUN
    assert config["freshness"] == {"enabled": True}
    assert config["telemetry"] == {"enabled": False}
