"""What only BigQuery's warehouse does: staging tables, the Storage API, described tables, routines, datasets.

warehouse/test_warehouse.py has what every engine does.
"""

import ast
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from google.cloud import bigquery

from v4_assets.clock import cutoff
from v4_assets.errors import ConcurrentWriteError, FeatureError, TableMissingError
from v4_assets.sql import Column, Query
from v4_assets.tables import View
from v4_assets.warehouse.bigquery import access
from v4_assets.warehouse.bigquery import warehouse as warehouse_module
from v4_assets.warehouse.bigquery.tables import table_ddl
from v4_assets.warehouse.protocol import Expiration, Statement
from v4_assets_tests.bigquery.emulator import Emulator
from v4_assets_tests.fixtures.warehouses import DAY, SmallWarehouse

MANY = 20_000
"""Rows enough for several pages of the REST API and several messages of the Storage API."""
VALUES = {"day": DAY, "at": cutoff(DAY), "number": 2**53 + 1, "share": 0.1, "yes": True}


def described(emulator: Emulator, small: SmallWarehouse, name: str) -> bigquery.Table:
    return emulator.client().get_table(f"{small.dataset}.{name}")


def staging_tables(emulator: Emulator, small: SmallWarehouse) -> set[str]:
    """Tables of the dataset beside the two that belong there."""
    found = {table.table_id for table in emulator.client().list_tables(small.dataset)}
    return found - {small.scores.name, small.log.name}


def test_no_write_leaves_a_staging_table_be_it_done_refused_or_failed(small, emulator):
    def failing():
        yield small.batch("new")
        raise FeatureError("lead 00Q has no tenure_bucket")

    small.put([small.batch("cd"), small.batch("e")], sequence=2)
    assert staging_tables(emulator, small) == set()
    with pytest.raises(ConcurrentWriteError):
        small.put([small.batch("c")], sequence=2)
    assert staging_tables(emulator, small) == set()
    with pytest.raises(FeatureError):
        small.put(failing(), sequence=3)
    with pytest.raises(FeatureError):
        small.warehouse.replace_table(small.scores, failing())
    assert staging_tables(emulator, small) == set()


@pytest.mark.parametrize("storage", [pytest.param(True, id="storage-api"), pytest.param(False, id="rest")])
def test_a_stream_comes_in_bounded_batches_and_equals_a_read(small, storage):
    small.put([small.batch(f"{number:05d}" for number in range(MANY))], sequence=2)
    warehouse = small.warehouse if storage else small.warehouse.model_copy(update={"storage_endpoint": None})
    with warehouse.stream(small.every_row, rows_per_batch=1000) as batches:
        streamed = list(batches)
    assert [part.num_rows for part in streamed] == [1000] * (MANY // 1000) + [1]
    order = [("prediction_date", "ascending"), ("lead_id", "ascending")]
    assert pa.Table.from_batches(streamed).sort_by(order) == warehouse.read(small.every_row).sort_by(order)
    assert streamed[0].schema == small.batch("a").schema


def test_a_bound_value_has_its_type_in_arrow(unchanged):
    query = Query("values", "SELECT @day AS day, @number AS number, @share AS share, @yes AS yes, @at AS at", VALUES)
    assert {field.name: str(field.type) for field in unchanged.warehouse.read(query).schema} == {
        **{"day": "date32[day]", "number": "int64", "share": "double", "yes": "bool", "at": "timestamp[us, tz=UTC]"},
    }


def test_a_table_is_partitioned_clustered_described_and_labelled(unchanged, emulator):
    found = described(emulator, unchanged, "scores")
    assert (found.time_partitioning.type_, found.time_partitioning.field) == ("DAY", "prediction_date")
    assert found.time_partitioning.expiration_ms is None
    assert (found.clustering_fields, found.description) == (["lead_id"], "Scores of the leads")
    assert found.labels == {"managed_by": "v4_assets"}
    assert {field.name: field.description for field in found.schema} == {
        column.name: column.description for column in unchanged.scores.columns
    }


def test_the_texts_of_materialized_views_and_of_every_kind_of_routine_are_read(small, emulator):
    client, name = emulator.client(), small.name
    for statement in (
        f"CREATE MATERIALIZED VIEW {small.dataset}.counted AS SELECT lead_id, COUNT(*) AS n FROM {name} GROUP BY 1",
        f"CREATE FUNCTION {small.dataset}.f(x INT64) AS (x + (SELECT COUNT(*) FROM {name}))",
        f"CREATE TABLE FUNCTION {small.dataset}.t(x STRING) AS SELECT * FROM {name} WHERE lead_id = x",
        f"CREATE PROCEDURE {small.dataset}.p() BEGIN SELECT * FROM {name}; END",
        f"CREATE FUNCTION {small.dataset}.j(x FLOAT64) RETURNS FLOAT64 LANGUAGE js AS 'return x;'",
    ):
        client.query_and_wait(statement)
    assert list(small.warehouse.view_texts(small.dataset)) == ["counted"]
    assert "scores" in small.warehouse.view_texts(small.dataset)["counted"]
    texts = small.warehouse.routine_texts([small.dataset])[small.dataset]
    assert {one: "scores" in text for one, text in texts.items()} == {"f": True, "j": False, "p": True, "t": True}


def test_the_routines_of_a_dataset_that_is_not_there_are_an_error(unchanged):
    with pytest.raises(TableMissingError, match="There is no dataset v4-test:no_such_dataset"):
        unchanged.warehouse.routine_texts(["no_such_dataset"])


def test_a_dataset_that_is_not_there_is_named_with_the_command_that_makes_it(unchanged):
    with pytest.raises(TableMissingError, match=r"bq mk --dataset --location=US v4-test:no_such_dataset`"):
        unchanged.warehouse.create([replace(unchanged.scores, dataset="no_such_dataset")])


# --- every statement -----------------------------------------------------------------------------------------------

ADAPTER = Path(warehouse_module.__file__).parent
STATEMENT = re.compile(
    r"(?:SELECT|INSERT|UPDATE|DELETE|MERGE|CREATE|ALTER|DROP|DECLARE|BEGIN|COMMIT|SET|IF)\b", re.ASCII
)
PASTED = ("console.py", "console_rollback.py")
"""Make the scripts for Google's console, which test_console.py runs as a whole."""


def statements() -> dict[str, re.Pattern[str]]:
    """Every SQL text in the adapter's source by its place, as a pattern with a gap for each value put into it."""
    found = {}
    for path in sorted(ADAPTER.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        passed_over = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        passed_over |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [one.value if isinstance(one, ast.Constant) else None for one in parts]
            if path.name in PASTED or id(node) in passed_over or not STATEMENT.match(str(texts[0])):
                continue
            gaps = "".join(".*?" if text is None else re.escape(str(text)) for text in texts)
            found[f"{path.name}:{getattr(node, 'lineno', 0)}"] = re.compile(gaps, re.DOTALL)
    return found


def move_everything(small: SmallWarehouse) -> None:
    """Copy the table, give the copy another name, compare, drop it; put a view in its place that expires."""
    moving = small.warehouse.moving()
    moving.copy(small.scores, "copied")
    moving.rename(replace(small.scores, name="copied"), "aside")
    aside = replace(small.scores, name="aside")
    assert moving.content(aside) == moving.content(small.scores)
    moving.drop(aside, "table")
    assert small.warehouse.columns(aside) == {}
    moving.put_view(aside, "AS SELECT 1 AS n", "view")
    moving.set_expiration(aside, "view", Expiration(datetime(2099, 1, 1, tzinfo=UTC)))


def test_every_statement_of_the_adapter_runs_on_the_emulator(small, emulator, monkeypatch):
    sent, ask = list[str](), bigquery.Client.query

    def recorded(client: bigquery.Client, query: str, *args: object, **kwargs: object) -> object:
        sent.append(query)
        return ask(client, query, *args, **kwargs)  # type: ignore[arg-type] # what the caller gave

    monkeypatch.setattr(bigquery.Client, "query", recorded)
    wider = replace(small.scores, columns=(*small.scores.columns, Column("decile", "INT64")))
    small.warehouse.create([wider], [View(small.dataset, "best", small.every_row, "All")])
    small.warehouse._run(Query("table", table_ddl(replace(small.scores, name="by_ddl"))))
    small.put([small.batch("c")], sequence=2)
    copied = Query("copied", f"SELECT @day AS prediction_date, lead_id, score FROM {small.name} WHERE lead_id = 'y'")
    small.put(replace(copied, params={"day": DAY}), sequence=3)
    small.warehouse.replace_slice(small.scores, "lead_id", "y", [small.batch("z")])
    small.warehouse.replace_table(small.scores, [small.batch("a")])
    small.warehouse.transact([Statement(small.rename("a", "b"), 1)])
    assert small.leads() == ["b"]
    assert list(small.warehouse.view_texts(small.dataset)) == ["best"]
    move_everything(small)
    access.verify_readable(small.warehouse, small.scores)
    access.verify_writable(small.warehouse, small.scores)
    wanted = statements()
    assert len(wanted) > 12
    assert {place for place, pattern in wanted.items() if not any(map(pattern.search, sent))} == set()
