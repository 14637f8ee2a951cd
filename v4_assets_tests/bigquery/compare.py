"""Two answers to one question, cell by cell."""

import math
from datetime import datetime
from typing import Any

import pyarrow as pa


def assert_same(found: pa.Table, wanted: pa.Table, what: str) -> None:
    """The same columns, types and cells, in any order of rows; floats within 1e-12 of each other."""
    assert found.column_names == wanted.column_names, what
    for ours, theirs in zip(found.schema, wanted.schema, strict=True):
        # DuckDB's literals are narrower integers until they are stored.
        both_integer = pa.types.is_integer(ours.type) and pa.types.is_integer(theirs.type)
        assert both_integer or ours.type == theirs.type, f"{what}.{ours.name}: {ours.type}, wanted is {theirs.type}"
    ours, theirs = (sorted(table.to_pylist(), key=_order) for table in (found, wanted))
    assert len(ours) == len(theirs), f"{what}: {len(ours)} rows, wanted is {len(theirs)}"
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        for name in one:
            assert _equal(one[name], other[name]), f"{what}, row {number}, {name}: {one}, wanted is {other}"


def _order(row: dict[str, Any]) -> list[tuple[bool, str]]:
    """By every cell, floats roughly, so that a difference in the last bit does not tear pairs apart."""
    return [(value is None, f"{value:.9g}" if isinstance(value, float) else str(_utc(value))) for value in row.values()]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12) or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


def _utc(value: object) -> object:
    return value.timestamp() if isinstance(value, datetime) else value
