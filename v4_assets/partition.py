"""One day's partition of one table: what it is worked on with, how it is written or kept, how it is looked at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from v4_assets import sql, tables
from v4_assets.clock import Clock, cutoff
from v4_assets.config.rollout import CheckLimits
from v4_assets.errors import ConcurrentWriteError, SchemaDriftError
from v4_assets.sources.checks import differences
from v4_assets.sql import Query
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse.writes import PartitionWrite, fingerprint, to_write


@dataclass(frozen=True)
class Day:
    """One day of a run."""

    date: date
    clock: Clock
    run_id: str | None = None
    replace_reason: str | None = None
    only_gaps: bool = False

    @property
    def retrospective(self) -> bool:
        """Worked on later than on the day itself, when the advisor tables may already know the future."""
        return self.clock.today() != self.date

    @property
    def params(self) -> dict[str, object]:
        """The parameters daily SQL is bound with."""
        return {"prediction_date": self.date, "cutoff": cutoff(self.date), "retrospective": self.retrospective}


def metadata_of(write: PartitionWrite, day: Day, seconds: float) -> dict[str, Any]:
    """What the Dagster page shows and plots of a partition: its latest write, made by this run or kept."""
    return {
        "dagster/row_count": write.row_count,
        "kept": is_kept(write, day),
        "retrospective": write.retrospective,
        "written_at": dg.MetadataValue.timestamp(write.written_at),
        "definition": write.definition_sha256[:12],
        "seconds": round(seconds, 3),
    }


def is_kept(write: PartitionWrite, day: Day) -> bool:
    """Whether the rows were there already and stayed."""
    return write.run_id != day.run_id


def write_query(store: Store, key: str, day: Day) -> PartitionWrite:
    """Fill the partition of the table `key` from sql/KEY.sql, inside the warehouse."""
    query = store.catalogue.query(key, day.params)
    inputs = [store.catalogue[name] for name in sql.load(key).inputs]
    return write_partition(
        store, store.catalogue[key], day, query, (query.text,), inputs, is_evidence=key != tables.SOURCE_OBSERVATIONS
    )


def coverage(store: Store, day: Day, *, expected: str, actual: str) -> dict[str, int]:
    """The row of lead_coverage: how the leads of the table `actual` compare with those of `expected` on the day."""
    [row] = store.rows("lead_coverage", day.params, expected=expected, actual=actual)
    return row


def range_before(day: Day, limits: CheckLimits) -> dict[str, date]:
    """The days a day is compared with, as the parameters first_day and last_day."""
    return {
        "first_day": day.date - timedelta(days=limits.history_days),
        "last_day": day.date - timedelta(days=1),
    }


def write_partition(
    store: Store,
    table: Table,
    day: Day,
    rows: Query | Callable[[], Iterable[pa.RecordBatch]],
    definition: Iterable[str],
    inputs: Iterable[Table] = (),
    *,
    is_evidence: bool = True,
) -> PartitionWrite:
    """Fill the table's partition of the day, or keep it where evidence says so. Returns its latest write.

    `rows` is only called when they are wanted; `definition` names everything that makes them what they are, beside the
    partitions of `inputs`, of which the write that is read counts. What is no evidence is written again at every run.
    """
    log = store.catalogue[tables.PARTITION_WRITES]
    definition, inputs = tuple(definition), tuple(inputs)
    while True:
        writes = store.latest_writes(day.date, day.date)
        read = [writes.get((source.name, day.date)) for source in inputs]
        wanted = PartitionWrite(
            table_name=table.name,
            prediction_date=day.date,
            written_at=day.clock.now(),
            retrospective=day.retrospective,
            definition_sha256=fingerprint((*definition, *(f"{one.table_name}@{one.sequence}" for one in read if one))),
            run_id=day.run_id,
        )
        latest = writes.get((table.name, day.date))
        write = to_write(
            wanted,
            latest,
            replace_reason=day.replace_reason,
            only_gaps=day.only_gaps,
            is_evidence=is_evidence,
        )
        if write is None:
            assert latest is not None  # only a written partition is kept
            return latest
        try:
            content = rows if isinstance(rows, Query) else rows()
            return store.warehouse.replace_partition(table, write, content, log)
        except ConcurrentWriteError:
            # Another run was there first: decide again on what it left. Without such a write it is a fault, not a race.
            now = store.latest_writes(day.date, day.date)
            if now.get((table.name, day.date)) == latest:
                raise
        except SchemaDriftError as error:
            raise SchemaDriftError(f"{error}{_drifted(store)}") from error


def _drifted(store: Store) -> str:
    """Which columns of the sources are not as declared: an engine names the column, and seldom its table."""
    found = ((table, store.warehouse.columns(table)) for table in store.catalogue.sources)
    wrong = [f"{table.dataset}.{line}" for table, columns in found for line in differences(table, columns)]
    return f" The sources differ from it in: {'; '.join(wrong)}." if wrong else " The sources are as it says."
