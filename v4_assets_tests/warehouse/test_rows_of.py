"""Rows as plain values: what pyarrow gives, without the import of pandas."""

import subprocess
import sys
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from v4_assets.warehouse.protocol import rows_of

INSTANT = datetime(2026, 1, 5, 11, 30, 0, 123456, tzinfo=UTC)
WITHOUT_PANDAS = """
import sys
import duckdb
from v4_assets.warehouse.protocol import rows_of
table = duckdb.sql("SELECT TIMESTAMPTZ '2026-01-05 00:00:00+00' AS at").to_arrow_table()  # pa.array imports pandas
print(rows_of(table)[0]["at"].isoformat(), "pandas" in sys.modules)
"""


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "+09:00"])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_an_instant_is_the_same_moment_in_utc_whatever_zone_its_column_has(zone, unit):
    instant = INSTANT.replace(microsecond=0)
    [row] = rows_of(pa.table({"at": pa.array([instant], pa.timestamp(unit, zone))}))
    assert row == {"at": instant}
    assert row["at"].utcoffset().total_seconds() == 0


def test_microseconds_nulls_and_other_types_are_kept():
    table = pa.table(
        {
            "at": pa.array([INSTANT, None], pa.timestamp("us", "UTC")),
            "day": pa.array([date(2026, 1, 5), None]),
            "name": pa.array(["a", None]),
            "share": pa.array([0.25, None]),
            "list": pa.array([[1, 2], None]),
        }
    )
    assert rows_of(table) == table.to_pylist()
    assert [row["at"] for row in rows_of(table)] == [INSTANT, None]


def test_a_table_without_rows_has_none():
    assert rows_of(pa.table({"at": pa.array([], pa.timestamp("us", "UTC"))})) == []


def test_pandas_is_not_imported():
    done = subprocess.run([sys.executable, "-c", WITHOUT_PANDAS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2026-01-05T00:00:00+00:00", "False"]
