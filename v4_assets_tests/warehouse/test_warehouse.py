"""A warehouse keeps the protocol on every engine: whole partitions, whole transactions, bounded reads, named errors.

BigQuery is the emulator here. Its commits conflict by rules of its own, which are close to the service's but not equal;
under these rules exactly one of several equal writes stands.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from v4_assets.clock import cutoff
from v4_assets.errors import ConcurrentWriteError, FeatureError, SchemaDriftError, TableMissingError, WarehouseError
from v4_assets.sql import Column, Query
from v4_assets.tables import View
from v4_assets.warehouse.protocol import Statement, Warehouse
from v4_assets_tests.fixtures.warehouses import DAY, TOMORROW, YESTERDAY, SmallWarehouse, write

PATIENCE = 120.0
"""Seconds after which a thread is given up."""
ORDER = [("prediction_date", "ascending"), ("lead_id", "ascending")]


def by_day(small: SmallWarehouse) -> list[list[str]]:
    return [small.leads(day) for day in (YESTERDAY, DAY, TOMORROW)]


def failing(small: SmallWarehouse) -> Iterator[pa.RecordBatch]:
    yield small.many("new")
    raise FeatureError("lead 00Q has no tenure_bucket")


def at_once(work: Callable[[str], None], names: list[str]) -> dict[str, str]:
    """What came of `work` by several threads that start together: written, or the refusal."""
    start, results = threading.Barrier(len(names)), dict[str, str]()

    def one(name: str) -> None:
        start.wait(PATIENCE)
        try:
            work(name)
        except ConcurrentWriteError as error:
            results[name] = str(error)
        else:
            results[name] = "written"

    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


def test_every_engine_is_a_warehouse(unchanged):
    assert isinstance(unchanged.warehouse, Warehouse)


# --- one partition -------------------------------------------------------------------------------------------------


def test_a_write_replaces_exactly_its_own_partition(small):
    small.put([small.batch("t", TOMORROW)], day=TOMORROW)
    done = small.put([small.batch("cd"), small.batch("e")], sequence=2)
    assert by_day(small) == [["y"], ["c", "d", "e"], ["t"]]
    assert done == replace(write(2), row_count=3)


def test_a_write_is_recorded_with_its_row_count_beside_earlier_writes(small):
    reasoned = replace(write(2), replace_reason='It\'s the "feed"; -- \\n @day', run_id=None)
    small.warehouse.replace_partition(small.scores, reasoned, [small.batch("abcd")], small.log)
    assert small.logged() == [
        replace(write(1, YESTERDAY), row_count=1),
        replace(write(1), row_count=2),
        replace(reasoned, row_count=4),
    ]


def test_a_write_of_no_rows_empties_the_partition(small):
    assert small.put([], sequence=2).row_count == 0
    assert by_day(small) == [["y"], [], []]


def test_a_query_fills_a_partition_inside_the_warehouse_from_all_others(small):
    rows = Query(
        "copied",
        f"SELECT @day AS prediction_date, CONCAT(lead_id, @suffix) AS lead_id, 1.0 AS score FROM {small.name}",
        {"day": DAY, "suffix": "'s"},
    )
    assert small.put(rows, sequence=2).row_count == 1
    assert by_day(small) == [["y"], ["y's"], []]


@pytest.mark.parametrize("sequence", [pytest.param(1, id="already-taken"), pytest.param(3, id="one-is-missing")])
def test_a_write_that_does_not_follow_the_latest_changes_nothing(small, sequence):
    before = small.logged()
    with pytest.raises(ConcurrentWriteError) as caught:
        small.put([small.batch("c")], sequence=sequence)
    assert str(caught.value) == (
        f"scores of 2026-01-05 has been written 1 times, expected {sequence - 1}: another run has just written it. "
        "Nothing was changed; run again to continue from that write."
    )
    assert (small.leads(), small.logged()) == (["a", "b"], before)


@pytest.mark.parametrize(
    ("leads", "stray_day", "message"),
    [
        pytest.param("c", TOMORROW, "3 rows were written to scores, of which 1 belong to 2026-01-05", id="other-day"),
        pytest.param("", None, "2 rows were written to scores, of which 0 belong to 2026-01-05", id="no-day"),
    ],
)
def test_rows_of_another_day_are_refused_and_rolled_back(small, leads, stray_day, message):
    before = small.logged()
    with pytest.raises(WarehouseError, match=message) as caught:
        small.put([small.batch(leads), small.batch("de", stray_day)], sequence=2)
    assert str(caught.value).endswith("correct the rows' prediction_date.")
    assert by_day(small) == [["y"], ["a", "b"], []]
    assert small.logged() == before


def test_rows_of_another_day_from_a_query_are_refused(small):
    rows = Query("strays", f"SELECT prediction_date, lead_id, score FROM {small.name}")
    with pytest.raises(WarehouseError, match="1 rows were written to scores, of which 0 belong"):
        small.put(rows, sequence=2)
    assert small.leads() == ["a", "b"]


def test_rows_that_fail_midway_leave_the_old_ones_and_their_error_reaches_the_caller(small):
    before = small.logged()
    with small.warehouse.session():
        with pytest.raises(FeatureError, match=r"^lead 00Q has no tenure_bucket$"):
            small.put(failing(small), sequence=2)
        assert (by_day(small), small.logged()) == ([["y"], ["a", "b"], []], before)
        small.put([small.batch("c")], sequence=2)
        assert small.leads() == ["c"]


def test_a_write_that_cannot_be_logged_is_not_made(small):
    log = replace(small.log, columns=(*small.log.columns, Column("unknown", "STRING")))
    with pytest.raises(WarehouseError):
        small.warehouse.replace_partition(small.scores, write(2), [small.batch("c")], log)
    assert small.leads() == ["a", "b"]


def test_an_interrupt_while_rows_are_computed_stays_an_interrupt(small):
    def interrupted() -> Iterator[pa.RecordBatch]:
        yield small.batch("c")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small.put(interrupted(), sequence=2)
    assert small.leads() == ["a", "b"]


@pytest.mark.parametrize("rows", ["batches", "query"])
def test_of_writers_that_start_together_exactly_one_stands(small, rows):
    text = "SELECT @day AS prediction_date, @name AS lead_id, 0.5 AS score FROM UNNEST(GENERATE_ARRAY(1, 20000))"

    def work(name: str) -> None:
        made = Query("made", text, {"day": TOMORROW, "name": name})
        small.put(made if rows == "query" else [small.batch([name] * 100, TOMORROW)], day=TOMORROW)

    results = at_once(work, ["one", "two", "three", "four"])
    [winner] = [name for name, outcome in results.items() if outcome == "written"]
    assert set(small.leads(TOMORROW)) == {winner}
    assert [done.sequence for done in small.logged() if done.prediction_date == TOMORROW] == [1]
    refusals = [outcome for outcome in results.values() if outcome != "written"]
    assert len(refusals) == 3
    assert all(one.startswith("scores of 2026-01-06 has been written 1 times, expected 0: ") for one in refusals)


# --- a table, a slice ----------------------------------------------------------------------------------------------


def test_a_table_is_replaced_as_a_whole_or_not_at_all(small):
    with pytest.raises(FeatureError):
        small.warehouse.replace_table(small.scores, failing(small))
    assert by_day(small) == [["y"], ["a", "b"], []]
    assert small.warehouse.replace_table(small.scores, [small.batch("c"), small.batch("t", TOMORROW)]) == 2
    assert by_day(small) == [[], ["c"], ["t"]]
    assert small.warehouse.replace_table(small.scores, []) == 0
    assert small.warehouse.read(small.every_row).num_rows == 0


def test_a_slice_is_replaced_as_a_whole_and_nothing_else_changes(small):
    replaced = small.warehouse.replace_slice(
        small.scores, "lead_id", "b", [small.batch("bb"), small.batch("b", YESTERDAY)]
    )
    assert (replaced, by_day(small)) == (3, [["b", "y"], ["a", "b", "b"], []])
    assert small.warehouse.replace_slice(small.scores, "lead_id", "b", [small.batch("b")]) == 1
    assert by_day(small) == [["y"], ["a", "b"], []]
    assert small.warehouse.replace_slice(small.scores, "lead_id", "b", []) == 0
    assert small.leads() == ["a"]


def test_a_slice_whose_rows_fail_midway_stays_as_it_was(small):
    with pytest.raises(FeatureError, match="has no tenure_bucket"):
        small.warehouse.replace_slice(small.scores, "lead_id", "b", failing(small))
    assert small.leads() == ["a", "b"]


# --- reading -------------------------------------------------------------------------------------------------------


def test_a_stream_comes_in_bounded_batches_and_equals_a_read(small):
    small.put([small.batch(f"{number:05d}" for number in range(10_000))], sequence=2)
    with small.warehouse.stream(small.every_row, rows_per_batch=1000) as batches:
        streamed = list(batches)
    assert max(part.num_rows for part in streamed) <= 1000
    assert pa.Table.from_batches(streamed).sort_by(ORDER) == small.warehouse.read(small.every_row).sort_by(ORDER)
    assert streamed[0].schema == small.batch("a").schema


def test_a_stream_of_no_rows_is_empty(unchanged):
    with unchanged.warehouse.stream(Query("none", f"SELECT * FROM {unchanged.name} WHERE FALSE")) as batches:
        assert sum(part.num_rows for part in batches) == 0


def test_other_queries_and_writes_go_on_while_a_stream_is_open(small):
    small.put([small.many("new")], sequence=2)
    with small.warehouse.stream(small.every_row, rows_per_batch=1000) as batches:
        first = next(iter(batches))
        assert small.leads(YESTERDAY) == ["y"]
        small.put([small.batch("t", TOMORROW)], day=TOMORROW)
        assert first.num_rows + sum(part.num_rows for part in batches) == small.many_rows + 1
    assert small.leads(TOMORROW) == ["t"]


def test_a_stream_left_early_does_not_block_the_next_call(small):
    small.put([small.many("new")], sequence=2)
    with small.warehouse.stream(small.every_row, rows_per_batch=100) as batches:
        assert next(iter(batches)).num_rows == 100
    assert small.leads(YESTERDAY) == ["y"]


def test_an_open_stream_can_feed_a_write_and_reads_the_rows_from_before_it(small):
    small.put([small.many("new")], sequence=2)
    text = (
        f"SELECT prediction_date, CONCAT(lead_id, '!') AS lead_id, score FROM {small.name} WHERE prediction_date = @day"
    )
    with small.warehouse.stream(Query("marked", text, {"day": DAY}), rows_per_batch=1000) as batches:
        assert small.put(batches, sequence=3).row_count == small.many_rows
    assert small.names_and_counts() == [("new!", small.many_rows)]


def test_a_stream_of_sums_has_the_types_of_a_read(unchanged):
    query = Query("sums", f"SELECT SUM(LENGTH(lead_id)) AS letters, COUNT(*) AS leads FROM {unchanged.name}")
    with unchanged.warehouse.stream(query) as batches:
        streamed = pa.Table.from_batches(list(batches))
    assert streamed == unchanged.warehouse.read(query)
    assert streamed.schema == pa.schema({"letters": pa.int64(), "leads": pa.int64()})


def test_a_failure_in_the_middle_of_an_answer_names_the_query(small):
    small.put([small.many("1"), small.batch("x")], sequence=2)
    text = f"SELECT CAST(lead_id AS INT64) AS n FROM {small.name} WHERE prediction_date = @day"
    query = Query("numbers", text, {"day": DAY})
    with pytest.raises(WarehouseError, match=r"^numbers failed: "), small.warehouse.stream(query) as batches:
        assert [part.num_rows for part in batches] == []
    with pytest.raises(WarehouseError, match=r"^numbers failed: "):
        small.warehouse.read(query)


@pytest.mark.parametrize(
    "text", ["O'Brien", '"', "'; DROP TABLE scores; --", "{{lead}} @day $day ?", "\\n\n", "é✓", ""]
)
def test_a_bound_text_arrives_unchanged(unchanged, text):
    query = Query("echo", "SELECT @text AS text, @none AS none", {"text": text, "none": None})
    assert unchanged.warehouse.read(query).to_pylist() == [{"text": text, "none": None}]


def test_bound_values_keep_their_types_and_instants_their_new_york_dates(unchanged):
    values = {"day": DAY, "at": cutoff(DAY), "number": 2**53 + 1, "share": 0.1, "yes": True}
    query = Query(
        "values",
        f"SELECT {', '.join(f'@{name} AS {name}' for name in values)}, DATE(@at, 'America/New_York') AS new_york, "
        "DATE_SUB(@day, INTERVAL 12 MONTH) = DATE '2025-01-05' AS a_year_ago",
        values,
    )
    [found] = unchanged.warehouse.read(query).to_pylist()
    instant = datetime(2026, 1, 5, 5, tzinfo=UTC)
    assert found == values | {"at": instant, "new_york": DAY, "a_year_ago": True}
    assert {name: type(value) for name, value in found.items()} == {
        **{name: type(value) for name, value in values.items()},
        **{"new_york": type(DAY), "a_year_ago": bool},
    }


def test_nulls_of_every_type_are_stored_and_read_as_nulls(small):
    columns = tuple(Column(kind.lower(), kind) for kind in ("TIMESTAMP", "DATE", "INT64", "STRING", "BOOL", "FLOAT64"))
    every = replace(small.scores, name="every", columns=columns)
    small.warehouse.create([every])
    assert list(small.warehouse.columns(every).items()) == [(column.name, column.type) for column in every.columns]
    full = {"timestamp": cutoff(DAY), "date": DAY, "int64": -(2**63), "string": "x", "bool": False, "float64": 0.1}
    query = Query("every", f"SELECT * FROM {every.full_name}")
    rows = pa.Table.from_pylist([full, dict.fromkeys(full)]).cast(small.warehouse.read(query).schema)
    small.warehouse.replace_table(every, rows.to_batches())
    found = small.warehouse.read(query).to_pylist()
    assert sorted(found, key=str) == sorted([full, dict.fromkeys(full)], key=str)


# --- what is missing -----------------------------------------------------------------------------------------------


def test_a_missing_table_is_named_with_the_remedy(unchanged):
    query = Query("profile", f"SELECT * FROM `{unchanged.dataset}`.nowhere")
    with pytest.raises(TableMissingError, match=r"^profile uses a table that does not exist.*nowhere") as caught:
        unchanged.warehouse.read(query)
    assert "`v4 init` creates the tables this project writes" in str(caught.value)


def test_a_missing_column_is_named(unchanged):
    with pytest.raises(SchemaDriftError, match=r"^leads \w+ a column that is missing .*noth"):
        unchanged.warehouse.read(Query("leads", f"SELECT nothing FROM {unchanged.name}"))


def test_a_missing_table_has_no_columns_and_a_missing_dataset_no_views(unchanged):
    assert unchanged.warehouse.columns(replace(unchanged.scores, name="nowhere")) == {}
    assert unchanged.warehouse.columns(replace(unchanged.scores, dataset="no_such_dataset")) == {}
    assert unchanged.warehouse.view_texts("no_such_dataset") == {}


@pytest.mark.parametrize("missing", ["table", "log"])
def test_a_write_to_a_missing_table_names_the_command_that_creates_it(small, missing):
    changed = {"table": small.scores, "log": small.log}
    changed[missing] = replace(changed[missing], name="nowhere")
    with pytest.raises(TableMissingError, match="v4 init"):
        small.warehouse.replace_partition(write=write(2), rows=[small.batch("c")], **changed)
    assert small.leads() == ["a", "b"]


# --- tables and views ----------------------------------------------------------------------------------------------


def test_creating_again_keeps_the_rows_and_renews_the_views(small):
    for n in (1, 2):
        view = View(small.dataset, "best", Query("best", f"SELECT {n} AS n FROM {small.name}"), f'The "{n}" - é')
        small.warehouse.create([small.scores, small.log], [view])
    assert small.leads() == ["a", "b"]
    found = small.warehouse.read(Query("best", f"SELECT DISTINCT n FROM `{small.dataset}`.best"))
    assert found.to_pylist() == [{"n": 2}]
    [(name, text)] = small.warehouse.view_texts(small.dataset).items()
    assert name == "best"
    assert "scores" in text


@pytest.mark.parametrize(
    ("score", "difference"),
    [
        pytest.param(None, r"scores\.score \(FLOAT64\) is not a column", id="column-too-many"),
        pytest.param("STRING", r"scores\.score is FLOAT64, expected STRING", id="other-type"),
    ],
)
def test_a_table_of_another_shape_is_refused_and_nothing_is_created(small, score, difference):
    beside = replace(small.scores, name="beside")
    columns = (*small.scores.columns[:2], *([Column("score", score)] if score else [Column("decile", "INT64")]))
    with pytest.raises(SchemaDriftError, match=rf"^One difference from .* nothing was changed: .*{difference}"):
        small.warehouse.create([beside, replace(small.scores, columns=columns)])
    assert small.warehouse.columns(beside) == {}
    assert "decile" not in small.warehouse.columns(small.scores)


def test_a_missing_column_is_added_and_older_rows_read_null_in_it(small):
    wider = replace(small.scores, columns=(*small.scores.columns, Column("decile", "INT64")))
    for _ in range(2):
        small.warehouse.create([wider])
    assert small.warehouse.columns(wider) == {column.name: column.type for column in wider.columns}
    text = f"SELECT lead_id, decile FROM {small.name} WHERE prediction_date = @day ORDER BY lead_id"
    found = small.warehouse.read(Query("deciles", text, {"day": DAY})).to_pylist()
    assert found == [{"lead_id": lead, "decile": None} for lead in "ab"]
    assert small.put([small.batch("ab")], sequence=2).row_count == 2


# --- transactions --------------------------------------------------------------------------------------------------


def test_statements_stand_together_when_each_changed_the_expected_rows(small):
    small.warehouse.transact(
        [
            Statement(small.rename("a", "it's"), 1),
            Statement(small.rename("no lead", "x")),
            Statement(small.rename("it's", "z"), 1),
        ]
    )
    assert small.leads() == ["b", "z"]


@pytest.mark.parametrize(
    ("old", "expected", "error", "message"),
    [
        pytest.param(
            "no lead",
            1,
            ConcurrentWriteError,
            "rename matched 0 rows, expected 1: another process changed them first. Nothing was changed",
            id="too-few",
        ),
        pytest.param("z", 0, ConcurrentWriteError, "rename matched 1 rows, expected 0", id="too-many"),
        pytest.param(None, 1, TableMissingError, r"adopt uses a table that does not exist", id="no-table"),
    ],
)
def test_a_transaction_with_one_wrong_statement_changes_nothing(small, old, expected, error, message):
    nowhere = Query("adopt", f"UPDATE `{small.dataset}`.nowhere SET a = 1 WHERE TRUE")
    last = Statement(nowhere if old is None else small.rename(old, "x"), expected)
    with pytest.raises(error, match=message):
        small.warehouse.transact([Statement(small.rename("a", "z"), 1), last])
    assert small.leads() == ["a", "b"]


def test_of_many_compare_and_swaps_of_one_row_one_succeeds(small, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda low, high: low / 10)  # the wait after a lost commit
    names = [f"winner-{number}" for number in range(5)]
    results = at_once(lambda name: small.warehouse.transact([Statement(small.rename("a", name), 1)]), names)
    [winner] = [name for name, outcome in results.items() if outcome == "written"]
    assert (len(results), small.leads()) == (5, ["b", winner])
