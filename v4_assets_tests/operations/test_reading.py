"""Reading needs no writing: status and history work on a home without the right to write and beside other readers.

Beside a process that writes they wait and then name it; who waits for Salesforce leaves the warehouse to others.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner, Result

from v4_assets import resources
from v4_assets.cli.main import cli
from v4_assets.config.environment import load
from v4_assets.errors import TableMissingError, WarehouseBusyError
from v4_assets.operations import operator_actions
from v4_assets.project_files import PROJECT
from v4_assets.resources import store, warehouse
from v4_assets.warehouse.duckdb.file import released
from v4_assets_tests.fixtures.stories import OLD, Story, tell

pytestmark = pytest.mark.extended

NOBODY = 65534


@pytest.fixture
def story() -> Iterator[Story]:
    """A home in a folder that every account may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield tell("seventh", Path(folder) / "home")


@contextmanager
def unwritable(home: Path) -> Iterator[None]:
    """No file below `home` may be written, not even by an administrator's tests."""
    paths = [home, *home.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    account = os.geteuid()
    if account == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if account == 0:
            os.seteuid(account)
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)


def v4(story: Story, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(cli, arguments, env=story.environment | env, prog_name="v4")


@contextmanager
def elsewhere(code: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has run `code` up to its print, and ends with the block."""
    command = [sys.executable, "-c", f"{code}\nprint('there', flush=True)\ninput()", *arguments]
    with subprocess.Popen(command, cwd=PROJECT, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield process
        process.kill()


SHELL = "import duckdb, sys; held = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'reads')"
LOOKS = (("status",), ("history",), ("live",), ("lift", "--weeks"))


def files(home: Path) -> dict[str, str]:
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_look_works_on_a_home_without_the_right_to_write_and_leaves_it_as_it_was(story, look):
    expected, before = v4(story, *look), files(story.home)
    with unwritable(story.home):
        found = v4(story, *look)
    assert (found.exit_code, found.output, found.exception) == (expected.exit_code, expected.output, expected.exception)
    assert OLD in found.output
    assert files(story.home) == before


def test_a_home_that_dagster_has_never_seen_is_looked_at_without_making_an_instance():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        story = tell("adopted", Path(folder) / "home")
        shutil.rmtree(story.settings.dagster_home)
        v4(story, "status")  # imports what the account below may not
        with unwritable(story.home):
            found = v4(story, "status")
        assert "v4.0.0 since 2026-01-05" in found.output, found.exception
        assert not story.settings.dagster_home.exists()


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_look_goes_beside_a_shell_that_reads(story, look):
    with elsewhere(SHELL, str(story.settings.duckdb_file), "reads"):
        found = v4(story, *look, V4_WAREHOUSE_LOCK_SECONDS="0")
    assert OLD in found.output, found.exception


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_look_beside_a_shell_that_writes_names_it(story, look):
    with elsewhere(SHELL, str(story.settings.duckdb_file), "writes") as shell:
        found = v4(story, *look, V4_WAREHOUSE_LOCK_SECONDS="0.3")
    assert isinstance(found.exception, WarehouseBusyError)
    assert f"it is held by process {shell.pid} on " in str(found.exception)
    assert "python" in str(found.exception)


def test_a_look_waits_for_a_process_that_soon_ends(story):
    with elsewhere(SHELL, str(story.settings.duckdb_file), "writes") as shell:
        threading.Timer(1.0, shell.kill).start()
        found = v4(story, "history", V4_WAREHOUSE_LOCK_SECONDS="20")
    assert found.exit_code == 0, found.exception


def test_a_look_reads_what_a_killed_process_had_committed(story):
    killed = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute(\"UPDATE ml_features.v4_deployments SET reason = 'written before the end'\"); "
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(story.settings.duckdb_file)], check=False)
    v4(story, "live")
    with unwritable(story.home):
        assert "written before the end" in v4(story, "history").output


def test_a_home_without_a_warehouse_is_not_given_one_by_a_look(tmp_path):
    settings = load({"V4_HOME": str(tmp_path)})
    with pytest.raises(TableMissingError, match=r"There is no .*warehouse\.duckdb\. `v4 init` makes one"):
        store(settings, reading=True).events()
    assert list(tmp_path.iterdir()) == []


# --- alerts --------------------------------------------------------------------------------------------------------


def test_that_the_warehouse_is_held_is_told_without_it_and_sooner_than_a_tick_may_last(story):
    assert resources.READ_SECONDS < 60
    with (
        elsewhere(SHELL, str(story.settings.duckdb_file), "writes") as shell,
        patch.object(resources, "READ_SECONDS", 0.2),
    ):
        began = time.monotonic()
        said = operator_actions.alert(story.settings).said
        assert time.monotonic() - began < 30
    assert "The rollout could not be read: " in said
    assert f"it is held by process {shell.pid} on " in said


# --- waiting for Salesforce ----------------------------------------------------------------------------------------


def opens(path: Path) -> bool:
    """Whether another process can open the warehouse to write now."""
    code = (
        "import sys; from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse\n"
        "with DuckDBWarehouse(path=sys.argv[1], lock_seconds=0).session(): print('opened')"
    )
    command = [sys.executable, "-c", code, str(path)]
    return "opened" in subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False).stdout


def test_a_wait_for_salesforce_leaves_the_warehouse_to_others_and_takes_it_again(story):
    file, seen = story.settings.duckdb_file, list[bool]()
    wait = resources.crm(load(story.environment | {"V4_SALESFORCE": "dry-run"})).wait
    record = store(story.settings)
    with record.session():
        assert not opens(file)
        with patch.object(time, "sleep", lambda _: None), released(file):
            seen.append(opens(file))
            assert record.events()  # what is asked meanwhile opens the file for itself
        assert not opens(file)
        with patch.object(resources, "released", side_effect=released) as left:
            wait.sleep(0.01)
            assert not left.called
            wait.sleep(1.0)
            assert left.called
        assert record.events()
    assert (seen, opens(file)) == ([True], True)


def test_a_file_that_is_taken_during_a_wait_is_waited_for_and_then_named(story):
    path = story.settings.duckdb_file
    connected = warehouse(story.settings.model_copy(update={"warehouse_lock_seconds": 0.2}))
    with pytest.raises(WarehouseBusyError), connected.session(), released(path):
        other = elsewhere(SHELL, str(path), "writes")
        other.__enter__()
    other.__exit__(None, None, None)
    assert json.loads(v4(story, "history", "--json").output)
