"""The embedded warehouse keeps its word: whole partitions, one writer at a time, and errors that name what to do.

What other processes do is done by other processes: functions named `child_…` run in an interpreter of their own.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from v4_assets import tables
from v4_assets.clock import cutoff
from v4_assets.config.environment import load
from v4_assets.errors import (
    ConcurrentWriteError,
    FeatureError,
    SchemaDriftError,
    TableMissingError,
    WarehouseBusyError,
    WarehouseError,
)
from v4_assets.project import PROJECT
from v4_assets.sql import Column, Query
from v4_assets.tables import Table, View
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import Statement, Warehouse, arrow_schema
from v4_assets.warehouse.writes import PartitionWrite

DAY, YESTERDAY, TOMORROW = date(2026, 1, 5), date(2026, 1, 4), date(2026, 1, 6)
WRITTEN_AT = datetime(2026, 1, 5, 11, 30, tzinfo=UTC)
SCORES = Table(
    "scores",
    "ml_features",
    "scores",
    (Column("prediction_date", "DATE"), Column("lead_id", "STRING"), Column("score", "FLOAT64")),
)
NAME = SCORES.full_name
MANY = 200_000
"""Rows enough that DuckDB writes some of them into the file before the transaction ends."""
PATIENCE = 120.0
"""Seconds after which a child process is given up."""


class House(DuckDBWarehouse):
    """A warehouse with one table, and the write log."""

    @property
    def log(self) -> Table:
        return load({"V4_HOME": str(Path(self.path).parent)}).rollout.catalogue[tables.PARTITION_WRITES]

    def put(self, rows: Query | Iterable[pa.RecordBatch], sequence: int = 1, day: date = DAY) -> PartitionWrite:
        return self.replace_partition(SCORES, write(sequence, day), rows, self.log)

    def leads(self, day: date = DAY) -> list[str]:
        found = self.read(Query("leads", f"SELECT lead_id FROM {NAME} WHERE prediction_date = @day", {"day": day}))
        return sorted(found["lead_id"].to_pylist())

    def logged(self) -> list[PartitionWrite]:
        found = self.read(Query("log", f"SELECT * FROM {self.log.full_name} ORDER BY prediction_date, sequence"))
        return [PartitionWrite(**row) for row in found.to_pylist()]


def write(sequence: int, day: date = DAY) -> PartitionWrite:
    return PartitionWrite("scores", day, WRITTEN_AT, day != DAY, "0" * 64, "run", None, sequence)


def batch(leads: Iterable[str], day: date | None = DAY) -> pa.RecordBatch:
    rows = [{"prediction_date": day, "lead_id": lead, "score": 0.5} for lead in leads]
    return pa.RecordBatch.from_pylist(rows, schema=arrow_schema(SCORES))


def many(name: str) -> pa.RecordBatch:
    """MANY rows of leads called `name`."""
    values = (pa.scalar(DAY, pa.date32()), pa.scalar(name), pa.scalar(0.5))
    return pa.record_batch([pa.repeat(value, MANY) for value in values], schema=arrow_schema(SCORES))


def names_and_counts(house: House) -> list[tuple[str, int]]:
    query = f"SELECT lead_id, COUNT(*) AS n FROM {NAME} WHERE prediction_date = @day GROUP BY lead_id ORDER BY lead_id"
    return [(row["lead_id"], row["n"]) for row in house.read(Query("names", query, {"day": DAY})).to_pylist()]


def at(folder: Path, lock_seconds: float = 30.0) -> House:
    return House(path=str(folder / "warehouse.duckdb"), lock_seconds=lock_seconds)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The old rows `a`, `b` on DAY, and `y` the day before."""
    house = at(tmp_path)
    house.create([SCORES, house.log])
    house.put([batch("y", YESTERDAY)], day=YESTERDAY)
    house.put([batch("ab")])
    return house


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
    """Let a waiting child go on after so many seconds, from another thread."""
    timer = threading.Timer(seconds, path.touch)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def child_stalls_in_a_write(folder: str) -> None:
    """Replaces the rows of DAY by `new`, and waits for the file `go` when it has handed over the first half."""

    def stalling() -> Iterator[pa.RecordBatch]:
        yield many("new")
        (Path(folder) / "half").touch()
        wait_for(Path(folder) / "go")
        yield many("new")

    at(Path(folder)).put(stalling(), sequence=2)


def child_keeps_the_warehouse(folder: str) -> None:
    house = at(Path(folder))
    with house.session():
        (Path(folder) / "held").touch()
        time.sleep(PATIENCE)


def child_races(folder: str, name: str) -> None:
    """Writes MANY rows of its own name as the first write after the file `go` appears, and prints what came of it."""
    (Path(folder) / f"ready {name}").touch()
    wait_for(Path(folder) / "go")
    try:
        at(Path(folder)).put([many(name)], sequence=2)
    except ConcurrentWriteError as error:
        print(error)
    else:
        print("written")


def child_opens_the_file_like_a_duckdb_shell(folder: str) -> None:
    connection = duckdb.connect(str(Path(folder) / "warehouse.duckdb"))
    (Path(folder) / "held").touch()
    wait_for(Path(folder) / "go")
    connection.execute(f"INSERT INTO {NAME.replace('`', '')} VALUES ('2026-01-05', 'from the shell', 1.0)")
    connection.close()


def child_leaves_a_stream_early_and_reads_again(folder: str) -> None:
    house = at(Path(folder))
    with house.stream(Query("all", f"SELECT * FROM {NAME}"), rows_per_batch=100) as batches:
        first = next(iter(batches))
    print(first.num_rows, len(house.leads(YESTERDAY)))


def child_writes_to_a_full_disk(folder: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    house = at(Path(folder))
    with house.session():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        try:
            house.put([batch("c")], sequence=2)
        except WarehouseError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_a_killed_write_leaves_the_old_rows_and_the_next_write_works(house, tmp_path):
    with child(child_stalls_in_a_write, tmp_path) as process:
        wait_for(tmp_path / "half")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
    assert (house.leads(), house.leads(YESTERDAY)) == (["a", "b"], ["y"])
    assert [(done.prediction_date, done.sequence) for done in house.logged()] == [(YESTERDAY, 1), (DAY, 1)]
    house.put([batch("c")], sequence=2)
    assert (house.leads(), house.leads(YESTERDAY)) == (["c"], ["y"])


def test_a_full_disk_is_named_and_leaves_the_old_rows(house, tmp_path):
    with child(child_writes_to_a_full_disk, tmp_path) as process:
        said = process.communicate(timeout=PATIENCE)[0]
    assert said.startswith("scores failed: ")
    assert "Could not write file" in said
    assert house.leads() == ["a", "b"]


def test_of_two_processes_writing_one_partition_one_wins_and_the_other_is_told(house, tmp_path):
    with child(child_races, tmp_path, "one") as one, child(child_races, tmp_path, "two") as two:
        wait_for(tmp_path / "ready one")
        wait_for(tmp_path / "ready two")
        (tmp_path / "go").touch()
        said = {
            "one": one.communicate(timeout=PATIENCE)[0].strip(),
            "two": two.communicate(timeout=PATIENCE)[0].strip(),
        }
    winner, loser = sorted(said, key=lambda name: said[name] != "written")
    assert said[winner] == "written"
    assert said[loser] == (
        "scores of 2026-01-05 has been written 2 times, expected 1: another run has just written it. Nothing was "
        "changed; run again to continue from that write."
    )
    assert names_and_counts(house) == [(winner, MANY)]
    assert [done.sequence for done in house.logged() if done.prediction_date == DAY] == [1, 2]


def test_a_writer_waits_for_the_one_before_it_and_is_then_refused(house, tmp_path):
    with child(child_stalls_in_a_write, tmp_path) as process:
        wait_for(tmp_path / "half")
        with (
            released_after(0.5, tmp_path / "go"),
            pytest.raises(ConcurrentWriteError, match="has been written 2 times, expected 1"),
        ):
            house.put([batch("late")], sequence=2)
        assert process.wait(PATIENCE) == 0
    assert names_and_counts(house) == [("new", 2 * MANY)]


def test_a_busy_warehouse_names_the_process_that_holds_it(house, tmp_path):
    with child(child_keeps_the_warehouse, tmp_path) as process:
        wait_for(tmp_path / "held")
        started = time.monotonic()
        with pytest.raises(WarehouseBusyError) as caught:
            at(tmp_path, lock_seconds=0.4).leads()
        assert time.monotonic() - started >= 0.4
        assert process.poll() is None, "the wait ended because the holder did"
        assert f"it is held by process {process.pid} on " in str(caught.value)
        assert "V4_WAREHOUSE_LOCK_SECONDS sets how long to wait" in str(caught.value)


def test_the_lock_of_a_killed_process_is_free(house, tmp_path):
    with child(child_keeps_the_warehouse, tmp_path) as process:
        wait_for(tmp_path / "held")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        assert at(tmp_path, lock_seconds=0.4).leads() == ["a", "b"]


def test_a_program_that_does_not_know_our_lock_is_waited_for(house, tmp_path):
    with child(child_opens_the_file_like_a_duckdb_shell, tmp_path) as process:
        wait_for(tmp_path / "held")
        with pytest.raises(WarehouseBusyError, match=r"was busy for 0 s: .*\. Close that program, then run again\."):
            at(tmp_path, lock_seconds=0.3).leads()
        with released_after(0.5, tmp_path / "go"):
            assert house.leads() == ["a", "b", "from the shell"]
        assert process.wait(PATIENCE) == 0


def test_a_stream_left_early_does_not_block_the_next_call(house, tmp_path):
    house.put([many("new")] * 5, sequence=2)
    with child(child_leaves_a_stream_early_and_reads_again, tmp_path) as process:
        said = process.communicate(timeout=PATIENCE)[0]
    assert said.split() == ["100", "1"]


# --- one partition -------------------------------------------------------------------------------------------------


def test_a_duckdb_warehouse_is_a_warehouse(house):
    assert isinstance(house, Warehouse)


def test_a_write_replaces_exactly_its_own_partition(house):
    house.put([batch("t", TOMORROW)], day=TOMORROW)
    done = house.put([batch("cd"), batch("e")], sequence=2)
    assert [house.leads(day) for day in (YESTERDAY, DAY, TOMORROW)] == [["y"], ["c", "d", "e"], ["t"]]
    assert done == replace(write(2), row_count=3)


def test_a_write_is_recorded_with_its_row_count_beside_the_ones_before(house):
    reasoned = replace(write(2), replace_reason="It's the feed's fault.", run_id=None)
    house.replace_partition(SCORES, reasoned, [batch("abcd")], house.log)
    assert house.logged() == [
        replace(write(1, YESTERDAY), row_count=1),
        replace(write(1), row_count=2),
        replace(reasoned, row_count=4),
    ]


def test_a_partition_can_be_emptied_by_a_write_of_no_rows(house):
    assert house.put([], sequence=2).row_count == 0
    assert (house.leads(), house.leads(YESTERDAY)) == ([], ["y"])


def test_a_query_fills_a_partition_inside_the_warehouse_from_all_others(house):
    rows = Query(
        "copied",
        f"SELECT @day AS prediction_date, CONCAT(lead_id, @suffix) AS lead_id, 1 AS score FROM {NAME}",
        {"day": DAY, "suffix": "'s"},
    )
    assert house.put(rows, sequence=2).row_count == 1
    assert (house.leads(), house.leads(YESTERDAY)) == (["y's"], ["y"])


@pytest.mark.parametrize("sequence", [pytest.param(1, id="already-taken"), pytest.param(3, id="one-is-missing")])
def test_a_write_that_does_not_follow_the_latest_changes_nothing(house, sequence):
    before = house.logged()
    with pytest.raises(ConcurrentWriteError, match=f"has been written 1 times, expected {sequence - 1}: another run"):
        house.put([batch("c")], sequence=sequence)
    assert (house.leads(), house.logged()) == (["a", "b"], before)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            [batch("c"), batch("de", TOMORROW)], "3 rows were written to scores, of which 1 belong", id="other-day"
        ),
        pytest.param([batch("c", None)], "1 rows were written to scores, of which 0 belong", id="no-day"),
    ],
)
def test_rows_of_another_day_are_refused_and_rolled_back(house, rows, message):
    before = house.logged()
    with pytest.raises(WarehouseError, match=message) as caught:
        house.put(rows, sequence=2)
    assert "correct the rows' prediction_date" in str(caught.value)
    assert [house.leads(day) for day in (YESTERDAY, DAY, TOMORROW)] == [["y"], ["a", "b"], []]
    assert house.logged() == before


def test_rows_of_another_day_made_by_a_query_are_refused_too(house):
    rows = Query("strays", f"SELECT prediction_date, lead_id, score FROM {NAME}")
    with pytest.raises(WarehouseError, match="1 rows were written to scores, of which 0 belong"):
        house.put(rows, sequence=2)
    assert house.leads() == ["a", "b"]


def failing() -> Iterator[pa.RecordBatch]:
    yield many("new")
    raise FeatureError("lead 00Q has no tenure_bucket")


def test_rows_that_fail_midway_leave_the_old_ones(house):
    before = house.logged()
    with pytest.raises((FeatureError, duckdb.Error)):
        house.put(failing(), sequence=2)
    assert (house.leads(), house.leads(YESTERDAY), house.logged()) == (["a", "b"], ["y"], before)


def test_the_error_of_the_rows_reaches_the_caller_as_it_is(house):
    with pytest.raises(FeatureError, match=r"^lead 00Q has no tenure_bucket$"):
        house.put(failing(), sequence=2)


def test_after_a_failed_write_the_same_session_goes_on(house):
    with house.session():
        with pytest.raises((FeatureError, duckdb.Error)):
            house.put(failing(), sequence=2)
        house.put([batch("c")], sequence=2)
        assert house.leads() == ["c"]


def test_a_row_count_belongs_to_the_same_transaction_as_its_rows(house):
    log = replace(house.log, columns=(*house.log.columns, Column("unknown", "STRING")))
    with pytest.raises((WarehouseError, duckdb.Error)):
        house.replace_partition(SCORES, write(2), [batch("c")], log)
    assert house.leads() == ["a", "b"]


def test_rows_that_read_the_warehouse_while_they_are_written_are_refused(house):
    def reading() -> Iterator[pa.RecordBatch]:
        yield batch("c")
        yield batch(house.leads())

    with pytest.raises(WarehouseError, match="Read first, then write"):
        house.put(reading(), sequence=2)
    assert house.leads() == ["a", "b"]


def test_an_open_stream_can_feed_a_write_and_still_reads_what_stood_there_before(house):
    house.put([many("new")], sequence=2)
    text = f"SELECT prediction_date, CONCAT(lead_id, '!') AS lead_id, score FROM {NAME} WHERE prediction_date = @day"
    with house.stream(Query("marked", text, {"day": DAY}), rows_per_batch=1000) as batches:
        house.put(batches, sequence=3)
    assert names_and_counts(house) == [("new!", MANY)]


def test_an_interrupt_while_rows_are_computed_stays_an_interrupt(house):
    def interrupted() -> Iterator[pa.RecordBatch]:
        yield batch("c")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        house.put(interrupted(), sequence=2)
    assert house.leads() == ["a", "b"]


def test_a_table_is_replaced_as_a_whole_or_not_at_all(house):
    with pytest.raises((FeatureError, duckdb.Error)):
        house.replace_table(SCORES, failing())
    assert (house.leads(), house.leads(YESTERDAY)) == (["a", "b"], ["y"])
    assert house.replace_table(SCORES, [batch("c"), batch("t", TOMORROW)]) == 2
    assert [house.leads(day) for day in (YESTERDAY, DAY, TOMORROW)] == [[], ["c"], ["t"]]


# --- reading -------------------------------------------------------------------------------------------------------

ALL = Query("all", f"SELECT * FROM {NAME}")


def test_a_stream_comes_in_bounded_batches_and_equals_a_read(house):
    house.put([batch(f"{number:05d}" for number in range(10_000))], sequence=2)
    with house.stream(ALL, rows_per_batch=1000) as batches:
        streamed = list(batches)
    assert max(part.num_rows for part in streamed) <= 1000
    order = [("prediction_date", "ascending"), ("lead_id", "ascending")]
    assert pa.Table.from_batches(streamed).sort_by(order) == house.read(ALL).sort_by(order)


def test_other_queries_and_writes_go_on_while_a_stream_is_open(house):
    house.put([many("new")], sequence=2)
    with house.stream(ALL, rows_per_batch=1000) as batches:
        first = next(iter(batches))
        assert house.leads(YESTERDAY) == ["y"]
        house.put([batch("t", TOMORROW)], day=TOMORROW)
        assert first.num_rows + sum(part.num_rows for part in batches) == MANY + 1
    assert house.leads(TOMORROW) == ["t"]


def test_a_stream_of_sums_has_the_types_of_a_read(house):
    query = Query("sums", f"SELECT SUM(LENGTH(lead_id)) AS letters, COUNT(*) AS leads FROM {NAME}")
    with house.stream(query) as batches:
        streamed = pa.Table.from_batches(list(batches))
    assert streamed == house.read(query)
    assert streamed.schema == pa.schema({"letters": pa.int64(), "leads": pa.int64()})


def test_a_failure_in_the_middle_of_a_stream_names_the_query(house):
    house.put([many("1"), batch("x")], sequence=2)
    query = Query(
        "numbers", f"SELECT CAST(lead_id AS INT64) AS n FROM {NAME} WHERE prediction_date = @day", {"day": DAY}
    )
    with pytest.raises(WarehouseError, match=r"^numbers failed: "), house.stream(query) as batches:
        assert [part.num_rows for part in batches] == []


@pytest.mark.parametrize(
    "text", ["O'Brien", '"', "'; DROP TABLE scores; --", "{{lead}} @day $day ?", "\\n\n", "é✓", ""]
)
def test_a_bound_text_arrives_as_it_is(house, text):
    found = house.read(Query("echo", "SELECT @text AS text, @none AS none", {"text": text, "none": None}))
    assert found.to_pylist() == [{"text": text, "none": None}]


def test_bound_days_and_instants_keep_their_types_and_new_york_dates(house):
    query = Query(
        "dates",
        "SELECT @day AS day, @at AS at, DATE(@at, 'America/New_York') AS new_york, DATE_SUB(@day, INTERVAL 12 MONTH) = "
        "DATE '2025-01-05' AS a_year_ago",
        {"day": DAY, "at": cutoff(DAY)},
    )
    assert house.read(query).to_pylist() == [
        {"day": DAY, "at": datetime(2026, 1, 5, 5, tzinfo=UTC), "new_york": DAY, "a_year_ago": True}
    ]


def test_a_query_of_a_table_that_is_not_there_is_named_with_the_way_out(house):
    with pytest.raises(TableMissingError) as caught:
        house.read(Query("feature_profile", "SELECT * FROM ml_features.nowhere"))
    message = str(caught.value)
    assert message.startswith("feature_profile uses a table that does not exist: ")
    assert "nowhere" in message
    assert "`v4 init` creates the tables this project writes" in message


def test_a_query_of_a_column_that_is_not_there_is_named(house):
    with pytest.raises(SchemaDriftError, match=r'^leads uses a column that is missing .*"nothing"'):
        house.read(Query("leads", f"SELECT nothing FROM {NAME}"))


@pytest.mark.parametrize("missing", ["table", "log"])
def test_a_write_to_a_table_that_is_not_there_says_how_to_create_it(house, missing):
    changed = {"table": SCORES, "log": house.log}
    changed[missing] = replace(changed[missing], name="nowhere")
    with pytest.raises(TableMissingError, match="v4 init"):
        house.replace_partition(write=write(2), rows=[batch("c")], **changed)


# --- tables --------------------------------------------------------------------------------------------------------


def test_creating_again_keeps_the_rows_and_renews_the_views(house):
    views = [View("ml_features", "best", Query("best", f"SELECT {n} AS n FROM {NAME}"), "") for n in (1, 2)]
    for view in views:
        house.create([SCORES, house.log], [view])
    assert house.leads() == ["a", "b"]
    assert house.read(Query("best", "SELECT DISTINCT n FROM ml_features.best")).to_pylist() == [{"n": 2}]


@pytest.mark.parametrize(
    ("columns", "difference"),
    [
        pytest.param(
            SCORES.columns[:2], r"ml_features\.scores\.score \(FLOAT64\) is not a column", id="column-too-many"
        ),
        pytest.param(
            (*SCORES.columns[:2], Column("score", "STRING")),
            r"ml_features\.scores\.score is FLOAT64, expected STRING",
            id="other-type",
        ),
    ],
)
def test_a_table_of_another_shape_is_refused_and_nothing_is_created(house, columns, difference):
    beside = replace(SCORES, name="beside")
    with pytest.raises(SchemaDriftError, match=rf"^One difference from .* nothing was changed: {difference}"):
        house.create([beside, replace(SCORES, columns=columns)])
    assert house.columns(beside) == {}


def test_a_missing_column_is_added_and_older_rows_read_null_in_it(house):
    wider = replace(SCORES, columns=(*SCORES.columns, Column("decile", "INT64")))
    for _ in range(2):
        house.create([wider])
    assert house.columns(wider) == {column.name: column.type for column in wider.columns}
    found = house.read(
        Query("deciles", f"SELECT lead_id, decile FROM {NAME} WHERE prediction_date = @day", {"day": DAY})
    )
    assert sorted(found.to_pylist(), key=lambda row: row["lead_id"]) == [
        {"lead_id": lead, "decile": None} for lead in "ab"
    ]
    assert house.put([batch("ab")], sequence=2).row_count == 2


def test_columns_are_told_in_their_order_and_googles_types(house):
    every = replace(
        SCORES,
        name="every",
        columns=tuple(
            Column(kind.lower(), kind) for kind in ("TIMESTAMP", "BOOL", "INT64", "STRING", "DATE", "FLOAT64")
        ),
    )
    house.create([every])
    assert list(house.columns(every).items()) == [(column.name, column.type) for column in every.columns]


# --- transactions --------------------------------------------------------------------------------------------------


def rename(old: str, new: str) -> Query:
    text = f"UPDATE {NAME} SET lead_id = @new WHERE lead_id = @old"
    return Query("rename", text, {"old": old, "new": new})


def test_statements_stand_together_when_each_changed_what_it_should(house):
    house.transact(
        [Statement(rename("a", "it's"), 1), Statement(rename("nobody", "x")), Statement(rename("it's", "z"), 1)]
    )
    assert house.leads() == ["b", "z"]


@pytest.mark.parametrize(
    ("last", "error", "message"),
    [
        pytest.param(
            Statement(rename("nobody", "x"), 1),
            ConcurrentWriteError,
            "rename matched 0 rows, expected 1: another process changed them first. Nothing was changed",
            id="too-few",
        ),
        pytest.param(
            Statement(rename("z", "x"), 0), ConcurrentWriteError, "rename matched 1 rows, expected 0", id="many"
        ),
        pytest.param(
            Statement(Query("adopt", "UPDATE ml_features.nowhere SET a = 1 WHERE TRUE"), 1),
            TableMissingError,
            "adopt uses a table that does not exist",
            id="table-missing",
        ),
    ],
)
def test_a_transaction_with_one_wrong_statement_changes_nothing(house, last, error, message):
    with pytest.raises(error, match=message):
        house.transact([Statement(rename("a", "z"), 1), last])
    assert house.leads() == ["a", "b"]


# --- threads and sessions ------------------------------------------------------------------------------------------


def test_threads_take_turns_and_one_of_two_equal_writes_wins(house):
    results: list[str] = []

    def work(name: str) -> None:
        try:
            house.put([many(name)], sequence=2)
        except ConcurrentWriteError:
            results.append("refused")
        else:
            results.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    winner = next(name for name in results if name != "refused")
    assert sorted(results) == sorted(["refused", winner])
    assert names_and_counts(house) == [(winner, MANY)]


def test_a_session_lets_the_file_go_at_its_end(house, tmp_path):
    with house.session(), house.session():
        assert house.leads() == ["a", "b"]
    connection = duckdb.connect(house.path)
    try:
        assert connection.execute("SELECT COUNT(*) FROM ml_features.scores").fetchall() == [(3,)]
    finally:
        connection.close()


def test_a_file_that_is_no_warehouse_is_named_without_a_wait(tmp_path, monkeypatch):
    folder = tmp_path / "clocks"
    folder.mkdir()
    (folder / "warehouse.duckdb").write_bytes(b"not a database" * 1000)
    pauses = list[float]()
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(WarehouseError, match="cannot be opened") as caught:
        at(folder, lock_seconds=PATIENCE).leads()
    assert not isinstance(caught.value, WarehouseBusyError)
    assert pauses == []


# --- slices --------------------------------------------------------------------------------------------------------


def test_a_slice_is_replaced_as_a_whole_and_nothing_else_changes(house: House) -> None:
    assert house.replace_slice(SCORES, "lead_id", "b", [batch("bb"), batch("b", YESTERDAY)]) == 3
    assert house.leads() == ["a", "b", "b"]
    assert house.leads(YESTERDAY) == ["b", "y"]
    assert house.replace_slice(SCORES, "lead_id", "b", [batch("b")]) == 1
    assert (house.leads(), house.leads(YESTERDAY)) == (["a", "b"], ["y"])
    assert house.replace_slice(SCORES, "lead_id", "b", []) == 0
    assert house.leads() == ["a"]


def test_a_slice_whose_rows_fail_midway_stays_as_it_was(house: House) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield batch("b")
        raise FeatureError("no more")

    with pytest.raises(FeatureError, match="no more"):
        house.replace_slice(SCORES, "lead_id", "b", rows())
    assert house.leads() == ["a", "b"]
