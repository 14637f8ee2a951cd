"""Every button of Dagster's page ends as a person expects, and only today reaches production and Salesforce."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta

import dagster as dg
import pytest

from v4_assets.names import DAILY_JOB, EVALUATION_JOB, PROCESS_TAG, SCORING_JOB, SYNC_JOB
from v4_assets.operations import local_runs, operator_actions
from v4_assets.operations.instance import dagster_instance
from v4_assets.resources import store
from v4_assets.runs import RANGE_END, RANGE_START, end_left_over, this_process
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures.stories import BEFORE, GOOD, NEW, OLD, SEVENTH, SIXTH, Story, tell

pytestmark = pytest.mark.extended

Telling = Callable[[str], Story]
MORNING_AFTER = SEVENTH + timedelta(days=1)


@pytest.fixture
def begin_story(tmp_path) -> Telling:
    return lambda name: tell(name, tmp_path / "home")


@pytest.fixture
def earned(begin_story) -> Story:
    """Two good weeks: the next sound look promotes."""
    story = begin_story("seventh")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    return story


def writes(story: Story, first: date, last: date) -> dict[tuple[str, date], PartitionWrite]:
    return store(story.settings).latest_writes(first, last)


def assert_promotes(story: Story) -> None:
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors
    assert story.live == NEW


def a_run_of_today(story: Story, instance: dg.DagsterInstance, **made: object) -> dg.DagsterRun:
    job = dg.GraphDefinition(SCORING_JOB, node_defs=[]).to_job()
    tags = {"dagster/partition": str(story.day)}
    return instance.create_run_for_job(job, **{"tags": tags, **made})  # type: ignore[arg-type] # each as named


# --- only today ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", [SEVENTH, SEVENTH - timedelta(days=3)], ids=["yesterday", "an old day"])
def test_a_job_that_reaches_production_is_refused_for_another_day_before_anything_is_written(begin_story, day):
    story = begin_story("seventh")
    story.goes_on(MORNING_AFTER)
    before = writes(story, day, MORNING_AFTER)
    synced = story.read("SELECT * FROM `ml_features`.`v4_salesforce_syncs`")
    for job in (DAILY_JOB, SYNC_JOB, "promote_production", "rollback_production", "sunset_champion"):
        with story.measured():
            outcome = local_runs.run_job(story.settings, job, partition=day)
        assert not outcome.success, job
        assert outcome.errors, job
        for error in outcome.errors:
            assert f" of {day} was asked for, and it is {MORNING_AFTER} in New York." in error
            assert f"so nothing was written. `v4 run --date {day}` makes the rest of it." in error
        assert writes(story, day, MORNING_AFTER) == before, job
        assert story.read("SELECT * FROM `ml_features`.`v4_salesforce_syncs`") == synced, job
        assert (story.live, story.happened) == (OLD, ["adopted"]), job


def test_several_days_at_once_of_a_job_that_reaches_production_are_refused_today_among_them(begin_story):
    story = begin_story("seventh")
    story.goes_on(MORNING_AFTER)
    before = writes(story, SIXTH, MORNING_AFTER)
    with story.measured():
        outcome = local_runs.run_job(
            story.settings, SYNC_JOB, tags={RANGE_START: str(SEVENTH), RANGE_END: str(story.day)}
        )
    assert f"production_alias of {SEVENTH} was asked for" in outcome.errors[0]
    assert writes(story, SIXTH, MORNING_AFTER) == before


def test_a_daemon_that_comes_back_after_midnight_writes_nothing_of_yesterday_and_today_can_be_run(begin_story):
    story = begin_story("seventh")
    story.goes_on(MORNING_AFTER + timedelta(days=1), "00:20")
    with story.measured():
        late = local_runs.run_job(story.settings, DAILY_JOB, partition=MORNING_AFTER)
    assert not late.success
    assert writes(story, MORNING_AFTER, story.day) == {}
    story.goes_on(time="06:30")
    outcome = story.run()
    assert outcome.success, outcome.errors
    assert operator_actions.status(story.settings).synced_today
    with story.measured():
        assert local_runs.run_day(story.settings, MORNING_AFTER).success
    assert all(write.retrospective for write in writes(story, MORNING_AFTER, MORNING_AFTER).values())


# --- single assets -------------------------------------------------------------------------------------------------


def test_single_assets_for_an_old_day_change_nothing_of_today(earned):
    before = operator_actions.status(earned.settings)
    for key in ("scored_leads", "features_v41", "daily_scores_v41", "lead_outcomes", "lift_comparison"):
        assert earned.materialize(key, day=SIXTH).success, key
        assert operator_actions.status(earned.settings).decision == before.decision, key
    assert_promotes(earned)


def test_single_assets_of_production_for_an_old_day_are_refused(earned):
    for key in ("production_alias", "salesforce_sync", "rollout_report", "champion_archive"):
        outcome = earned.materialize(key, day=SIXTH)
        assert f"{key} of {SIXTH} was asked for, and it is {SEVENTH} in New York." in outcome.errors[0]
        assert (earned.live, earned.happened) == (OLD, ["adopted"]), key


def test_todays_missing_scores_are_made_asset_by_asset_and_the_day_is_not_missing(begin_story):
    story = begin_story("seventh")
    story.goes_on(MORNING_AFTER, "09:00")
    for keys in (
        ("source_observations", "scored_leads"),
        ("inferred_departures", "firm_activity", "advisor_firms", "common_features"),
        ("features_v40", "features_v41"),
        ("daily_scores_v40",),
        ("daily_scores_v41",),
        ("lead_outcomes",),
    ):
        assert story.materialize(*keys).success
    assert operator_actions.status(story.settings).missing_day == MORNING_AFTER
    assert story.materialize("lift_comparison").success
    found = operator_actions.status(story.settings)
    assert (found.missing_day, found.overdue and found.overdue.what) == (None, "sync")
    [sync] = story.tick().outcomes
    assert sync.success, sync.errors
    assert operator_actions.status(story.settings).overdue is None


# --- runs that end otherwise ---------------------------------------------------------------------------------------


def test_a_cancelled_backfill_that_covers_today_changes_no_decision(earned):
    before = operator_actions.status(earned.settings).decision
    with dagster_instance(earned.settings) as instance:
        for tags in ({"dagster/partition": str(SEVENTH)}, {RANGE_START: str(SIXTH), RANGE_END: str(SEVENTH)}):
            run = a_run_of_today(earned, instance, tags=tags, status=dg.DagsterRunStatus.STARTED)
            instance.report_run_canceled(run)
    assert operator_actions.status(earned.settings).decision == before
    assert_promotes(earned)


def test_a_range_that_covers_today_is_waited_for(earned):
    with dagster_instance(earned.settings) as instance:
        tags = {RANGE_START: str(SIXTH), RANGE_END: str(MORNING_AFTER), PROCESS_TAG: this_process()}
        run = a_run_of_today(earned, instance, tags=tags, status=dg.DagsterRunStatus.STARTED)
        assert f"run {run.run_id} (score_range) of {SEVENTH} is still executing" in earned.tick().said
        tags = {RANGE_START: str(SIXTH - timedelta(days=3)), RANGE_END: str(SIXTH), PROCESS_TAG: this_process()}
        a_run_of_today(earned, instance, tags=tags, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_canceled(run)
    assert_promotes(earned)


def test_wiped_assets_change_no_decision(earned):
    earned.goes_on(time="09:00")
    decided = operator_actions.status(earned.settings).decision
    for key in ("lift_comparison", "daily_scores_v41", "salesforce_sync"):
        with dagster_instance(earned.settings) as instance:
            instance.wipe_assets([dg.AssetKey(key)])
        assert "missing" not in earned.alerts(), key
        assert operator_actions.status(earned.settings).decision == decided, key
    assert_promotes(earned)


def test_a_re_execution_is_not_ended_for_the_process_of_the_run_it_repeats(begin_story):
    story = begin_story("seventh")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = this_process().replace(f":{os.getpid()}", f":{gone.pid}")
    tags = {"dagster/partition": str(story.day), PROCESS_TAG: dead}
    with dagster_instance(story.settings) as instance:
        parent = a_run_of_today(story, instance, tags=tags, status=dg.DagsterRunStatus.SUCCESS)
        families = {"parent_run_id": parent.run_id, "root_run_id": parent.run_id}
        begun = dg.DagsterRunStatus.STARTING
        again = a_run_of_today(story, instance, tags=tags, status=begun, **families)
        own = a_run_of_today(story, instance, tags=tags, status=begun)
        end_left_over(instance)
        statuses = {run.run_id: found.status for run in (again, own) if (found := instance.get_run_by_id(run.run_id))}
    assert statuses == {again.run_id: begun, own.run_id: dg.DagsterRunStatus.FAILURE}


def test_an_evaluation_that_is_repeated_from_the_page_evaluates_the_same(earned):
    with earned.measured():
        first = local_runs.run_job(earned.settings, EVALUATION_JOB, partition=SEVENTH)
    before = operator_actions.status(earned.settings).decision
    assert earned.execute_again(first.run_id).success
    assert operator_actions.status(earned.settings).decision == before
    assert_promotes(earned)
