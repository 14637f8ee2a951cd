"""The embedded warehouse among processes: one writer at a time, locks with a named holder, kills that leave old rows.

Functions named `child_…` run in an interpreter of their own. test_warehouse.py has what every engine does.
"""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import duckdb
import pyarrow as pa
import pytest

from v4_assets.errors import ConcurrentWriteError, TableMissingError, WarehouseBusyError, WarehouseError
from v4_assets.project_files import PROJECT
from v4_assets.warehouse.duckdb import engine
from v4_assets.warehouse.duckdb.file import shared_connection
from v4_assets_tests.fixtures.warehouses import DAY, TOMORROW, YESTERDAY, SmallWarehouse, duckdb_at

MANY = duckdb_at(Path()).many_rows
PATIENCE = 120.0
"""Seconds after which a child process is given up."""


@pytest.fixture
def small(tmp_path: Path) -> SmallWarehouse:
    return duckdb_at(tmp_path).filled()


# --- other processes -----------------------------------------------------------------------------------------------


@contextmanager
def child(function: Callable[..., None], folder: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """`function` with the folder in a process of its own, killed at the end if it still runs."""
    script = f"import sys; from {__name__} import {function.__name__} as f; f(*sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), *args],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(path: Path) -> None:
    """Until the file is there. Raises TimeoutError after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} did not appear")
        time.sleep(0.02)


@contextmanager
def released_after(seconds: float, path: Path) -> Iterator[None]:
    """Let a waiting child go on after this many seconds, from another thread."""
    timer = threading.Timer(seconds, path.touch)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def child_stalls_in_a_write(folder: str) -> None:
    """Replaces the rows of DAY by `new`, and waits for the file `go` when it has handed over the first half."""

    small = duckdb_at(Path(folder))

    def stalling() -> Iterator[pa.RecordBatch]:
        yield small.many("new")
        (Path(folder) / "half").touch()
        wait_for(Path(folder) / "go")
        yield small.many("new")

    small.put(stalling(), sequence=2)


def child_keeps_the_warehouse(folder: str) -> None:
    small = duckdb_at(Path(folder))
    with small.warehouse.session():
        (Path(folder) / "held").touch()
        time.sleep(PATIENCE)


def child_races(folder: str, name: str) -> None:
    """Writes MANY rows of its own name as the first write after the file `go` appears, and prints the result."""
    (Path(folder) / f"ready {name}").touch()
    wait_for(Path(folder) / "go")
    small = duckdb_at(Path(folder))
    try:
        small.put([small.many(name)], sequence=2)
    except ConcurrentWriteError as error:
        print(error)
    else:
        print("written")


def child_opens_the_file_like_a_duckdb_shell(folder: str) -> None:
    connection = duckdb.connect(str(Path(folder) / "warehouse.duckdb"))
    (Path(folder) / "held").touch()
    wait_for(Path(folder) / "go")
    connection.execute("INSERT INTO ml_features.scores VALUES ('2026-01-05', 'from the shell', 1.0)")
    connection.close()


def child_leaves_a_stream_early_and_reads_again(folder: str) -> None:
    small = duckdb_at(Path(folder))
    with small.warehouse.stream(small.every_row, rows_per_batch=100) as batches:
        first = next(iter(batches))
    print(first.num_rows, len(small.leads(YESTERDAY)))


def child_writes_to_a_full_disk(folder: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    small = duckdb_at(Path(folder))
    with small.warehouse.session():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        try:
            small.put([small.batch("c")], sequence=2)
        except WarehouseError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.extended
def test_a_killed_write_leaves_the_old_rows_and_the_next_write_works(small, tmp_path):
    with child(child_stalls_in_a_write, tmp_path) as process:
        wait_for(tmp_path / "half")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
    assert (small.leads(), small.leads(YESTERDAY)) == (["a", "b"], ["y"])
    assert [(done.prediction_date, done.sequence) for done in small.logged()] == [(YESTERDAY, 1), (DAY, 1)]
    small.put([small.batch("c")], sequence=2)
    assert (small.leads(), small.leads(YESTERDAY)) == (["c"], ["y"])


def test_a_full_disk_is_named_and_leaves_the_old_rows(small, tmp_path):
    with child(child_writes_to_a_full_disk, tmp_path) as process:
        printed = process.communicate(timeout=PATIENCE)[0]
    assert printed.startswith("scores failed: ")
    assert "Could not write file" in printed
    assert small.leads() == ["a", "b"]


@pytest.mark.extended
def test_of_two_processes_writing_one_partition_one_wins_and_the_other_is_refused(small, tmp_path):
    with child(child_races, tmp_path, "one") as one, child(child_races, tmp_path, "two") as two:
        wait_for(tmp_path / "ready one")
        wait_for(tmp_path / "ready two")
        (tmp_path / "go").touch()
        printed = {
            "one": one.communicate(timeout=PATIENCE)[0].strip(),
            "two": two.communicate(timeout=PATIENCE)[0].strip(),
        }
    winner, loser = sorted(printed, key=lambda name: printed[name] != "written")
    assert printed[winner] == "written"
    assert printed[loser] == (
        "scores of 2026-01-05 has been written 2 times, expected 1: another run has just written it. Nothing was "
        "changed; run again to continue from that write."
    )
    assert small.names_and_counts() == [(winner, MANY)]
    assert [done.sequence for done in small.logged() if done.prediction_date == DAY] == [1, 2]


def test_a_writer_waits_for_the_one_before_it_and_is_then_refused(small, tmp_path):
    with child(child_stalls_in_a_write, tmp_path) as process:
        wait_for(tmp_path / "half")
        with (
            released_after(0.5, tmp_path / "go"),
            pytest.raises(ConcurrentWriteError, match="has been written 2 times, expected 1"),
        ):
            small.put([small.batch("late")], sequence=2)
        assert process.wait(PATIENCE) == 0
    assert small.names_and_counts() == [("new", 2 * MANY)]


def test_a_busy_warehouse_names_the_process_that_holds_it(small, tmp_path):
    with child(child_keeps_the_warehouse, tmp_path) as process:
        wait_for(tmp_path / "held")
        started = time.monotonic()
        with pytest.raises(WarehouseBusyError) as caught:
            duckdb_at(tmp_path, lock_seconds=0.4).leads()
        assert time.monotonic() - started >= 0.4
        assert process.poll() is None, "the wait ended because the holder did"
        assert f"it is held by process {process.pid} on " in str(caught.value)
        assert "V4_WAREHOUSE_LOCK_SECONDS sets how long to wait" in str(caught.value)


def test_the_lock_of_a_killed_process_is_free(small, tmp_path):
    with child(child_keeps_the_warehouse, tmp_path) as process:
        wait_for(tmp_path / "held")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        assert duckdb_at(tmp_path, lock_seconds=0.4).leads() == ["a", "b"]


def test_a_program_that_does_not_know_our_lock_is_waited_for(small, tmp_path):
    with child(child_opens_the_file_like_a_duckdb_shell, tmp_path) as process:
        wait_for(tmp_path / "held")
        with pytest.raises(WarehouseBusyError, match=r"was busy for 0 s; it is held by process \d+ on "):
            duckdb_at(tmp_path, lock_seconds=0.3).leads()
        with released_after(0.5, tmp_path / "go"):
            assert small.leads() == ["a", "b", "from the shell"]
        assert process.wait(PATIENCE) == 0


def test_the_macros_of_several_datasets_are_listed_by_the_names_they_were_asked_for(small):
    with duckdb.connect(small.warehouse.path) as connection:
        connection.execute("CREATE SCHEMA Other; CREATE SCHEMA bare")
        connection.execute("CREATE MACRO Other.twice(x) AS x * 2; CREATE MACRO Other.both(x, y) AS x + y")
    found = small.warehouse.routine_texts(["other", "project.Other", "bare"])
    macros = {"twice(x)": "(x * 2)", "both(x, y)": "(x + y)"}
    assert found == {"other": macros, "project.Other": macros, "bare": {}}
    assert small.warehouse.routine_texts([]) == {}
    with pytest.raises(TableMissingError, match=r"There is no dataset absent in "):
        small.warehouse.routine_texts(["other", "absent"])


def test_a_stream_left_early_does_not_block_the_next_call(small, tmp_path):
    small.put([small.many("new")] * 5, sequence=2)
    with child(child_leaves_a_stream_early_and_reads_again, tmp_path) as process:
        printed = process.communicate(timeout=PATIENCE)[0]
    assert printed.split() == ["100", "1"]


# --- one process ---------------------------------------------------------------------------------------------------


def test_rows_that_read_the_warehouse_while_they_are_written_are_refused(small):
    def reading() -> Iterator[pa.RecordBatch]:
        yield small.batch("c")
        yield small.batch(small.leads())

    with pytest.raises(WarehouseError, match="Read first, then write"):
        small.put(reading(), sequence=2)
    assert small.leads() == ["a", "b"]


def test_a_second_connection_reads_and_writes_in_another_thread_while_the_first_does(small):
    """Both write their own partition at once, read it whole, and see in the end what the other has committed.

    The partition that the other is replacing is not read: DuckDB 2.0 may give old and new rows of it at once.
    """
    failed: list[BaseException] = []

    def work(second: SmallWarehouse) -> None:
        try:
            for sequence in range(1, 6):
                second.put([second.many("two", day=TOMORROW)], sequence=sequence, day=TOMORROW)
                assert second.leads(TOMORROW) == ["two"] * MANY
        except BaseException as error:
            failed.append(error)

    with small.warehouse.session(), small.warehouse.beside() as beside:
        second = replace(small, warehouse=beside)
        thread = threading.Thread(target=work, args=(second,))
        thread.start()
        for sequence in range(2, 7):
            small.put([small.many("one")], sequence=sequence)
        thread.join(PATIENCE)
        assert failed == []
        assert len(small.leads(TOMORROW)) == len(second.leads(TOMORROW)) == MANY
        assert second.names_and_counts() == [("one", MANY)]
    assert [one.sequence for one in small.logged() if one.prediction_date == TOMORROW] == [1, 2, 3, 4, 5]


def test_a_session_lets_the_file_go_at_its_end(small, tmp_path):
    with small.warehouse.session(), small.warehouse.session():
        assert small.leads() == ["a", "b"]
    connection = duckdb.connect(small.warehouse.path)
    try:
        assert connection.execute("SELECT COUNT(*) FROM ml_features.scores").fetchall() == [(3,)]
    finally:
        connection.close()


def test_a_fork_of_a_process_that_has_started_duckdb_opens_another_file(small, tmp_path):
    def child() -> None:
        duckdb_at(tmp_path / "another").filled()

    assert small.leads() == ["a", "b"]
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(PATIENCE)
    process.kill()
    assert process.exitcode == 0


def test_duckdb_is_started_once_for_several_files_and_spills_beside_the_one_that_is_open(tmp_path, monkeypatch):
    started = Mock(wraps=duckdb.connect)
    monkeypatch.setattr(duckdb, "connect", started)
    engine._end()

    def spilling(name: str, text: str) -> str:
        """Where DuckDB spills while it works on the file of this home."""
        with engine_at(tmp_path / name) as connection:
            connection.execute(text)
            return str(connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0])

    def engine_at(home: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        home.mkdir(exist_ok=True)
        return shared_connection(home / "warehouse.duckdb", PATIENCE, "64MB")

    more_than_memory = "CREATE TEMP TABLE t AS SELECT md5(range::VARCHAR) AS m FROM range(2000000)"
    for name, text in (("one", "SELECT 1"), ("two's", "SELECT 1"), ("one", more_than_memory)):
        assert spilling(name, text) == f"{tmp_path / name / 'warehouse.duckdb'}.tmp"
    assert started.call_count == 1
    for name in ("one", "two's"):  # what has spilt beside a file stays with it
        assert spilling(name, "SELECT 1") == f"{tmp_path / name / 'warehouse.duckdb'}.tmp"
    assert started.call_count == 2


def test_a_file_that_is_not_a_warehouse_is_named_without_a_wait(tmp_path, monkeypatch):
    folder = tmp_path / "clocks"
    folder.mkdir()
    (folder / "warehouse.duckdb").write_bytes(b"not a database" * 1000)
    pauses = list[float]()
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(WarehouseError, match=r"is not a DuckDB file\. Restore the file from a backup") as caught:
        duckdb_at(folder, lock_seconds=PATIENCE).leads()
    assert not isinstance(caught.value, WarehouseBusyError)
    assert pauses == []
