"""Daily partitions: which days there are, what a day is worked on with, and how its rows are written or kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from v4_assets import sql, tables
from v4_assets.clock import NEW_YORK, Clock, cutoff
from v4_assets.config.rollout import CheckLimits
from v4_assets.errors import ConcurrentWriteError, LivePartitionError, PolicyError, SchemaDriftError, listed
from v4_assets.prospects import contracts
from v4_assets.sources.checks import differences
from v4_assets.sql import Query
from v4_assets.store import Store
from v4_assets.tables import Catalogue, Table
from v4_assets.warehouse.writes import PartitionWrite, fingerprint, to_write


def daily_partitions(first_day: date, last_day: date | None = None) -> dg.DailyPartitionsDefinition:
    """Daily partitions from `first_day` to today, today included, so that the daily run finds its own day.

    With `last_day`, the day of a fixed clock, they end there: later days are not missing, they have not happened.
    """
    # end_date is exclusive. A clock before the first day still leaves that day.
    end = (max(first_day, last_day) + timedelta(days=1)).isoformat() if last_day else None
    return dg.DailyPartitionsDefinition(
        start_date=first_day.isoformat(), end_date=end, timezone=NEW_YORK.key, end_offset=1
    )


DECLARE = "A column that comes in another type for good can be declared under sources.types of rollout.yaml."


@dataclass(frozen=True)
class Day:
    """One day of a run, or the first day of a month."""

    date: date
    clock: Clock
    run_id: str | None = None
    replace_reason: str | None = None
    only_gaps: bool = False
    replaceable: Mapping[str, int] = field(default_factory=dict)
    """Table name to the write that `replace_reason` is about; any later write of these tables is kept."""
    key: str | None = None
    """Its partition's key in Dagster, which of a month is 2026-02."""

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


def feature_tables(catalogue: Catalogue) -> tuple[Table, ...]:
    """The tables between the leads or prospects and their scores, whose old partitions `v4 prune` removes."""
    return (*lead_features(catalogue), *prospect_features(catalogue))


def lead_features(catalogue: Catalogue) -> tuple[Table, ...]:
    """Those of the leads, by day; the versions' own come before what they are made from."""
    own = (tables.features_key(one.key) for one in catalogue.versions.values())
    return tuple(catalogue[key] for key in (*own, *tables.SHARED[1:]))


def prospect_features(catalogue: Catalogue) -> tuple[Table, ...]:
    """Those of the prospects, by the first day of the month, in the same order."""
    own = (contracts.features_key(one.key) for one in catalogue.versions.values())
    return tuple(catalogue[key] for key in (*own, *contracts.SNAPSHOT.values()))


def pruned_days(store: Store, features: Iterable[Table], first: date, last: date) -> dict[date, date]:
    """Days from `first` to `last` of which `v4 prune` removed one of these tables' partitions, to the day it did so."""
    names = {table.name for table in features}
    writes = store.latest_writes(first, last)
    return {day: write.pruned_at.date() for (name, day), write in writes.items() if name in names and write.pruned_at}


def verify_not_pruned(store: Store, asked: Iterable[str], days: Iterable[date], today: date) -> None:
    """Raise PolicyError when an asset of features or scores is asked for, for a past day whose features were pruned.

    Tables of leads and of prospects are looked up separately: a month's partition has the date of its first day.
    """
    past = [day for day in days if day < today]
    for features, scores_key in (
        (lead_features(store.catalogue), tables.scores_key),
        (prospect_features(store.catalogue), contracts.scores_key),
    ):
        made = {table.key for table in features} | {scores_key(one.key) for one in store.catalogue.versions.values()}
        wanted = sorted(made.intersection(asked))
        pruned = pruned_days(store, features, min(past), max(past)) if wanted and past else {}
        if found := sorted(pruned.keys() & set(past)):
            raise PolicyError(
                f"{wanted[0]} of {found[0]} was asked for, and `v4 prune` removed the features of that day on "
                f"{pruned[found[0]]} (keep_features_days of rollout.yaml), so nothing was written. The day's scores, "
                "outcomes and evidence stay as they are."
            )


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
    """Fill the table's partition of the day, or keep the rows that are evidence. Returns its latest write.

    `rows` is only called when they are written. `definition` names everything else that determines them; the partitions
    of `inputs` are identified by the write that was read. Tables that are not kept as evidence are rewritten on every
    run.
    """
    log = store.catalogue[tables.PARTITION_WRITES]
    definition, inputs = tuple(definition), tuple(inputs)
    while True:
        writes = store.latest_writes(day.date, day.date)
        wanted = wanted_write(table, day, definition, inputs, writes)
        latest = writes.get((table.name, day.date))
        named = day.replaceable.get(table.name)
        try:
            write = to_write(
                wanted,
                latest,
                replace_reason=day.replace_reason if latest and latest.sequence == named else None,
                # What this permission was about is replaced already: a repeated run replaces nothing.
                only_gaps=day.only_gaps or bool(is_evidence and named and latest and latest.sequence > named),
                is_evidence=is_evidence,
            )
        except LivePartitionError:
            # A release may define the rows otherwise. What an earlier one has served stays, and its day may run again.
            if latest is None or not store.precedes_upgrade(latest):
                raise
            write = None
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


def wanted_write(
    table: Table,
    day: Day,
    definition: Iterable[str],
    inputs: Iterable[Table],
    writes: Mapping[tuple[str, date], PartitionWrite],
) -> PartitionWrite:
    """The write that `write_partition` would record, given the latest writes of the day."""
    read = [writes.get((source.name, day.date)) for source in inputs]
    return PartitionWrite(
        table_name=table.name,
        prediction_date=day.date,
        written_at=day.clock.now(),
        retrospective=day.retrospective,
        definition_sha256=fingerprint((*definition, *(f"{one.table_name}@{one.sequence}" for one in read if one))),
        run_id=day.run_id,
    )


def verify_sources(store: Store) -> None:
    """Raise SchemaDriftError when a column of a source is missing or of another type than rollout.yaml has it.

    For what reads the sources without the checks of the day: DuckDB takes an instant without a zone for UTC in silence.
    """
    wrong = _wrong_columns(store)
    if wrong:
        raise SchemaDriftError(f"The sources are not as declared: {listed(wrong)}. {DECLARE}")


def _drifted(store: Store) -> str:
    """Which columns of the sources are not as declared: an engine names the column, and seldom its table."""
    wrong = _wrong_columns(store)
    return f" The sources differ from it in: {listed(wrong)}. {DECLARE}" if wrong else " The sources are as it says."


def _wrong_columns(store: Store) -> list[str]:
    found = ((table, store.warehouse.columns(table)) for table in store.catalogue.sources)
    return [f"{table.dataset}.{line}" for table, columns in found for line in differences(table, columns)]
