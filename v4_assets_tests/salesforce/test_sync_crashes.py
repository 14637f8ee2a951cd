"""Killed between any two steps and run again, a sync ends with the org as the warehouse has it, each lead written once.

The steps are the calls that change something in the org or in the warehouse, and the first poll of every job; before
each of them in turn a process of its own is killed with SIGKILL. A further poll changes nothing: what a kill before it
leaves is what a kill before the first poll, or before the step that follows the last one, leaves. A job that is done as
one of another sync is not killed at again: the first of a rollback is a first sync's, the retry of a repair its retry.

Importing takes a process seconds, so that one process, free of threads, forks itself for every step.
"""

import atexit
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from salesforce_stand_in import StandInOrg
from v4_assets import sql, tables
from v4_assets.errors import SalesforceError
from v4_assets.warehouse.duckdb.sql import to_duckdb
from v4_assets_tests.fixtures.crm_world import (
    NEW,
    OLD,
    ROLLOUT,
    CrmWorld,
    carried,
    client_at,
    client_of,
    lead,
    leads,
    org_of,
    spread,
)

LEADS = 12
STEPS = {"create_job", "upload", "close", "status", "abort", "transact", "replace_slice"}
TWO_JOBS: dict[str, Any] = {"rows_per_job": LEADS // 2}
LOCKED = lead(2)


class Mortal:
    """Somebody who dies by SIGKILL before the step of this number, counted over all that share the count."""

    def __init__(self, whom: object, count: list[str], fatal: int) -> None:
        self._whom, self._count, self._fatal = whom, count, fatal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._whom, name)
        if name not in STEPS:
            return found

        def step(*args: Any, **kwargs: Any) -> Any:
            if len(self._count) == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            self._count.append(name)
            return found(*args, **kwargs)

        return step


class MortalWorld(CrmWorld):
    """A world whose warehouse and org share one count of steps."""

    count: list[str]
    fatal: int

    @property
    def warehouse(self) -> Any:
        return Mortal(super().warehouse, self.count, self.fatal)


def child_syncs() -> None:
    """For every line 'HOME ORG STEP' a fork that syncs and dies before the step; then a line with its steps."""
    warm_up()
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
    for line in sys.stdin:
        home, folder, fatal = line.split()
        reader, writer = os.pipe()
        if (pid := os.fork()) == 0:
            world = MortalWorld(Path(home), dict(TWO_JOBS) if "rollback" in home else {})
            world.count, world.fatal = [], int(fatal)
            with suppress(SalesforceError), world.warehouse.session():
                world.sync(Mortal(client_at(Path(folder)), world.count, int(fatal)))
            os.write(writer, " ".join(world.count).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as output:
            steps = output.read()
        status = os.waitpid(pid, 0)[1]
        print("killed" if os.WIFSIGNALED(status) else f"done {steps}", flush=True)


def warm_up() -> None:
    """Translate the queries and sync once, which imports what only a sync does, and not in every fork."""
    catalogue = ROLLOUT.catalogue
    read = (tables.PRODUCTION, tables.PARTITION_WRITES, tables.CHECK_RESULTS, "confirm_production")
    ledger = [name for name in sql.files() if name.startswith("salesforce_")]
    assert len(ledger) == 13, "a file of sql/salesforce was added, removed or not found"
    for name in (*read, *ledger):
        params = dict.fromkeys(sql.load(name).params)
        to_duckdb(catalogue.query(name, params, daily_scores="daily_scores_v40").text)
    with tempfile.TemporaryDirectory() as folder:
        drift(Path(folder))


@pytest.fixture(scope="module")
def victim() -> Iterator[subprocess.Popen[str]]:
    """The process that is killed again and again."""
    script = "from v4_assets_tests.salesforce.test_sync_crashes import child_syncs; child_syncs()"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def swept(steps: list[str], but_job: int | None = None) -> Iterator[tuple[int, str]]:
    """Number and name of every step but the polls that follow a poll, and those of a job; the first is 1."""
    job = 0
    for number, step in enumerate(steps):
        # A job begins when its rows are recorded.
        job += steps[number + 1 : number + 2] == ["create_job"]
        if job != but_job and not step == "status" == steps[number - 1]:
            yield number, step


def sync_until(victim: subprocess.Popen[str], world: CrmWorld, org: StandInOrg, step: int) -> str:
    assert victim.stdin is not None and victim.stdout is not None
    victim.stdin.write(f"{world.home} {org.folder} {step}\n")
    victim.stdin.flush()
    return victim.stdout.readline().strip()


def first_sync(folder: Path) -> None:
    """Nothing was ever sent."""
    world = CrmWorld(folder / "home").prepare()
    world.score(OLD, spread(leads(LEADS)))
    with org_of(folder / "org", list(leads(LEADS))):
        pass


def rollback(folder: Path) -> None:
    """The challenger's scores are everywhere, and the champion is live again."""
    world = CrmWorld(folder / "home").prepare(NEW)
    world.score(NEW, spread(leads(LEADS), seed=2))
    world.score(OLD, spread(leads(LEADS)))
    with org_of(folder / "org", list(leads(LEADS))) as (_, client):
        world.sync(client)
    world.go_live(OLD)


def scores_of(org: StandInOrg) -> dict[str, tuple[Any, ...]]:
    """What the leads show, without the percentile, which may be of an earlier sync."""
    return {one: tuple(row[name] for name in sorted(row) if "Perc" not in name) for one, row in carried(org).items()}


def drift(folder: Path) -> dict[str, tuple[Any, ...]]:
    """A scored lead, an emptied one and one that left with a call were edited in the org. What they showed before."""
    world = CrmWorld(folder / "home").prepare()
    scores = spread(leads(LEADS))
    world.score(OLD, scores)
    with org_of(folder / "org", list(leads(LEADS))) as (org, client):
        world.sync(client)
        world.score(OLD, {one: score for one, score in scores.items() if one not in (lead(0), lead(1))})
        columns = dict.fromkeys(column.name for column in world.rollout.catalogue[tables.LEAD].columns)
        world.put(tables.LEAD, [columns | {"Id": lead(1), "Stage_Entered_Call_Scheduled__c": world.clock.now()}])
        world.sync(client)
        before = scores_of(org)
        org.store.update(["V4_Score__c"], [[True, 0.99, lead(number)] for number in range(3)])
    return before


@contextmanager
def copy_of(template: Path, folder: Path) -> Iterator[tuple[CrmWorld, StandInOrg]]:
    """What the template holds; at the first sync a lead is locked once, a rollback takes two jobs."""
    shutil.copytree(template, folder)
    rules = dict(TWO_JOBS) if "rollback" in str(folder) else {}
    with org_of(folder / "org", []) as (org, _):
        if not rules:
            org.faults.row("UNABLE_TO_LOCK_ROW", [LOCKED], times=1)
        yield CrmWorld(folder / "home", rules), org


@pytest.mark.extended
@pytest.mark.parametrize(("prepare", "writes", "but_job"), [(first_sync, 1, None), (rollback, 2, 1)])
def test_killed_before_any_step_and_run_again_the_org_is_as_the_warehouse(
    tmp_path, victim, prepare, writes, but_job
) -> None:
    tmp_path /= prepare.__name__
    prepare(template := tmp_path / "template")
    with copy_of(template, tmp_path / "whole") as (world, org):
        said, *steps = sync_until(victim, world, org, 10_000).split()
        assert said == "done"
        assert steps.count("create_job") == 2
        assert carried(org) == world.expected(OLD)
    for fatal, step in swept(steps, but_job):
        where = f"killed before step {fatal} ({step})"
        with copy_of(template, tmp_path / str(fatal)) as (world, org):
            assert sync_until(victim, world, org, fatal) == "killed", where
            client = client_of(org)
            with world.warehouse.session():
                report = world.sync(client)
                assert world.sync(client).jobs == 0, where
            assert carried(org) == world.expected(OLD), where
            assert set(org.updates().values()) == {writes}, where
            assert (report.uncovered, report.problems) == (0, ()), where
            named = {row["job_id"] for row in world.all(tables.SALESFORCE_JOBS)}
            open_ = [job["id"] for job in org.jobs() if job["state"] == "Open"]
            # A job whose id was not recorded stays Open and empty: it may be another integration's.
            assert (len(open_) <= 1, named & set(open_)) == (True, set()), where
            assert all(row["settled_at"] for row in world.all(tables.SALESFORCE_JOBS)), where
            confirmed = [row["lead_id"] for row in world.log() if row["outcome"] == "confirmed"]
            assert sorted(confirmed) == sorted(leads(LEADS) * writes), where


@pytest.mark.extended
def test_killed_before_any_step_of_a_repair_and_run_again_the_org_shows_what_it_confirmed(tmp_path, victim) -> None:
    before = drift(template := tmp_path / "template")
    with copy_of(template, tmp_path / "whole") as (world, org):
        said, *steps = sync_until(victim, world, org, 10_000).split()
        assert said == "done"
        assert steps.count("create_job") == 3  # a lead that is locked once, and the two that left
        assert scores_of(org) == before
    for fatal, step in swept(steps, but_job=2):
        where = f"killed before step {fatal} ({step})"
        with copy_of(template, tmp_path / str(fatal)) as (world, org):
            assert sync_until(victim, world, org, fatal) == "killed", where
            client = client_of(org)
            report = world.sync(client)
            assert (report.uncovered, report.problems) == (0, ()), where
            assert world.sync(client).jobs == 0, where
            assert scores_of(org) == before, where
            assert all(row["settled_at"] for row in world.all(tables.SALESFORCE_JOBS)), where


@pytest.mark.extended
def test_killed_again_and_again_it_still_ends_well(tmp_path, victim) -> None:
    rollback(template := tmp_path / "template")
    with copy_of(template, tmp_path / "rollback") as (world, org):
        for fatal in (9, 7, 5, 8):
            assert sync_until(victim, world, org, fatal) == "killed"
        assert world.sync(client_of(org)).uncovered == 0
        assert carried(org) == world.expected(OLD)
        assert set(org.updates().values()) == {2}
