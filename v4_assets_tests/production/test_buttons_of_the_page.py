"""The buttons of Dagster's page, by the mutations that the browser sends: tags and config travel with them."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.schema import create_schema

from v4_assets.names import ACTION_JOBS, DAILY_JOB, REPLACE_LIVE_TAG
from v4_assets.operations import local_runs, operator_actions
from v4_assets.operations.instance import dagster_instance
from v4_assets.production import recorded_orders
from v4_assets.resources import store
from v4_assets.runs import RANGE_END, RANGE_START
from v4_assets_tests.fixtures.stories import BEFORE, FALLEN, GOOD, NEW, OLD, SEVENTH, SIXTH, Story, tell

pytestmark = pytest.mark.extended

AT_ONCE = """
run_launcher: {module: dagster._core.launcher.sync_in_memory_run_launcher, class: SyncInMemoryRunLauncher}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
telemetry: {enabled: false}
"""
"""Runs are executed while they are launched, in this process."""
ANSWER = """{
    __typename
    ... on LaunchRunSuccess { run { runId status tags { key value } runConfigYaml } }
    ... on PythonError { message }
    ... on InvalidSubsetError { message }
    ... on RunConfigValidationInvalid { errors { message } }
}"""
REEXECUTE = f"""mutation LaunchPipelineReexecution($reexecutionParams: ReexecutionParams) {{
    launchPipelineReexecution(reexecutionParams: $reexecutionParams) {ANSWER}
}}"""
LAUNCH = f"""mutation LaunchPipelineExecution($executionParams: ExecutionParams!) {{
    launchPipelineExecution(executionParams: $executionParams) {ANSWER}
}}"""
BACKFILL = """mutation LaunchPartitionBackfill($backfillParams: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $backfillParams) {
        __typename
        ... on LaunchBackfillSuccess { backfillId }
        ... on PythonError { message }
    }
}"""
CANCEL = """mutation CancelBackfill($backfillId: String!) {
    cancelPartitionBackfill(backfillId: $backfillId) { __typename ... on PythonError { message } }
}"""
WIPE = """mutation AssetWipeMutation($assetPartitionRanges: [PartitionsByAssetSelector!]!) {
    wipeAssets(assetPartitionRanges: $assetPartitionRanges) { __typename ... on PythonError { message } }
}"""
REPORT = """mutation ReportEventMutation($eventParams: ReportRunlessAssetEventsParams!) {
    reportRunlessAssetEvents(eventParams: $eventParams) { __typename ... on PythonError { message } }
}"""
LOOKS = 6
"""Most looks of the daemon that a backfill of a few days takes."""


@dataclass(frozen=True)
class Page:
    """The page's server, and the daemon beside it."""

    instance: dg.DagsterInstance
    process: WorkspaceProcessContext

    def answer(self, mutation: str, **variables: Any) -> dict[str, Any]:
        """What the server answers."""
        asked = create_schema().execute_async(
            mutation, context_value=self.process.create_request_context(), variable_values=variables
        )
        answer = asyncio.run(asked)
        assert answer.errors is None, answer.errors
        [found] = (answer.data or {}).values()
        return dict(found)

    def __call__(self, mutation: str, **variables: Any) -> dict[str, Any]:
        """The run that a mutation launches, and how it ends."""
        found = self.answer(mutation, **variables)
        assert found["__typename"] == "LaunchRunSuccess", found
        run = self.instance.get_run_by_id(found["run"]["runId"])
        assert run is not None
        return {"run": run, "success": run.is_success}

    def backfill(self, keys: tuple[str, ...], *days: date) -> str:
        """*Materialize* of several partitions. Returns the id of the backfill, which the daemon carries out."""
        params = {"assetSelection": [{"path": [key]} for key in keys], "partitionNames": [str(day) for day in days]}
        found = self.answer(BACKFILL, backfillParams=params)
        assert found["__typename"] == "LaunchBackfillSuccess", found
        return str(found["backfillId"])

    def runs_of(self, backfill: str) -> list[dg.DagsterRun]:
        """The runs that a backfill launched."""
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill})))

    def ended(self, backfill: str) -> BulkActionStatus:
        """How a backfill ends, once the daemon has carried it out."""
        for _ in range(LOOKS):
            for error in execute_backfill_iteration(self.process, logging.getLogger("daemon")):
                assert error is None, error
            found = self.instance.get_backfill(backfill)
            assert found is not None
            if found.status not in (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING):
                break
        return found.status


@contextmanager
def page(story: Story) -> Iterator[Page]:
    """The page of the story's instance."""
    (story.home / "dagster" / "dagster.yaml").write_text(AT_ONCE, encoding="utf-8")
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name="v4_assets.definitions", attribute="defs")
    with (
        story.found_by_dagster(),
        story.measured(),
        dagster_instance(story.settings) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(target))) as process,
    ):
        yield Page(instance, process)


def again(run_id: str, strategy: str) -> dict[str, Any]:
    """*Re-execute all* and *Retry from failure* of a run's page."""
    return {"parentRunId": run_id, "strategy": strategy}


def launched(job: str, day: object, keys: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """*Materialize* of an asset's page, and *Launch run* of the launchpad."""
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "<<in_process>>",
        "pipelineName": job,
        "assetSelection": [{"path": [key]} for key in keys] if keys else None,
    }
    tags = [{"key": "dagster/partition", "value": str(day)}, *more.pop("tags", [])]
    return {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}, **more}


@pytest.fixture
def earned(tmp_path) -> Story:
    """Two good weeks: the next sound look promotes."""
    story = tell("seventh", tmp_path / "home")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    return story


def latest(story: Story) -> dict[str, int]:
    found = store(story.settings).latest_writes(SEVENTH, SEVENTH)
    return {name: write.sequence for (name, _), write in found.items() if name != "v4_source_observations"}


def test_retry_from_failure_makes_the_day_good(earned):
    with page(earned) as send:
        with earned.broken(NEW):
            broken = send(LAUNCH, executionParams=launched(DAILY_JOB, SEVENTH))
        assert not broken["success"]
        retried = send(REEXECUTE, reexecutionParams=again(broken["run"].run_id, "FROM_FAILURE"))
    assert retried["success"]
    assert retried["run"].parent_run_id == broken["run"].run_id
    [outcome] = earned.tick().outcomes
    assert (outcome.success, earned.live) == (True, NEW)


def test_re_execute_of_a_run_that_replaced_live_rows_replaces_nothing(earned):
    permission = local_runs.replacing(earned.settings, DAILY_JOB, SEVENTH, "the CRM copy was half loaded")
    tags = [{"key": key, "value": value} for key, value in permission.items()]
    with page(earned) as send:
        first = send(LAUNCH, executionParams=launched(DAILY_JOB, SEVENTH, tags=tags))
        before = latest(earned)
        earned.candidate = FALLEN
        repeated = send(REEXECUTE, reexecutionParams=again(first["run"].run_id, "ALL_STEPS"))
    assert repeated["success"]
    assert repeated["run"].tags[REPLACE_LIVE_TAG] == permission[REPLACE_LIVE_TAG]
    assert set(before.values()) == {2}
    assert latest(earned) == before


def test_re_execute_of_a_finished_promotion_after_a_rollback_switches_nothing(earned):
    order = operator_actions.status(earned.settings).order
    assert order is not None
    config = recorded_orders.give(store(earned.settings), order, earned.settings.clock.now())
    params = launched(
        ACTION_JOBS["promotion"], SEVENTH, runConfigData={"ops": {"production_alias": {"config": config}}}
    )
    with page(earned) as send:
        promoted = send(LAUNCH, executionParams=params)
        assert (promoted["success"], earned.live) == (True, NEW)
        assert operator_actions.order(earned.settings, "rollback", OLD, "sales asked").success
        live = earned.production
        send(REEXECUTE, reexecutionParams=again(promoted["run"].run_id, "ALL_STEPS"))
    assert earned.production == live


def test_a_single_asset_of_today_is_kept_and_judged_anew_and_one_of_an_old_day_decides_nothing(earned):
    before = latest(earned)
    with page(earned) as send:
        for day in (SEVENTH, SIXTH):
            assert send(LAUNCH, executionParams=launched("__ASSET_JOB", day, ("daily_scores_v41",)))["success"]
    assert latest(earned) == before
    assert earned.tick().outcomes[0].success
    assert earned.live == NEW


@pytest.mark.parametrize("key", ["production_alias", "salesforce_sync"])
def test_an_asset_of_production_is_refused_for_an_old_day(earned, key):
    with page(earned) as send:
        assert not send(LAUNCH, executionParams=launched("__ASSET_JOB", SIXTH, (key,)))["success"]
    assert (earned.live, earned.happened) == (OLD, ["adopted"])


def test_an_order_that_is_worded_in_the_launchpad_is_refused(earned):
    worded = '{"event_id": "x", "kind": "promotion", "version": "v4.1.0", "previous": null, "reason": "mine"}'
    config = {"ops": {"production_alias": {"config": {"order": worded}}}}
    with page(earned) as send:
        params = launched(ACTION_JOBS["promotion"], SEVENTH, runConfigData=config)
        assert not send(LAUNCH, executionParams=params)["success"]
    assert (earned.live, earned.happened) == (OLD, ["adopted"])


def test_a_reason_in_the_tag_of_a_launched_run_replaces_nothing(earned):
    before = latest(earned)
    with page(earned) as send:
        tag = {"key": REPLACE_LIVE_TAG, "value": "I would like to"}
        params = launched("__ASSET_JOB", SEVENTH, ("lead_outcomes",), tags=[tag])
        assert not send(LAUNCH, executionParams=params)["success"]
    assert latest(earned) == before


def test_several_days_at_once_are_kept_and_decide_nothing(earned):
    before = latest(earned)
    with page(earned) as send:
        backfill = send.backfill(("daily_scores_v41", "lead_outcomes"), SIXTH, SEVENTH)
        assert send.ended(backfill) is BulkActionStatus.COMPLETED_SUCCESS
        [run] = send.runs_of(backfill)
        assert (run.is_success, run.tags[RANGE_START], run.tags[RANGE_END]) == (True, str(SIXTH), str(SEVENTH))
    assert latest(earned) == before
    assert earned.tick().outcomes[0].success
    assert earned.live == NEW


def test_several_days_at_once_of_the_sync_send_nothing_of_an_old_day(earned):
    synced = "SELECT DISTINCT prediction_date FROM `ml_features`.`v4_salesforce_syncs` ORDER BY 1"
    before = earned.read(synced)
    with page(earned) as send:
        backfill = send.backfill(("salesforce_sync",), SIXTH - timedelta(days=1), SEVENTH)
        assert send.ended(backfill) is BulkActionStatus.COMPLETED_FAILED
        assert send.runs_of(backfill)
    assert earned.read(synced) == before
    assert (earned.live, earned.happened) == (OLD, ["adopted"])


def test_a_backfill_that_is_cancelled_before_it_began_changes_nothing(earned):
    before = latest(earned)
    with page(earned) as send:
        backfill = send.backfill(("daily_scores_v41", "lift_comparison"), SIXTH, SEVENTH)
        assert send.answer(CANCEL, backfillId=backfill)["__typename"] == "CancelBackfillSuccess"
        assert send.ended(backfill) is BulkActionStatus.CANCELED
        assert send.runs_of(backfill) == []
    assert latest(earned) == before
    assert earned.tick().outcomes[0].success
    assert earned.live == NEW


def test_a_wiped_asset_is_still_judged_and_served(earned):
    with page(earned) as send:
        wiped = [{"assetKey": {"path": [key]}} for key in ("lift_comparison", "daily_scores_v41", "salesforce_sync")]
        assert send.answer(WIPE, assetPartitionRanges=wiped)["__typename"] == "AssetWipeSuccess"
    assert "missing" not in earned.alerts()
    assert earned.tick().outcomes[0].success
    assert earned.live == NEW


def test_a_materialization_that_is_only_reported_makes_no_day(earned):
    earned.goes_on(SEVENTH + timedelta(days=1), "09:00")
    with page(earned) as send:
        for key in ("daily_scores_v40", "daily_scores_v41", "lift_comparison"):
            reported = {
                "eventType": "ASSET_MATERIALIZATION",
                "assetKey": {"path": [key]},
                "partitionKeys": [str(earned.day)],
            }
            assert send.answer(REPORT, eventParams=reported)["__typename"] == "ReportRunlessAssetEventsSuccess"
    assert operator_actions.status(earned.settings).missing_day == earned.day
    assert (earned.tick().outcomes, earned.live) == ((), OLD)
