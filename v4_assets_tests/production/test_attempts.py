"""How often an action is tried: every attempt a run of its own, nobody twice at once, ever longer pauses, an end."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from v4_assets.errors import PolicyError
from v4_assets.names import ACTION_TAG, PROCESS_TAG
from v4_assets.production.attempts import await_turn, next_attempt
from v4_assets.runs import at_work, this_process

ORDER = "an order"


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, process: str | None = None) -> dg.DagsterRun:
    """A run of the order in Dagster's storage."""
    tags = {ACTION_TAG: ORDER, **({PROCESS_TAG: process} if process else {})}
    # Dagster has a queued run only of a job that a daemon could load.
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository"), "job")
    return instance.add_run(dg.DagsterRun("job", tags=tags, status=status, remote_job_origin=origin))


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
    assert (found.number, found.reason) == (None, f"run {going.run_id} is executing it")


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


def waits(instance: dg.DagsterInstance, own: dg.DagsterRun, ends: dg.DagsterRun | None = None) -> list[str]:
    """What a run is told while it waits for its turn; `ends` is over after the first pause."""
    lines: list[str] = []

    def pause(_: float) -> None:
        assert ends is not None, "it waits for ever"
        instance.report_run_canceled(ends)

    await_turn(instance, own.run_id, ORDER, minutes=1.0, log=lines.append, sleep=pause)
    return lines


def test_of_two_runs_at_once_the_later_waits_for_the_end_of_the_earlier(instance):
    earlier = run(instance, dg.DagsterRunStatus.STARTED, "elsewhere:1")
    later = run(instance, dg.DagsterRunStatus.STARTED, this_process())
    assert waits(instance, earlier) == []
    said = f"Run {earlier.run_id} carries out the same order; this one waits for its end."
    assert waits(instance, later, ends=earlier) == [said]


@pytest.mark.parametrize(
    ("status", "process"),
    [
        (dg.DagsterRunStatus.SUCCESS, "elsewhere:1"),
        (dg.DagsterRunStatus.FAILURE, "elsewhere:1"),
        (dg.DagsterRunStatus.QUEUED, None),
        (dg.DagsterRunStatus.STARTED, "killed"),
    ],
    ids=["over", "failed", "queued", "killed"],
)
def test_nobody_waits_for_a_run_that_is_not_at_work(instance, status, process):
    run(instance, status, dead_process() if process == "killed" else process)
    assert waits(instance, run(instance, dg.DagsterRunStatus.STARTED, this_process())) == []


def test_a_run_that_does_not_end_is_given_up_with_its_name(instance):
    stuck = run(instance, dg.DagsterRunStatus.STARTED, "elsewhere:1")
    own = run(instance, dg.DagsterRunStatus.STARTED, this_process())
    with pytest.raises(PolicyError, match=f"Run {stuck.run_id} has been carrying out the same order for 0 minutes"):
        await_turn(instance, own.run_id, ORDER, minutes=0.0, log=lambda _: None)
