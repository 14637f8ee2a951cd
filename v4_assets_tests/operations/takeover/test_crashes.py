"""A takeover or undoing that dies before any statement is closed by the next call, as if it had not died."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from v4_assets.config.environment import Settings, load
from v4_assets.errors import TakeoverError
from v4_assets.operations import local_runs
from v4_assets.resources import store, warehouse
from v4_assets.warehouse import preflight
from v4_assets.warehouse.duckdb.moving import DuckDBMoving
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets_tests.chaos.aftermath import Aftermath, differences, left_behind
from v4_assets_tests.fixtures import firm_warehouse as firm
from v4_assets_tests.fixtures.firm_takeovers import Crash, answers, ask, firms, move_in, stopping, undo, v4
from v4_assets_tests.fixtures.firm_warehouse import environment
from v4_assets_tests.fixtures.homes import copy

pytestmark = pytest.mark.extended


@contextmanager
def kept_before_every_statement(home: Path, folder: Path) -> Iterator[list[Path]]:
    """Homes as a kill before each statement that changes something would leave them, whatever step it belongs to."""
    left: list[Path] = []

    def keeping(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **how: Any) -> Any:
            left.append(copy(home, folder / str(len(left))))
            return real(*args, **how)

        return call

    changing: list[tuple[type, str]] = [(DuckDBMoving, name) for name in ("rename", "copy", "drop", "put_view")]
    changing += [(DuckDBWarehouse, name) for name in ("create", "transact")]
    with pytest.MonkeyPatch.context() as patched:
        for owner, name in changing:
            patched.setattr(owner, name, keeping(getattr(owner, name)))
        yield left


def everything(settings: Settings) -> Aftermath:
    """All of the dataset: every row, and how each table and view was made and described."""
    made = ask(
        settings,
        "SELECT table_name, sql, comment FROM duckdb_tables() WHERE schema_name = 'ml_features' UNION ALL "
        "SELECT view_name, sql, comment FROM duckdb_views() WHERE schema_name = 'ml_features' ORDER BY ALL",
    )
    described = [{"name": name, "sql": text, "comment": comment} for name, text, comment in made]
    return left_behind(settings.home, None) | {"described": described}


@pytest.mark.parametrize("copied", [False, True], ids=["renamed", "copied"])
def test_a_crash_before_any_statement_is_closed_by_the_next_call_on_the_way_in_and_on_the_way_back(
    home, tmp_path, copied
):
    settings = load(environment(home))
    all_of_it = firms(settings)
    with kept_before_every_statement(home, tmp_path / "in") as left:
        move_in(settings, copy=copied)
    assert len(left) > 12
    assert preflight.examine(warehouse(settings), settings.rollout.catalogue).obstacles == ()
    moved_in = everything(settings)
    for after, there in enumerate(map(load, map(environment, left))):
        with warehouse(there, any_schema=True).session():
            move_in(there, copy=copied)
            for name in (*firm.IN_THE_WAY, *firm.DASHBOARDS):
                assert answers(there, name), (after, name)
        assert differences(everything(there), moved_in) == [], after
    with kept_before_every_statement(home, tmp_path / "back") as left:
        undo(settings)
    assert len(left) > 12
    assert firms(settings) == all_of_it
    moved_back = everything(settings)
    for after, there in enumerate(map(load, map(environment, left))):
        with warehouse(there, any_schema=True).session():
            undo(there)
        assert differences(everything(there), moved_back) == [], after
    move_in(settings)
    local_runs.init(settings)


def killed(env: dict[str, str], step: int) -> None:
    """A takeover that is killed after a step."""
    done: list[str] = []

    def fatal(name: str) -> None:
        done.append(name)
        if len(done) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    move_in(load(env), fatal)


def test_a_takeover_that_is_killed_after_every_one_of_its_steps_ends_like_one_that_was_not(home, processes):
    all_of_it, settings = firms(load(environment(home))), load(environment(home))
    step = 0
    codes: list[int | None] = []
    while not codes or codes[-1] != 0:
        step += 1
        process = processes.Process(target=killed, args=(environment(home), step))
        process.start()
        process.join(120)
        codes.append(process.exitcode)
        assert step < 60
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) > 12
    local_runs.init(settings)
    assert store(settings).live() == "v4.0.0"
    undo(settings)
    assert firms(settings) == all_of_it


def test_a_half_done_takeover_stops_every_other_command_until_it_is_finished_or_undone(home, settings):
    all_of_it = firms(settings)

    with pytest.raises(Crash):
        move_in(settings, stopping("make v4_daily_scores"))
    assert "A takeover was begun and is not finished" in v4(home, "takeover").output
    for command in (("status",), ("run", "--date", "today"), ("live",)):
        refused = v4(home, *command).exception
        assert isinstance(refused, TakeoverError)
        assert "`v4 takeover --yes` finishes it" in str(refused)
    undo(settings)
    assert firms(settings) == all_of_it
