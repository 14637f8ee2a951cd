"""What is permitted is recorded, names its writes and is used once; no tag or config of a run permits anything."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from v4_assets.names import ACTION_JOBS, ACTION_TAG, DAILY_JOB, FIRST_ASSETS, PAST_DAY_JOB, REPLACE_LIVE_TAG
from v4_assets.operations import actions, local_runs
from v4_assets.operations.instance import dagster_instance
from v4_assets.production import recorded_orders
from v4_assets.production.orders import Kind, Order
from v4_assets.resources import store
from v4_assets_tests.fixtures.stories import FALLEN, GOOD, NEW, OLD, SEVENTH, SIXTH, Story, tell

Telling = Callable[[str], Story]
REWRITTEN = "v4_source_observations"
"""Every run observes the sources anew."""


@pytest.fixture
def story(tmp_path) -> Telling:
    return lambda name: tell(name, tmp_path / "home")


def writes(told: Story, day: date) -> dict[str, int]:
    """Table to the latest write of a day that is kept as evidence."""
    found = store(told.settings).latest_writes(day, day)
    return {name: write.sequence for (name, _), write in found.items() if name != REWRITTEN}


def evidence(told: Story, day: date) -> list[Any]:
    return sorted(store(told.settings).comparisons(day, day), key=lambda row: (row.question, row.version))


# --- rows that were written on their own day -----------------------------------------------------------------------


def test_a_re_execution_of_a_finished_run_replaces_nothing(story):
    told = story("seventh")
    before = writes(told, SEVENTH)
    first = told.run(replace_live="the CRM copy was half loaded")
    assert first.success
    replaced = writes(told, SEVENTH)
    assert {name for name in replaced if replaced[name] == before[name] + 1} >= {
        "v4_scored_leads",
        "v4_features_v41",
        "v4_feature_profile_v41",
        "v4_daily_scores",
        "v4_lead_outcomes",
        "v4_lift_comparison",
        "v4_lift_by_decile",
    }
    served = evidence(told, SEVENTH)
    told.candidate = FALLEN
    again = told.execute_again(first.run_id)
    assert again.success
    assert (writes(told, SEVENTH), evidence(told, SEVENTH)) == (replaced, served)


@pytest.mark.parametrize("age", [1, 8], ids=["the next day", "a week later"])
def test_a_re_execution_of_a_past_days_run_replaces_nothing(story, age):
    told = story("seventh")
    with told.measured():
        first = local_runs.run_day(told.settings, SIXTH, replace_live="scored without its advisors")
    assert first.success, first.errors
    replaced, served = writes(told, SIXTH), evidence(told, SIXTH)
    assert set(replaced.values()) == {2}
    told.goes_on(SIXTH + timedelta(days=age))
    told.candidate = FALLEN
    again = told.execute_again(first.run_id)
    assert again.success
    assert (writes(told, SIXTH), evidence(told, SIXTH)) == (replaced, served)


@pytest.mark.parametrize("from_failure", [True, False], ids=["from the failed step", "whole"])
def test_a_retry_of_a_run_that_failed_halfway_replaces_the_rest(story, from_failure):
    told = story("seventh")
    with told.broken(NEW):
        broken = told.run(replace_live="the CRM copy was half loaded")
    assert not broken.success
    halfway = writes(told, SEVENTH)
    assert (halfway["v4_daily_scores_v41"], halfway["v4_lift_comparison"]) == (2, 1)
    told.candidate = FALLEN
    retried = told.execute_again(broken.run_id, from_failure=from_failure)
    assert retried.success
    through = writes(told, SEVENTH)
    assert through == halfway | {"v4_lift_comparison": 2, "v4_lift_by_decile": 2, "v4_lift_before_contact": 2}
    assert {row.top_conversions for row in evidence(told, SEVENTH) if row.version == NEW} == {24.0}
    told.candidate = GOOD
    assert told.execute_again(broken.run_id).success
    assert writes(told, SEVENTH) == through


@pytest.mark.parametrize("text", ["the CRM copy was half loaded", "0" * 32, "true"])
def test_a_tag_that_names_no_recorded_permission_is_refused_before_anything_is_written(story, text):
    told = story("seventh")
    before = store(told.settings).latest_writes(SEVENTH, SEVENTH)
    with told.measured():
        outcome = local_runs.run_job(told.settings, DAILY_JOB, tags={REPLACE_LIVE_TAG: text}, partition=SEVENTH)
    assert not outcome.success
    assert f"The run's tag holds {text!r}, which is no recorded permission" in outcome.errors[0]
    assert store(told.settings).latest_writes(SEVENTH, SEVENTH) == before


def test_a_permission_is_for_its_day_alone(story):
    told = story("seventh")
    tags = local_runs.replacing(told.settings, DAILY_JOB, SEVENTH, "for the seventh")
    told.candidate = FALLEN
    with told.measured():
        local_runs.run_job(told.settings, PAST_DAY_JOB, tags=tags, partition=SIXTH)
    assert set(writes(told, SIXTH).values()) == {1}


def test_an_order_is_no_permission_to_replace_rows(story):
    told = story("promoted")
    [started] = [event for event in told.events if event.event == "promotion_started"]
    before = writes(told, told.day)
    with told.measured():
        outcome = local_runs.run_job(
            told.settings, DAILY_JOB, tags={REPLACE_LIVE_TAG: started.event_id}, partition=told.day
        )
    assert "no recorded permission" in outcome.errors[0]
    assert writes(told, told.day) == before


# --- orders --------------------------------------------------------------------------------------------------------


def launched(told: Story, kind: str, text: str) -> local_runs.Outcome:
    """An action's run, launched by a person with a config of their own."""
    config = {"ops": {FIRST_ASSETS[kind]: {"config": {"order": text}}}}
    return local_runs.run_job(told.settings, ACTION_JOBS[kind], partition=told.day, config=config)


def rollback_of(told: Story) -> Order:
    live = told.production
    return Order("by-hand", "rollback", OLD, NEW, live.event_id, "I reached the launchpad", "ada")


@pytest.mark.parametrize("worded", [True, False], ids=["an order in its own config", "an id that is not recorded"])
def test_a_run_that_carries_an_order_nobody_recorded_is_refused(story, worded):
    told = story("promoted")
    order = rollback_of(told)
    outcome = launched(told, "rollback", json.dumps(asdict(order)) if worded else order.event_id)
    assert not outcome.success
    assert "which is no recorded order. `v4 promote`, `v4 rollback`" in outcome.errors[0]
    assert len(outcome.errors[0]) < 300
    assert (told.live, told.happened[-1]) == (NEW, "promotion_completed")
    recorded_orders.give(store(told.settings), order, told.settings.clock.now())
    assert launched(told, "rollback", order.event_id).success
    assert told.live == OLD


@pytest.mark.parametrize("kind", ["promotion", "rollback", "sunset"])
def test_a_permission_or_an_order_of_another_kind_begins_nothing(story, kind):
    told = story("promoted")
    other: Kind = "sunset" if kind != "sunset" else "rollback"
    order = Order("other", other, OLD, None, told.production.event_id, "why", "ada")
    recorded_orders.give(store(told.settings), order, told.settings.clock.now())
    tags = local_runs.replacing(told.settings, DAILY_JOB, told.day, "why")
    before = told.happened
    assert f"is a {other}, and this job begins a " in launched(told, kind, "other").errors[0]
    assert "no recorded order" in launched(told, kind, tags[REPLACE_LIVE_TAG]).errors[0]
    assert (told.happened, told.live) == (before, NEW)


def test_the_sensors_run_carries_the_id_of_an_order_that_is_recorded(story):
    told = story("promoted")
    [started] = [event for event in told.events if event.event == "promotion_started"]
    [row] = told.read("SELECT * FROM `ml_features`.`v4_orders`")
    assert (row["order_id"], row["event"], row["kind"], row["recorded_by"]) == (
        started.event_id,
        "ordered",
        "promotion",
        "rollout_sensor",
    )
    assert json.loads(row["content"])["evidence_sha256"] == started.evidence_sha256
    with dagster_instance(told.settings) as instance:
        [run] = instance.get_runs(dg.RunsFilter(tags={ACTION_TAG: started.event_id}))
    config: Any = run.run_config["ops"]
    assert config[FIRST_ASSETS["promotion"]]["config"] == {"order": started.event_id}


def test_a_finished_promotion_that_is_executed_again_after_a_rollback_switches_nothing(story):
    told = story("promoted")
    with dagster_instance(told.settings) as instance:
        [run] = instance.get_runs(dg.RunsFilter(job_name=ACTION_JOBS["promotion"]))
    assert actions.order(told.settings, "rollback", OLD, "sales asked").success
    happened, live = told.happened, told.production
    told.execute_again(run.run_id)
    assert (told.happened, told.production) == (happened, live)
    assert told.live == OLD


def test_an_order_that_was_recorded_in_another_world_is_refused(story):
    told = story("promoted")
    order = rollback_of(told)
    recorded_orders.give(store(told.settings), order, told.settings.clock.now())
    assert actions.order(told.settings, "rollback", OLD, "sales asked").success
    actions.allow(told.settings, NEW, "repaired")
    assert actions.order(told.settings, "promotion", NEW, "again").success
    outcome = launched(told, "rollback", order.event_id)
    assert "was the last switch; now it is" in outcome.errors[0]
    assert told.live == NEW
