"""How often an action is tried: every attempt a run of its own, nobody twice at once, ever longer pauses, an end."""

import subprocess
import sys

import dagster as dg
import pytest

from v4_assets.rollout.attempts import next_attempt
from v4_assets.rollout.orders import ACTION_TAG
from v4_assets.rollout.runs import PROCESS_TAG, at_work, this_process

ORDER = "an order"


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, process: str | None = None) -> dg.DagsterRun:
    """A run of the order in Dagster's storage."""
    tags = {ACTION_TAG: ORDER, **({PROCESS_TAG: process} if process else {})}
    return instance.create_run_for_job(dg.GraphDefinition("job", node_defs=[]).to_job(), tags=tags, status=status)


def dead_process() -> str:
    """host:pid of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return f"{this_process().rpartition(':')[0]}:{child.pid}"


def test_the_first_attempt_is_made_at_once(instance):
    assert next_attempt(instance, ORDER, None, 6).number == 1


def test_nobody_tries_while_a_run_is_at_it(instance):
    going = run(instance, dg.DagsterRunStatus.STARTED, this_process())
    found = next_attempt(instance, ORDER, None, 6)
    assert (found.number, found.reason) == (None, f"run {going.run_id} is at it")


def test_a_run_that_has_not_begun_is_waited_for(instance):
    run(instance, dg.DagsterRunStatus.NOT_STARTED)
    assert next_attempt(instance, ORDER, None, 6).number is None


def test_a_killed_run_is_reported_failed_and_the_next_attempt_made(instance):
    killed = run(instance, dg.DagsterRunStatus.STARTED, dead_process())
    assert next_attempt(instance, ORDER, None, 6).number == 2
    assert instance.get_run_by_id(killed.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_run_on_another_host_is_left_to_dagster(instance):
    elsewhere = run(instance, dg.DagsterRunStatus.STARTED, "elsewhere:1")
    assert at_work(instance, elsewhere)


def test_pauses_double_with_every_failure(instance):
    attempts, cursor = [], None
    for look in range(1, 20):
        found = next_attempt(instance, ORDER, cursor, 5)
        cursor = found.cursor
        if found.number:
            attempts.append((look, found.number))
            run(instance, dg.DagsterRunStatus.FAILURE)
    assert attempts == [(1, 1), (2, 2), (4, 3), (8, 4), (16, 5)]
    assert next_attempt(instance, ORDER, cursor, 5).exhausted


def test_another_order_does_not_wait_for_the_last_ones_pause(instance):
    run(instance, dg.DagsterRunStatus.FAILURE)
    run(instance, dg.DagsterRunStatus.FAILURE)
    cursor = next_attempt(instance, ORDER, None, 6).cursor
    assert next_attempt(instance, ORDER, cursor, 6).number is None
    assert next_attempt(instance, "another order", cursor, 6).number == 1
