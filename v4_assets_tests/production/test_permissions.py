"""What is permitted is recorded, names its writes and is used once; no tag or config of a run permits anything."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from v4_assets.names import ACTION_JOBS, ACTION_TAG, DAILY_JOB, FIRST_ASSETS, PAST_DAY_JOB, REPLACE_LIVE_TAG
from v4_assets.operations import local_runs, operator_actions
from v4_assets.operations.instance import dagster_instance
from v4_assets.production import recorded_orders
from v4_assets.production.orders import Kind, Order
from v4_assets.resources import store
from v4_assets_tests.fixtures.stories import FALLEN, GOOD, NEW, OLD, SEVENTH, SIXTH, Story, tell

pytestmark = pytest.mark.extended

Telling = Callable[[str], Story]
REWRITTEN = "v4_source_observations"
"""Every run observes the sources anew."""


@pytest.fixture
def begin_story(tmp_path) -> Telling:
    return lambda name: tell(name, tmp_path / "home")


def writes(story: Story, day: date) -> dict[str, int]:
    """Table to the latest write of a day that is kept as evidence."""
    found = store(story.settings).latest_writes(day, day)
    return {name: write.sequence for (name, _), write in found.items() if name != REWRITTEN}


def evidence(story: Story, day: date) -> list[Any]:
    return sorted(store(story.settings).comparisons(day, day), key=lambda row: (row.question, row.version))


# --- rows that were written on their own day -----------------------------------------------------------------------


def test_a_re_execution_of_a_finished_run_replaces_nothing(begin_story):
    story = begin_story("seventh")
    before = writes(story, SEVENTH)
    first = story.run(replace_live="the CRM copy was half loaded")
    assert first.success
    replaced = writes(story, SEVENTH)
    assert {name for name in replaced if replaced[name] == before[name] + 1} >= {
        "v4_scored_leads",
        "v4_features_v41",
        "v4_feature_profile_v41",
        "v4_daily_scores",
        "v4_lead_outcomes",
        "v4_lift_comparison",
        "v4_lift_by_decile",
    }
    served = evidence(story, SEVENTH)
    story.candidate = FALLEN
    again = story.execute_again(first.run_id)
    assert again.success
    assert (writes(story, SEVENTH), evidence(story, SEVENTH)) == (replaced, served)


@pytest.mark.parametrize("age", [1, 8], ids=["the next day", "a week later"])
def test_a_re_execution_of_a_past_days_run_replaces_nothing(begin_story, age):
    story = begin_story("seventh")
    with story.measured():
        first = local_runs.run_day(story.settings, SIXTH, replace_live="scored without its advisors")
    assert first.success, first.errors
    replaced, served = writes(story, SIXTH), evidence(story, SIXTH)
    assert set(replaced.values()) == {2}
    story.goes_on(SIXTH + timedelta(days=age))
    story.candidate = FALLEN
    again = story.execute_again(first.run_id)
    assert again.success
    assert (writes(story, SIXTH), evidence(story, SIXTH)) == (replaced, served)


@pytest.mark.parametrize("from_failure", [True, False], ids=["from the failed step", "whole"])
def test_a_retry_of_a_run_that_failed_halfway_replaces_the_rest(begin_story, from_failure):
    story = begin_story("seventh")
    with story.broken(NEW):
        broken = story.run(replace_live="the CRM copy was half loaded")
    assert not broken.success
    halfway = writes(story, SEVENTH)
    assert (halfway["v4_daily_scores_v41"], halfway["v4_lift_comparison"]) == (2, 1)
    story.candidate = FALLEN
    retried = story.execute_again(broken.run_id, from_failure=from_failure)
    assert retried.success
    through = writes(story, SEVENTH)
    assert through == halfway | {"v4_lift_comparison": 2, "v4_lift_by_decile": 2, "v4_lift_before_contact": 2}
    assert {row.top_conversions for row in evidence(story, SEVENTH) if row.version == NEW} == {24.0}
    story.candidate = GOOD
    assert story.execute_again(broken.run_id).success
    assert writes(story, SEVENTH) == through


@pytest.mark.parametrize("text", ["the CRM copy was half loaded", "0" * 32, "true"])
def test_a_tag_that_names_no_recorded_permission_is_refused_before_anything_is_written(begin_story, text):
    story = begin_story("seventh")
    before = store(story.settings).latest_writes(SEVENTH, SEVENTH)
    with story.measured():
        outcome = local_runs.run_job(story.settings, DAILY_JOB, tags={REPLACE_LIVE_TAG: text}, partition=SEVENTH)
    assert not outcome.success
    assert f"The run's tag holds {text!r}, which is no recorded permission" in outcome.errors[0]
    assert store(story.settings).latest_writes(SEVENTH, SEVENTH) == before


def test_a_permission_is_for_its_day_alone(begin_story):
    story = begin_story("seventh")
    tags = local_runs.replacing(story.settings, DAILY_JOB, SEVENTH, "for the seventh")
    story.candidate = FALLEN
    with story.measured():
        local_runs.run_job(story.settings, PAST_DAY_JOB, tags=tags, partition=SIXTH)
    assert set(writes(story, SIXTH).values()) == {1}


def test_an_order_is_no_permission_to_replace_rows(begin_story):
    story = begin_story("promoted")
    [started] = [event for event in story.events if event.event == "promotion_started"]
    before = writes(story, story.day)
    with story.measured():
        outcome = local_runs.run_job(
            story.settings, DAILY_JOB, tags={REPLACE_LIVE_TAG: started.event_id}, partition=story.day
        )
    assert "no recorded permission" in outcome.errors[0]
    assert writes(story, story.day) == before


# --- orders --------------------------------------------------------------------------------------------------------


def launched(story: Story, kind: str, text: str) -> local_runs.Outcome:
    """An action's run, launched by a person with a config of their own."""
    config = {"ops": {FIRST_ASSETS[kind]: {"config": {"order": text}}}}
    return local_runs.run_job(story.settings, ACTION_JOBS[kind], partition=story.day, config=config)


def rollback_of(story: Story) -> Order:
    live = story.production
    return Order("by-hand", "rollback", OLD, NEW, live.event_id, "I reached the launchpad", "ada")


@pytest.mark.parametrize("worded", [True, False], ids=["an order in its own config", "an id that is not recorded"])
def test_a_run_that_carries_an_order_nobody_recorded_is_refused(begin_story, worded):
    story = begin_story("promoted")
    order = rollback_of(story)
    outcome = launched(story, "rollback", json.dumps(asdict(order)) if worded else order.event_id)
    assert not outcome.success
    assert "which is no recorded order. `v4 promote`, `v4 rollback`" in outcome.errors[0]
    assert len(outcome.errors[0]) < 300
    assert (story.live, story.happened[-1]) == (NEW, "promotion_completed")
    recorded_orders.give(store(story.settings), order, story.settings.clock.now())
    assert launched(story, "rollback", order.event_id).success
    assert story.live == OLD


@pytest.mark.parametrize("kind", ["promotion", "rollback", "sunset"])
def test_a_permission_or_an_order_of_another_kind_begins_nothing(begin_story, kind):
    story = begin_story("promoted")
    other: Kind = "sunset" if kind != "sunset" else "rollback"
    order = Order("other", other, OLD, None, story.production.event_id, "why", "ada")
    recorded_orders.give(store(story.settings), order, story.settings.clock.now())
    tags = local_runs.replacing(story.settings, DAILY_JOB, story.day, "why")
    before = story.happened
    assert f"is a {other}, and this job begins a " in launched(story, kind, "other").errors[0]
    assert "no recorded order" in launched(story, kind, tags[REPLACE_LIVE_TAG]).errors[0]
    assert (story.happened, story.live) == (before, NEW)


def test_the_sensors_run_carries_the_id_of_an_order_that_is_recorded(begin_story):
    story = begin_story("promoted")
    [started] = [event for event in story.events if event.event == "promotion_started"]
    [row] = story.read("SELECT * FROM `ml_features`.`v4_orders`")
    assert (row["order_id"], row["event"], row["kind"], row["recorded_by"]) == (
        started.event_id,
        "ordered",
        "promotion",
        "rollout_sensor",
    )
    assert json.loads(row["content"])["evidence_sha256"] == started.evidence_sha256
    with dagster_instance(story.settings) as instance:
        [run] = instance.get_runs(dg.RunsFilter(tags={ACTION_TAG: started.event_id}))
    config: Any = run.run_config["ops"]
    assert config[FIRST_ASSETS["promotion"]]["config"] == {"order": started.event_id}


def test_a_finished_promotion_that_is_executed_again_after_a_rollback_switches_nothing(begin_story):
    story = begin_story("promoted")
    with dagster_instance(story.settings) as instance:
        [run] = instance.get_runs(dg.RunsFilter(job_name=ACTION_JOBS["promotion"]))
    assert operator_actions.order(story.settings, "rollback", OLD, "sales asked").success
    happened, live = story.happened, story.production
    story.execute_again(run.run_id)
    assert (story.happened, story.production) == (happened, live)
    assert story.live == OLD


def test_an_order_that_was_recorded_in_another_world_is_refused(begin_story):
    story = begin_story("promoted")
    order = rollback_of(story)
    recorded_orders.give(store(story.settings), order, story.settings.clock.now())
    assert operator_actions.order(story.settings, "rollback", OLD, "sales asked").success
    operator_actions.allow(story.settings, NEW, "repaired")
    assert operator_actions.order(story.settings, "promotion", NEW, "again").success
    outcome = launched(story, "rollback", order.event_id)
    assert "was the last switch; now it is" in outcome.errors[0]
    assert story.live == NEW
