"""GoogleSQL that the engines compute differently is named when sql/ is loaded; Google's evaluator proves the list."""

from datetime import datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from v4_assets import definitions, sql
from v4_assets.config.environment import load
from v4_assets.errors import SqlFileError
from v4_assets.sources.types import READINGS
from v4_assets.sql import Query, SqlFile
from v4_assets.warehouse import dialects
from v4_assets.warehouse.dialects import DIFFERENCES, Difference
from v4_assets.warehouse.duckdb.sql import to_duckdb

NAMES = [one.name for one in DIFFERENCES]


def file_of(body: str) -> SqlFile:
    return SqlFile("one", "a query", "one row", (), (), (), (), body)


def used(expression: str) -> list[str]:
    """The entries of the list that an expression uses."""
    texts = list(dialects.differences(file_of(f"SELECT {expression} AS v")))
    return [one.name for one in DIFFERENCES for text in texts if f" uses {one.name} in " in text]


@pytest.mark.parametrize("one", DIFFERENCES, ids=NAMES)
def test_an_example_is_named_by_its_own_entry_and_its_way_out_by_none(one: Difference) -> None:
    assert one.name in used(one.example)
    assert used(one.instead) == []


@pytest.mark.extended
@pytest.mark.parametrize("one", DIFFERENCES, ids=NAMES)
def test_the_engines_differ_on_the_example_and_agree_on_its_way_out(one: Difference) -> None:
    for expression, alike in ((one.example, False), (one.instead, True)):
        query = f"SELECT {expression} AS v"
        assert (google(query) == embedded(query)) is alike, expression


def google(query: str) -> Any:
    """What Google's evaluator answers; an error is an answer."""
    from v4_assets_tests.bigquery.googlesql import GoogleSQL  # half a minute where it is not cached

    try:
        return GoogleSQL(()).evaluate(Query("one", query), {}, {}).to_pylist()[0]["v"]
    except Exception as error:
        assert "OUT_OF_RANGE" in str(error), error
        return "error"


def embedded(query: str) -> Any:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        value = connection.sql(to_duckdb(query)).to_arrow_table().to_pylist()[0]["v"]
    # A date whose time of day is midnight is a date once it is stored in a column of dates.
    is_date = isinstance(value, datetime) and value.tzinfo is None and value.time() == time(0)
    return value.date() if is_date else value


DELIVERED = {
    "INT64": ("0", "-1", "1001", "9223372036854775807", "CAST(NULL AS INT64)"),
    "FLOAT64": tuple(
        f"CAST({one} AS FLOAT64)" for one in ("1001.0", "0", "-3", "2.5", "1e15", "999999999999999", "1e300", "NULL")
    ),
    "STRING": (
        "'1001'",
        "' 1001.0 '",
        "'12.5'",
        "'1e3'",
        "'n/a'",
        "''",
        "' '",
        "'1234567890123456789'",
        "CAST(NULL AS STRING)",
    ),
    "DATE": ("DATE '2026-01-05'", "DATE '2025-03-09'", "CAST(NULL AS DATE)"),
    "DATETIME": tuple(
        # Noon; the hour that is skipped in spring; the one that is there twice in autumn; the hours beside both.
        f"DATETIME '{one}'"
        for one in (
            *("2026-01-05 12:00:00", "2025-03-09 01:59:59", "2025-03-09 02:30:00", "2025-03-09 03:00:00"),
            *("2025-11-02 00:59:59", "2025-11-02 01:00:00", "2025-11-02 01:30:00", "2025-11-02 02:00:00"),
        )
    ),
}


@pytest.mark.extended
@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Europe/Berlin"])
@pytest.mark.parametrize(("declared", "delivered"), READINGS)
def test_a_column_of_another_type_is_read_alike_by_both_engines(declared: str, delivered: str, zone: str) -> None:
    for value in DELIVERED[delivered]:
        expression = READINGS[declared, delivered].format(name="x", zone=zone)
        query = f"SELECT {expression} AS v FROM (SELECT {value} AS x)"
        found, wanted = embedded(query), google(query)
        assert found == wanted, value


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("extract ( dayofweek from d)", "EXTRACT(DAYOFWEEK …)"),
        ("EXTRACT(WEEK(MONDAY) FROM d)", "EXTRACT(WEEK …)"),
        ("ROUND(SUM(IF(a, COALESCE(b, 0), 1)), 1)", "ROUND to digits"),
        ("SAFE_CAST(TRIM(UPPER(x), 'a') AS INT64)", "CAST to INT64"),
        ("CAST(a + (b * (c - d)) AS INT64)", "CAST to INT64"),
        ("CAST(x AS boolean)", "CAST to BOOL"),
        ("SAFE_CAST(x AS TIMESTAMP)", "SAFE_CAST to a date or an instant"),
        ("TIMESTAMP_DIFF(MAX(a),\n  MIN(b), HOUR)", "TIMESTAMP_DIFF"),
        ("SUBSTR(x, -3, 2)", "SUBSTR from 0 or from the end"),
        ("RTRIM(LOWER(x))", "TRIM of white space"),
        ("a / b", "division by what may be 0"),
        ("1 / (a - b)", "division by what may be 0"),
        ("x NOT LIKE '%a\\_b%'", "LIKE with a backslash"),
    ],
)
def test_other_spellings_are_named_as_well(expression: str, name: str) -> None:
    assert used(expression) == [name]


@pytest.mark.parametrize(
    "expression",
    [
        "EXTRACT(ISOWEEK FROM d)",
        "ROUND(x)",
        "GREATEST(a, ROUND(b))",
        "CAST(NULL AS INT64)",
        "CAST(x AS STRING)",
        "TRIM(x, ' ')",
        "SUBSTR(x, 1, 15)",
        "SUBSTR(x, -2)",
        "x / 12",
        "x / 0.5",
        "x LIKE '%SAVVY%'",
        "DATE(t, 'America/New_York')",
        "'ROUND(x, 2) / y'",
        "1 -- ROUND(x, 2) / y",
        "1 /* CAST(x AS INT64) */",
        "CAST(x AS INT64) -- engines agree: only digits",
    ],
)
def test_what_both_engines_compute_alike_and_what_does_not_run_is_not_named(expression: str) -> None:
    assert used(expression) == []


def test_a_reason_is_asked_for_and_counts_for_its_own_line_alone() -> None:
    assert used("CAST(x AS INT64) -- engines agree: ") == ["CAST to INT64"]
    assert used("CAST(x AS INT64), -- engines agree: digits\n  CAST(y AS INT64)") == ["CAST to INT64"]


def test_the_project_s_own_files_use_none_of_them() -> None:
    assert dialects.verify("duckdb") == dialects.verify("bigquery") == []


def test_a_file_that_uses_one_stops_loading_on_duckdb_and_is_noted_on_bigquery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files, own = sql.files(), sql.load("time_zones")
    body = f"{own.body}\nWHERE EXTRACT(DAYOFWEEK FROM DATE '2026-01-04') = 1"
    monkeypatch.setattr(sql, "load", lambda name: file_of(body) if name == "mine" else own)
    monkeypatch.setattr(sql, "files", lambda: {**files, "mine": tmp_path})
    message = r"sql/one.sql uses EXTRACT\(DAYOFWEEK …\) in `WHERE .*`: Sunday is 1 to Google and 0 to DuckDB. Write"
    with pytest.raises(SqlFileError, match=message):
        dialects.verify("duckdb")
    [note] = dialects.verify("bigquery")
    assert note.startswith("sql/one.sql uses EXTRACT")


def test_the_definitions_load_only_what_is_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(engine: str) -> list[str]:
        raise SqlFileError(f"asked of {engine}")

    monkeypatch.setattr(dialects, "verify", refuse)
    with pytest.raises(SqlFileError, match="asked of duckdb"):
        definitions.build(load({"V4_HOME": str(tmp_path)}))
