"""A day is judged by what the warehouse keeps of its checks, whichever runs made them, and by nothing of Dagster's."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from v4_assets import tables
from v4_assets.names import EVALUATION_JOB
from v4_assets.operations import local_runs, operator_actions
from v4_assets.operations.ci import checks_of_run
from v4_assets.operations.instance import dagster_instance
from v4_assets.production.decision import GATE_NAMES, Action, Verdict
from v4_assets.recorded_checks import CheckResult, Judgement, all_of, record
from v4_assets.resources import store, warehouse
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite
from v4_assets_tests.fixtures.stories import BEFORE, FALLEN, GOOD, NEW, OLD, SEVENTH, SINCE, WATCHED, Story, tell

pytestmark = pytest.mark.extended

Telling = Callable[[str], Story]


@pytest.fixture
def begin_story(tmp_path) -> Telling:
    return lambda name: tell(name, tmp_path / "home")


@pytest.fixture
def convicted(begin_story) -> Story:
    """Two bad weeks: the next sound look rolls back."""
    story = begin_story("watched")
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    return story


@pytest.fixture
def earned(begin_story) -> Story:
    """Two good weeks: the next sound look promotes."""
    story = begin_story("seventh")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    return story


def rows(story: Story) -> list[dict[str, Any]]:
    """Everything that is kept of today, in a fixed order."""
    text = f"SELECT * FROM `ml_features`.`v4_check_results` WHERE prediction_date = DATE '{story.day}'"
    return sorted(story.read(text), key=lambda row: (row["table_name"], row["number"], row["check_name"]))


def write_again(story: Story, key: str) -> None:
    """Write today's partition of a table once more, with the rows it has."""
    record, table = store(story.settings), story.settings.rollout.catalogue[key]
    latest = record.latest_writes(story.day, story.day)[table.name, story.day]
    query = f"SELECT * FROM {table.full_name} WHERE prediction_date = DATE '{story.day}'"
    batches = [pa.RecordBatch.from_pylist(story.read(query), schema=arrow_schema(table))]
    write = PartitionWrite(
        table.name,
        story.day,
        story.settings.clock.now(),
        latest.retrospective,
        "again",
        "again",
        None,
        latest.sequence + 1,
    )
    warehouse(story.settings).replace_partition(
        table, write, batches, story.settings.rollout.catalogue[tables.PARTITION_WRITES]
    )


# --- whichever runs made them --------------------------------------------------------------------------------------


def test_gates_judged_by_another_run_than_the_scores_decide(convicted):
    with convicted.measured():
        again = local_runs.run_job(convicted.settings, EVALUATION_JOB, partition=WATCHED)
    assert again.success, again.errors
    runs = {row["table_name"]: row["run_id"] for row in rows(convicted)}
    assert runs["v4_lift_comparison"] == again.run_id != runs["v4_daily_scores_v41"]
    [outcome] = convicted.tick().outcomes
    assert (outcome.success, convicted.live) == (True, OLD)


def test_a_retry_from_the_failed_step_makes_the_day_good(earned):
    with earned.broken(NEW):
        broken = earned.run()
    assert not broken.success
    assert "Checks fail: daily_scores_v41.distinct_scores." in earned.tick().said
    retried = earned.execute_again(broken.run_id, from_failure=True)
    assert retried.success
    steps = {event.step_key for event in retried.all_events if event.is_step_success}
    assert "daily_scores_v41" in steps
    assert "daily_scores_v40" not in steps
    [outcome] = earned.tick().outcomes
    assert (outcome.success, earned.live) == (True, NEW)


def test_single_assets_that_are_run_again_and_kept_change_no_decision(earned):
    decided = operator_actions.status(earned.settings).decision
    for key in ("daily_scores_v41", "features_v40", "scored_leads", "lead_outcomes"):
        outcome = earned.materialize(key)
        assert outcome.success, key
        latest = {row["table_name"]: row for row in rows(earned)}
        assert latest[f"v4_{key}"]["run_id"] == outcome.run_id
        assert operator_actions.status(earned.settings).decision == decided, key
    assert earned.tick().outcomes[0].success
    assert earned.live == NEW


def test_a_check_that_fails_in_a_later_run_of_one_asset_stands_in_the_way(earned):
    with earned.broken(NEW):
        assert not earned.materialize("daily_scores_v41").success
    tick = earned.tick()
    assert "Checks fail: daily_scores_v41.distinct_scores." in tick.said
    assert (tick.outcomes, earned.live) == ((), OLD)


# --- nothing of Dagster's ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["history", "."], ids=["history wiped", "new instance"])
@pytest.mark.parametrize("name", ["convicted", "earned"])
def test_without_dagsters_history_every_decision_is_the_same(request, name, lost):
    story: Story = request.getfixturevalue(name)
    before = operator_actions.status(story.settings)
    assert before.decision.action in (Action.ROLLBACK, Action.PROMOTE)
    late = replace(story, time="09:00")
    overdue = operator_actions.status(late.settings).overdue
    shutil.rmtree(story.home / "dagster" / lost)
    after = operator_actions.status(story.settings)
    assert (after.decision, after.state, after.order, after.missing_day) == (
        before.decision,
        before.state,
        before.order,
        None,
    )
    story.goes_on(time="09:00")
    assert operator_actions.status(story.settings).overdue == overdue
    assert "missing" not in story.alerts()
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors
    assert story.live == {"convicted": OLD, "earned": NEW}[name]


def test_a_deleted_run_changes_no_decision(convicted):
    before = operator_actions.status(convicted.settings)
    with dagster_instance(convicted.settings) as instance:
        for run in instance.get_runs():
            instance.delete_run(run.run_id)
    assert operator_actions.status(convicted.settings).decision == before.decision
    assert convicted.tick().outcomes[0].success


def test_dagster_shows_the_rows_that_are_kept(begin_story):
    story = begin_story("seventh")
    with story.broken(NEW):
        outcome = story.run()
    with dagster_instance(story.settings) as instance:
        shown = checks_of_run(instance, outcome.run_id)
    keys = {table.name: key for key, table in story.settings.rollout.catalogue.items()}
    keys["v4_salesforce_syncs"] = "salesforce_sync"
    kept = [row for row in rows(story) if row["run_id"] == outcome.run_id]
    as_kept = {
        (keys[row["table_name"]], row["check_name"]): (row["verdict"] == "PASS", row["severity"], row["reason"])
        for row in kept
    }
    as_shown = {
        (asset, name): (one.passed, one.severity.value, one.description)
        for asset, checks in shown.items()
        for name, one in checks.items()
        if asset != "rollout_report"
    }
    assert as_kept == as_shown
    assert ("daily_scores_v41", "distinct_scores") in as_kept
    numbers = [row for row in kept if row["actual"] is not None]
    assert {
        shown[keys[row["table_name"]]][row["check_name"]].metadata["actual"].value == row["actual"] for row in numbers
    } == {True}


def test_every_gate_is_kept_with_its_numbers_its_write_and_its_policy(begin_story):
    story = begin_story("promoted")
    gates = {row["check_name"]: row for row in rows(story) if row["check_name"] in GATE_NAMES}
    assert set(gates) == set(GATE_NAMES)
    lift = gates["top_decile_lift"]
    assert (lift["actual"], lift["threshold"], lift["verdict"]) == (pytest.approx(1.5), 1.5, "PASS")
    assert lift["evidence_sha256"] == story.evidence_sha256
    assert {row["sequence"] for row in gates.values()} == {1}
    assert {len(row["policy_sha256"]) for row in gates.values()} == {64}
    story.rule("lift_below: 1.5", "lift_below: 1.4")
    with story.measured():
        assert local_runs.run_job(story.settings, EVALUATION_JOB, partition=story.day).success
    policies = {row["number"]: row["policy_sha256"] for row in rows(story) if row["check_name"] == "top_decile_lift"}
    assert len(set(policies.values())) == len(policies) == 2


def test_rows_are_only_added(begin_story):
    story = begin_story("seventh")
    before = rows(story)
    assert story.run().success
    after = rows(story)
    assert [row for row in after if row in before] == before
    assert len(after) == 2 * len(before)
    assert {row["number"] for row in after} == {1, 2}


# --- stale ---------------------------------------------------------------------------------------------------------


INPUTS = ("lead_outcomes", "scored_leads", "firm_activity", "common_features", "features_v41", "daily_scores_v40")


@pytest.mark.parametrize("key", INPUTS)
def test_a_day_is_held_while_an_input_was_written_after_it_was_judged(earned, key):
    write_again(earned, key)
    tick = earned.tick()
    assert tick.said.startswith("hold: ")
    assert f"{key} of {SEVENTH} was written again (write 2)" in tick.said
    assert (tick.outcomes, earned.live) == ((), OLD)
    earned.goes_on(time="09:00")
    assert f"{key} of {SEVENTH} was written again" in earned.alerts()
    assert operator_actions.status(earned.settings).missing_day is None


def test_a_day_whose_inputs_were_all_written_again_is_decided_on_once_it_is_run_again(earned):
    for key in INPUTS:
        write_again(earned, key)
    assert earned.tick().said.startswith("hold: ")
    assert earned.run(replace_live="judged again").success
    assert earned.tick().outcomes[0].success
    assert earned.live == NEW


def test_what_was_written_on_another_day_makes_no_day_stale(earned):
    earned.write(BEFORE[0], GOOD, retrospective=True)
    assert earned.tick().outcomes[0].success
    assert earned.live == NEW


def test_an_input_that_was_first_written_after_the_judgement_makes_it_stale(earned):
    name = earned.settings.rollout.catalogue["lift_comparison"].name
    kept = store(earned.settings)
    mine = [one for one in all_of(kept, SEVENTH, SEVENTH) if one.table_name == name]
    unknown = {**(mine[-1].inputs or {}), "v4_lead_outcomes": 0}
    at = earned.settings.clock.now()
    record(kept, [Judgement(name, SEVENTH, mine[-1].sequence, unknown, "early", at, mine[-1].results)])
    assert f"lead_outcomes of {SEVENTH} was written again (write 1)" in earned.tick().said


# --- the record itself ---------------------------------------------------------------------------------------------


def test_thousands_of_rows_are_kept_whole_and_counted_by_table_and_day(begin_story):
    story = begin_story("adopted")
    kept, at = store(story.settings), story.settings.clock.now()
    found = tuple(CheckResult(f"check {number}", Verdict.PASS, "WARN", "ok", actual=number / 3) for number in range(7))
    days = [date(2024, 1, 1) + timedelta(days=age) for age in range(400)]
    judged = [Judgement("t", day, 1, {"s": 2}, run, at, found) for day in days for run in ("a", "b")]
    record(kept, judged)
    assert all_of(kept, days[0], days[-1]) == sorted(judged, key=lambda one: (one.day, one.run_id))
    record(kept, [])


def test_a_figure_that_is_no_number_is_kept_as_unknown(begin_story):
    story = begin_story("adopted")
    kept, at = store(story.settings), story.settings.clock.now()
    odd = CheckResult("odd", Verdict.FAIL, "ERROR", "nan", actual=float("nan"), bound=float("inf"), threshold=1.5)
    day = date(2024, 1, 1)
    record(kept, [Judgement("t", day, None, None, "run", at, (odd,))])
    [row] = story.read(
        "SELECT actual, bound, threshold, sequence FROM `ml_features`.`v4_check_results` WHERE table_name = 't'"
    )
    assert row == {"actual": None, "bound": None, "threshold": 1.5, "sequence": None}
