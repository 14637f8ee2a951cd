"""Making the month's list: once, and anew only for a reason after it was given out."""

from dataclasses import replace
from datetime import date

import pyarrow as pa

from v4_assets import verdicts
from v4_assets.config.rollout import Rollout
from v4_assets.errors import V4Error, listed
from v4_assets.partitions import Day, wanted_write, write_partition
from v4_assets.prospects import contracts, lists
from v4_assets.store import Store
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets.warehouse.writes import PartitionWrite


def make_list(store: Store, rollout: Rollout, day: Day) -> PartitionWrite:
    """The month's list by the live version's scores, or the one that is there. Returns its latest write.

    A list is made again while it was not given out and something that determines it has changed; one that was given
    out stays, and a run with a reason puts another edition beside it. Raises V4Error while the scores are missing or
    failed a check.
    """
    version = store.live()
    assert version is not None  # the step waits without
    month, table = day.date, store.catalogue[contracts.PROSPECT_LIST]
    scores = store.catalogue[contracts.scores_key(rollout.versions[version].key)]
    definition = (version, rollout.prospects.list.model_dump_json(), rollout.prospects.percentile)
    inputs = (scores, store.catalogue[contracts.PROSPECTS])
    writes = store.latest_writes(month, month)
    present = writes.get((table.name, month))
    given = lists.given_out(store, month)
    same = (
        present and present.definition_sha256 == wanted_write(table, day, definition, inputs, writes).definition_sha256
    )
    permitted = present and day.replace_reason and day.replaceable.get(table.name) == present.sequence
    if present and not permitted and (given or same):
        return present
    verify_passed(store, month, version)
    last = max((one.edition for one in given), default=0)
    kept = [row for row in lists.editions(store, month) if row["edition"] <= last]
    made = lists.listed(
        lists.choices(store, rollout, month, version, day.clock.today()).rows,
        rollout,
        month=month,
        edition=last + 1,
        made_at=day.clock.now(),
        reason=day.replace_reason if last else None,
    )
    batch = pa.RecordBatch.from_pylist([*kept, *made], schema=arrow_schema(table))
    # Nothing but this function decides what stays, so the write itself keeps nothing.
    return write_partition(
        store, table, replace(day, only_gaps=False), lambda: [batch], definition, inputs, is_evidence=False
    )


def verify_passed(store: Store, month: date, version: str) -> None:
    """Raise V4Error when the version's scores of the month are missing, unchecked or failed a check."""
    key = store.catalogue.versions[version].key
    if problems := verdicts.unpassed_tables(store, month, contracts.lineage(key)):
        raise V4Error(
            f"{version} has no scores of the month {month:%Y-%m} that passed every check: {listed(problems)}. "
            f"`v4 prospects run --month {month:%Y-%m}` makes them."
        )
