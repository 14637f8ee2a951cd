"""A month whose job is killed, or run twice at once, ends in the rows of one that nothing happened to."""

import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest

from v4_assets import recorded_checks, tables
from v4_assets.config.environment import Settings
from v4_assets.operations import monthly
from v4_assets.prospects import assets, contracts, lists
from v4_assets.resources import store
from v4_assets_tests.fixtures.homes import copy, prepared
from v4_assets_tests.prospects.test_monthly import MONTH, adopted, at, rows, scored

pytestmark = pytest.mark.extended

STEPS = {
    "in the middle of the scores' rows": (assets, "score_prospects", False),
    "before the list": (lists, "write_partition", True),
    "after the list": (lists, "write_partition", False),
    "before a judgement is kept": (recorded_checks, "record", True),
}
"""What is killed before (True) it does its work, or after it has begun to give rows or has done it.

In the middle of the scores' rows, no row of scores is committed: what it leaves is what a kill before them leaves."""


def killed(home: Path, step: str) -> None:
    """The monthly job, ended by SIGKILL at a step."""
    owner, name, before = STEPS[step]
    real = getattr(owner, name)

    def fatal(*args: Any, **kwargs: Any) -> None:
        if not before:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    def halfway(*args: Any, **kwargs: Any) -> Iterator[pa.RecordBatch]:
        return ended(next(real(*args, **kwargs)).slice(0, 100))

    def ended(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield batch
        os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(owner, name, halfway if "middle" in step else fatal):
        monthly.run_month(at(home, MONTH), MONTH)


def run_together(home: Path, together: Barrier) -> None:
    """The monthly job, begun when the other is. Exit code 0 when it went through."""
    together.wait(300)
    outcome = monthly.run_month(at(home, MONTH), MONTH)
    print(*outcome.errors, sep="\n", end="", file=sys.stderr, flush=True)
    os._exit(0 if outcome.success else 1)


def keys(settings: Settings) -> list[str]:
    """The tables that the month's assets fill."""
    versions = [entry.key for entry in settings.rollout.versions.values()]
    own = [make(key) for key in versions for make in (contracts.features_key, contracts.scores_key)]
    return [contracts.PROSPECTS, *contracts.SNAPSHOT.values(), *own, contracts.PROSPECT_LIST]


def left_behind(home: Path) -> dict[str, Any]:
    """Everything the month's job leaves behind, without what belongs to a run."""
    settings = at(home, MONTH)
    left: dict[str, Any] = {}
    for key in keys(settings):
        found = rows(settings, f"SELECT * FROM {settings.rollout.catalogue[key].full_name}")
        left[key] = sorted(str(row) for row in found)
    writes = store(settings).latest_writes(MONTH, MONTH)
    left["writes"] = {
        name: (write.sequence, write.row_count, write.definition_sha256) for (name, _), write in writes.items()
    }
    return left


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How the month ends that nothing happens to."""
    return left_behind(copy(prepared("prospects_scored", scored), tmp_path_factory.mktemp("undisturbed") / "home"))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A V4_HOME before its first monthly job."""
    return copy(prepared("prospects_adopted", adopted), tmp_path / "home")


@pytest.mark.parametrize("step", STEPS)
def test_a_month_that_is_killed_is_whole_or_empty_and_is_finished_by_the_next_run(
    bare: Path, processes: ForkServerContext, undisturbed: dict[str, Any], step: str
) -> None:
    child = processes.Process(target=killed, args=(bare, step))
    child.start()
    child.join(300)
    assert child.exitcode == -signal.SIGKILL
    found = left_behind(bare)
    for key in keys(at(bare, MONTH)):
        assert found[key] in ([], undisturbed[key]), key
    outcome = monthly.run_month(at(bare, MONTH), MONTH)
    assert (outcome.success, outcome.errors) == (True, ())
    assert left_behind(bare) == undisturbed
    given = monthly.give_out(at(bare, MONTH), MONTH)
    assert (given.is_new, given.given.advisors) == (True, 1000)
    checked = store(at(bare, MONTH)).rows(tables.CHECK_RESULTS, {"first_day": MONTH, "last_day": MONTH})
    assert {row["verdict"] for row in checked if row["blocking"]} == {"PASS"}


def test_two_runs_of_a_month_at_once_both_go_through_and_write_it_once(
    bare: Path, processes: ForkServerContext, undisturbed: dict[str, Any]
) -> None:
    together = processes.Barrier(2)
    children = [processes.Process(target=run_together, args=(bare, together)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(600)
    assert [child.exitcode for child in children] == [0, 0]
    assert left_behind(bare) == undisturbed
    assert lists.given_out(store(at(bare, MONTH)), MONTH) == []
