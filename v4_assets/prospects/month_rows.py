"""How a month's rows are written, kept and counted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pyarrow as pa

from v4_assets.errors import LivePartitionError
from v4_assets.partitions import Day, write_partition
from v4_assets.prospects.lists import given_out
from v4_assets.sql import Query
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse.writes import PartitionWrite


def kept_when_given_out(store: Store, day: Day) -> Day:
    """The month, whose partitions are only filled where they are empty once its list was given out."""
    return replace(day, only_gaps=day.only_gaps or (not day.replace_reason and bool(given_out(store, day.date))))


def written(
    store: Store,
    table: Table,
    day: Day,
    rows: Query | Callable[[], Iterable[pa.RecordBatch]],
    definition: Sequence[str],
    inputs: Sequence[Table],
) -> PartitionWrite:
    """Fill the table's partition of the month, or keep the rows that are evidence. Returns its latest write."""
    day = kept_when_given_out(store, day)
    try:
        return write_partition(store, table, day, rows, definition, inputs)
    except LivePartitionError as error:
        line = f"v4 prospects run --month {day.key}"
        raise LivePartitionError(str(error).replace(f"v4 run --date {day.date}", line)) from error


def coverage(store: Store, day: Day, *, expected: str, actual: str) -> dict[str, int]:
    """The row of prospect_coverage: how the advisors of the table `actual` compare with those of `expected`."""
    [row] = store.rows("prospect_coverage", day.params, expected=expected, actual=actual)
    return row
