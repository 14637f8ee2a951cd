"""The BigQuery warehouse keeps the protocol's word: our requests, Google's own client, an emulator that answers.

Commits of the emulator conflict by rules of its own, which are near the service's but not the same; that exactly one
of several equal writes stands is shown here under these.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from google.cloud import bigquery

from v4_assets.clock import cutoff
from v4_assets.errors import (
    ConcurrentWriteError,
    FeatureError,
    SchemaDriftError,
    TableMissingError,
    WarehouseError,
)
from v4_assets.sql import Column, Query
from v4_assets.tables import View
from v4_assets.warehouse.protocol import Statement, Warehouse
from v4_assets_tests.bigquery.emulator import Emulator
from v4_assets_tests.bigquery.house import DAY, TOMORROW, YESTERDAY, House, write

PATIENCE = 60.0
MANY = 20_000
"""Rows enough for several pages of the REST API and several messages of the Storage API."""


def described(emulator: Emulator, house: House, name: str) -> bigquery.Table:
    return emulator.client().get_table(f"{house.dataset}.{name}")


def left_behind(emulator: Emulator, house: House) -> set[str]:
    """Tables of the dataset beside the two that belong there."""
    return {table.table_id for table in emulator.client().list_tables(house.dataset)} - {
        house.scores.name,
        house.log.name,
    }


def test_a_bigquery_warehouse_is_a_warehouse(still):
    assert isinstance(still.warehouse, Warehouse)


# --- one partition -------------------------------------------------------------------------------------------------


def test_a_write_replaces_exactly_its_own_partition_and_leaves_no_staging_table(house, emulator):
    house.put([house.batch("t", TOMORROW)], day=TOMORROW)
    done = house.put([house.batch("cd"), house.batch("e")], sequence=2)
    assert [house.leads(day) for day in (YESTERDAY, DAY, TOMORROW)] == [["y"], ["c", "d", "e"], ["t"]]
    assert done == replace(write(2), row_count=3)
    assert left_behind(emulator, house) == set()


def test_a_write_is_recorded_with_its_row_count_beside_the_ones_before(house):
    reasoned = replace(write(2), replace_reason='It\'s the "feed"; -- \\n @day', run_id=None)
    house.warehouse.replace_partition(house.scores, reasoned, [house.batch("abcd")], house.log)
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
        f"SELECT @day AS prediction_date, CONCAT(lead_id, @suffix) AS lead_id, 1.0 AS score FROM {house.name}",
        {"day": DAY, "suffix": "'s"},
    )
    assert house.put(rows, sequence=2).row_count == 1
    assert (house.leads(), house.leads(YESTERDAY)) == (["y's"], ["y"])


@pytest.mark.parametrize("sequence", [pytest.param(1, id="already-taken"), pytest.param(3, id="one-is-missing")])
def test_a_write_that_does_not_follow_the_latest_changes_nothing(house, emulator, sequence):
    before = house.logged()
    with pytest.raises(ConcurrentWriteError) as caught:
        house.put([house.batch("c")], sequence=sequence)
    assert str(caught.value) == (
        f"scores of 2026-01-05 has been written 1 times, expected {sequence - 1}: another run has just written it. "
        "Nothing was changed; run again to continue from that write."
    )
    assert (house.leads(), house.logged()) == (["a", "b"], before)
    assert left_behind(emulator, house) == set()


@pytest.mark.parametrize(
    ("leads", "stray_day", "message"),
    [
        pytest.param("c", TOMORROW, "3 rows were written to scores, of which 1 belong to 2026-01-05", id="other-day"),
        pytest.param("", None, "2 rows were written to scores, of which 0 belong to 2026-01-05", id="no-day"),
    ],
)
def test_rows_of_another_day_are_refused_and_rolled_back(house, leads, stray_day, message):
    before = house.logged()
    with pytest.raises(WarehouseError, match=message) as caught:
        house.put([house.batch(leads), house.batch("de", stray_day)], sequence=2)
    assert str(caught.value).endswith("correct the rows' prediction_date.")
    assert [house.leads(day) for day in (YESTERDAY, DAY, TOMORROW)] == [["y"], ["a", "b"], []]
    assert house.logged() == before


def test_rows_of_another_day_made_by_a_query_are_refused_too(house):
    rows = Query("strays", f"SELECT prediction_date, lead_id, score FROM {house.name}")
    with pytest.raises(WarehouseError, match="1 rows were written to scores, of which 0 belong"):
        house.put(rows, sequence=2)
    assert house.leads() == ["a", "b"]


def test_rows_that_fail_midway_leave_the_old_ones_and_their_error_reaches_the_caller(house, emulator):
    def failing() -> Iterator[pa.RecordBatch]:
        yield house.batch("new")
        raise FeatureError("lead 00Q has no tenure_bucket")

    before = house.logged()
    with pytest.raises(FeatureError, match=r"^lead 00Q has no tenure_bucket$"):
        house.put(failing(), sequence=2)
    with pytest.raises(FeatureError):
        house.warehouse.replace_table(house.scores, failing())
    assert (house.leads(), house.leads(YESTERDAY), house.logged()) == (["a", "b"], ["y"], before)
    assert left_behind(emulator, house) == set()


@pytest.mark.parametrize("rows", ["batches", "query"])
def test_of_writers_that_start_together_exactly_one_stands(house, rows):
    start, results = threading.Barrier(4), dict[str, str]()

    def work(name: str) -> None:
        text = f"SELECT @day AS prediction_date, @name AS lead_id, 0.5 AS score FROM UNNEST(GENERATE_ARRAY(1, {MANY}))"
        source = Query("made", text, {"day": TOMORROW, "name": name})
        start.wait(PATIENCE)
        try:
            house.put(source if rows == "query" else [house.batch([name] * 100, TOMORROW)], day=TOMORROW)
        except ConcurrentWriteError as error:
            results[name] = str(error)
        else:
            results[name] = "written"

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two", "three", "four")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    [winner] = [name for name, said in results.items() if said == "written"]
    assert set(house.leads(TOMORROW)) == {winner}
    assert [done.sequence for done in house.logged() if done.prediction_date == TOMORROW] == [1]
    losers = [said for said in results.values() if said != "written"]
    assert len(losers) == 3
    assert all(said.startswith("scores of 2026-01-06 has been written 1 times, expected 0: ") for said in losers)


def test_a_table_is_replaced_as_a_whole(house):
    assert house.warehouse.replace_table(house.scores, [house.batch("c"), house.batch("t", TOMORROW)]) == 2
    assert [house.leads(day) for day in (YESTERDAY, DAY, TOMORROW)] == [[], ["c"], ["t"]]
    assert house.warehouse.replace_table(house.scores, []) == 0
    assert house.warehouse.read(house.all).num_rows == 0


def test_a_slice_is_replaced_and_the_rows_beside_it_stay(house):
    replaced = house.warehouse.replace_slice(house.scores, "lead_id", "a", [house.batch("aaa")])
    assert (replaced, house.leads(), house.leads(YESTERDAY)) == (3, ["a", "a", "a", "b"], ["y"])
    assert house.warehouse.replace_slice(house.scores, "lead_id", "a", []) == 0
    assert house.leads() == ["b"]


# --- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", [pytest.param(True, id="storage-api"), pytest.param(False, id="rest")])
def test_a_stream_comes_in_bounded_batches_and_equals_a_read(house, storage):
    house.put([house.batch(f"{number:05d}" for number in range(MANY))], sequence=2)
    warehouse = house.warehouse if storage else house.warehouse.model_copy(update={"storage_endpoint": None})
    with warehouse.stream(house.all, rows_per_batch=1000) as batches:
        streamed = list(batches)
    assert [part.num_rows for part in streamed] == [1000] * (MANY // 1000) + [1]
    order = [("prediction_date", "ascending"), ("lead_id", "ascending")]
    assert pa.Table.from_batches(streamed).sort_by(order) == warehouse.read(house.all).sort_by(order)
    assert streamed[0].schema == house.batch("a").schema


def test_a_stream_of_no_rows_and_a_stream_left_early_end_quietly(house):
    with house.warehouse.stream(Query("none", f"SELECT * FROM {house.name} WHERE FALSE")) as batches:
        assert sum(part.num_rows for part in batches) == 0
    house.put([house.many("new", MANY)], sequence=2)
    with house.warehouse.stream(house.all, rows_per_batch=100) as batches:
        assert next(iter(batches)).num_rows == 100
        assert house.leads(YESTERDAY) == ["y"]
    assert len(house.leads()) == MANY


def test_an_open_stream_can_feed_a_write(house):
    house.put([house.many("new", MANY)], sequence=2)
    text = f"SELECT prediction_date, CONCAT(lead_id, '!') AS lead_id, score FROM {house.name} WHERE lead_id = 'new'"
    with house.warehouse.stream(Query("marked", text), rows_per_batch=1000) as batches:
        assert house.put(batches, sequence=3).row_count == MANY
    assert set(house.leads()) == {"new!"}


@pytest.mark.parametrize(
    "text", ["O'Brien", '"', "'; DROP TABLE scores; --", "{{lead}} @day $day ?", "\\n\n", "é✓", ""]
)
def test_a_bound_text_arrives_as_it_is(still, text):
    found = still.warehouse.read(Query("echo", "SELECT @text AS text, @none AS none", {"text": text, "none": None}))
    assert found.to_pylist() == [{"text": text, "none": None}]


def test_bound_values_keep_their_types_and_instants_their_new_york_dates(still):
    values = {"day": DAY, "at": cutoff(DAY), "number": 2**53 + 1, "share": 0.1, "yes": True}
    query = Query(
        "values",
        f"SELECT {', '.join(f'@{name} AS {name}' for name in values)}, DATE(@at, 'America/New_York') AS new_york, "
        "DATE_SUB(@day, INTERVAL 12 MONTH) = DATE '2025-01-05' AS a_year_ago",
        values,
    )
    found = still.warehouse.read(query)
    assert found.to_pylist() == [
        {
            **{"day": DAY, "at": datetime(2026, 1, 5, 5, tzinfo=UTC), "number": 2**53 + 1, "share": 0.1, "yes": True},
            **{"new_york": DAY, "a_year_ago": True},
        }
    ]
    assert [str(field.type) for field in found.schema][:5] == [
        "date32[day]",
        "timestamp[us, tz=UTC]",
        "int64",
        "double",
        "bool",
    ]


def test_nulls_of_every_type_are_stored_and_read_as_nulls(still):
    every = replace(
        still.scores,
        name="every",
        columns=tuple(
            Column(kind.lower(), kind) for kind in ("DATE", "TIMESTAMP", "INT64", "STRING", "BOOL", "FLOAT64")
        ),
    )
    still.warehouse.create([every])
    full = {"date": DAY, "timestamp": cutoff(DAY), "int64": -(2**63), "string": "x", "bool": False, "float64": 0.1}
    table = pa.Table.from_pylist([full, dict.fromkeys(full)])
    types = still.warehouse.read(Query("every", f"SELECT * FROM {every.full_name}")).schema
    still.warehouse.replace_table(every, table.cast(types).to_batches())
    found = still.warehouse.read(Query("every", f"SELECT * FROM {every.full_name}"))
    assert sorted(found.to_pylist(), key=str) == sorted([full, dict.fromkeys(full)], key=str)
    assert list(still.warehouse.columns(every).items()) == [(column.name, column.type) for column in every.columns]


def test_what_is_not_there_is_named_with_the_way_out(still):
    with pytest.raises(
        TableMissingError, match=r"^profile uses a table that does not exist in V4_BIGQUERY_LOCATION: .*nowhere"
    ):
        still.warehouse.read(Query("profile", f"SELECT * FROM `{still.dataset}`.nowhere"))
    with pytest.raises(SchemaDriftError, match=r"^leads reads a column that is missing or of another type: .*noth"):
        still.warehouse.read(Query("leads", f"SELECT nothing FROM {still.name}"))
    with pytest.raises(WarehouseError, match=r"^numbers failed: .*"):
        still.warehouse.read(Query("numbers", f"SELECT CAST(lead_id AS INT64) AS n FROM {still.name}"))


@pytest.mark.parametrize("missing", ["table", "log"])
def test_a_write_to_a_table_that_is_not_there_says_how_to_create_it(house, missing):
    changed = {"table": house.scores, "log": house.log}
    changed[missing] = replace(changed[missing], name="nowhere")
    with pytest.raises(TableMissingError, match="v4 init"):
        house.warehouse.replace_partition(write=write(2), rows=[house.batch("c")], **changed)
    assert house.leads() == ["a", "b"]


# --- tables and views ----------------------------------------------------------------------------------------------


def test_a_table_is_partitioned_clustered_described_and_labelled(still, emulator):
    found = described(emulator, still, "scores")
    assert (found.time_partitioning.type_, found.time_partitioning.field) == ("DAY", "prediction_date")
    assert found.time_partitioning.expiration_ms is None
    assert (found.clustering_fields, found.description) == (["lead_id"], "Scores of the leads")
    assert found.labels == {"managed_by": "v4_assets"}
    assert {field.name: field.description for field in found.schema} == {
        column.name: column.description for column in still.scores.columns
    }


def test_creating_again_keeps_the_rows_and_renews_the_views(house):
    for n in (1, 2):
        view = View(house.dataset, "best", Query("best", f"SELECT {n} AS n FROM {house.name}"), f'The "{n}" - é')
        house.warehouse.create([house.scores, house.log], [view])
    assert house.leads() == ["a", "b"]
    found = house.warehouse.read(Query("best", f"SELECT DISTINCT n FROM `{house.dataset}`.best"))
    assert found.to_pylist() == [{"n": 2}]


def test_the_texts_of_all_views_are_told_and_a_dataset_that_is_not_there_has_none(house):
    made = View(house.dataset, "best", Query("best", f"SELECT lead_id FROM {house.name}"), "Leads")
    house.warehouse.create([house.scores], [made])
    [(name, text)] = house.warehouse.view_texts(house.dataset).items()
    assert name == "best"
    assert "scores" in text
    assert house.warehouse.view_texts("no_such_dataset") == {}


def test_the_texts_of_materialized_views_and_of_every_kind_of_routine_are_told(house, emulator):
    client, name = emulator.client(), house.name
    for statement in (
        f"CREATE MATERIALIZED VIEW {house.dataset}.counted AS SELECT lead_id, COUNT(*) AS n FROM {name} GROUP BY 1",
        f"CREATE FUNCTION {house.dataset}.f(x INT64) AS (x + (SELECT COUNT(*) FROM {name}))",
        f"CREATE TABLE FUNCTION {house.dataset}.t(x STRING) AS SELECT * FROM {name} WHERE lead_id = x",
        f"CREATE PROCEDURE {house.dataset}.p() BEGIN SELECT * FROM {name}; END",
        f"CREATE FUNCTION {house.dataset}.j(x FLOAT64) RETURNS FLOAT64 LANGUAGE js AS 'return x;'",
    ):
        client.query_and_wait(statement)
    assert list(house.warehouse.view_texts(house.dataset)) == ["counted"]
    assert "scores" in house.warehouse.view_texts(house.dataset)["counted"]
    texts = house.warehouse.routine_texts(house.dataset)
    assert {one: "scores" in text for one, text in texts.items()} == {"f": True, "j": False, "p": True, "t": True}


def test_the_routines_of_a_dataset_that_is_not_there_are_an_error(still):
    with pytest.raises(TableMissingError, match="There is no dataset v4-test:no_such_dataset"):
        still.warehouse.routine_texts("no_such_dataset")


def test_a_dataset_that_is_not_there_is_named_with_the_command_that_makes_it(still):
    with pytest.raises(TableMissingError, match=r"bq mk --dataset --location=US v4-test:no_such_dataset`"):
        still.warehouse.create([replace(still.scores, dataset="no_such_dataset")])


def test_a_table_of_another_shape_is_refused_and_a_missing_column_is_not_added_then(still):
    changed = (*still.scores.columns[:2], Column("decile", "INT64"))
    with pytest.raises(SchemaDriftError, match=r"^One difference .*\.scores\.score \(FLOAT64\) is not a column"):
        still.warehouse.create([replace(still.scores, columns=changed)])
    assert "decile" not in still.warehouse.columns(still.scores)


def test_a_table_that_is_not_there_has_no_columns(still):
    assert still.warehouse.columns(replace(still.scores, name="nowhere")) == {}
    assert still.warehouse.columns(replace(still.scores, dataset="no_such_dataset")) == {}


# --- transactions --------------------------------------------------------------------------------------------------


def rename(house: House, old: str, new: str) -> Query:
    text = f"UPDATE {house.name} SET lead_id = @new WHERE lead_id = @old"
    return Query("rename", text, {"old": old, "new": new})


def test_statements_stand_together_when_each_changed_what_it_should(house):
    house.warehouse.transact(
        [
            Statement(rename(house, "a", "it's"), 1),
            Statement(rename(house, "nobody", "x")),
            Statement(rename(house, "it's", "z"), 1),
        ]
    )
    assert house.leads() == ["b", "z"]


@pytest.mark.parametrize(
    ("old", "expected", "error", "message"),
    [
        pytest.param(
            "nobody",
            1,
            ConcurrentWriteError,
            "rename matched 0 rows, expected 1: another process changed them first",
            id="few",
        ),
        pytest.param("z", 0, ConcurrentWriteError, "rename matched 1 rows, expected 0", id="many"),
        pytest.param(None, 1, TableMissingError, "`v4 init` creates the tables this project writes", id="no-table"),
    ],
)
def test_a_transaction_with_one_wrong_statement_changes_nothing(house, old, expected, error, message):
    nowhere = Query("adopt", f"UPDATE `{house.dataset}`.nowhere SET a = 1 WHERE TRUE")
    last = Statement(nowhere if old is None else rename(house, old, "x"), expected)
    with pytest.raises(error, match=message):
        house.warehouse.transact([Statement(rename(house, "a", "z"), 1), last])
    assert house.leads() == ["a", "b"]


def test_of_many_compare_and_swaps_of_one_row_one_succeeds(house, monkeypatch):
    start, results = threading.Barrier(5), list[str]()

    def work(name: str) -> None:
        start.wait(PATIENCE)
        try:
            house.warehouse.transact([Statement(rename(house, "a", name), 1)])
        except ConcurrentWriteError:
            results.append("refused")
        else:
            results.append(name)

    monkeypatch.setattr("random.uniform", lambda low, high: low / 10)  # the wait after a lost commit
    threads = [threading.Thread(target=work, args=(f"winner-{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    [winner] = [name for name in results if name != "refused"]
    assert (len(results), house.leads()) == (5, ["b", winner])
