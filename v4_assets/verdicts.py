"""Verdicts of blocking checks on written rows. Sending and promotion first verify here that their rows passed.

A failed blocking check stops its own run, but not a later run of a single asset. So every verdict is stored with the
write it is about. Before rows are sent, the verdicts of exactly these rows and of all their inputs are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from v4_assets import tables
from v4_assets.days import days_between
from v4_assets.store import Store
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Statement
from v4_assets.warehouse.writes import PartitionWrite


@dataclass(frozen=True)
class Verdict:
    """Result of an asset's blocking checks on one write of its partition."""

    write: PartitionWrite
    failed: tuple[str, ...]
    judged_at: datetime
    run_id: str


def record(store: Store, verdicts: Iterable[Verdict]) -> None:
    """Keep the judgements of a run, all or none."""
    rows = [
        {
            "table_name": one.write.table_name,
            "prediction_date": one.write.prediction_date,
            "sequence": one.write.sequence,
            "passed": not one.failed,
            "failed": ", ".join(one.failed),
            "judged_at": one.judged_at,
            "run_id": one.run_id,
        }
        for one in verdicts
    ]
    if rows:
        store.warehouse.transact(
            [Statement(store.catalogue.query("record_verdict", row), expected_rows=1) for row in rows]
        )


def unpassed(store: Store, day: date, version: str) -> list[str]:
    """What keeps a version's scores of the day from being shipped, one sentence each; empty when all checks passed."""
    return _Judged.of(store, day, day).problems(day, version)


def live_parallel_days(store: Store, versions: Sequence[str], *, since: date | None, until: date) -> int:
    """Days from `since` to `until` on which every version scored on the day itself, all blocking checks passed.

    One of those checks is that all versions score the same leads. 0 before the parallel phase, or with one version.
    """
    if since is None or len(versions) < 2 or since > until:
        return 0
    judged = _Judged.of(store, since, until)
    return sum(
        all(judged.is_live(day, version) and not judged.problems(day, version) for version in versions)
        for day in days_between(since, until)
    )


@dataclass(frozen=True)
class _Judged:
    """The latest writes of some days, and the latest verdict of each, by write and by the run that checked it."""

    catalogue: Catalogue
    writes: Mapping[tuple[str, date], PartitionWrite]
    by_write: Mapping[tuple[str, date, int], Mapping[str, Any]]
    by_run: Mapping[tuple[str, date, str], Mapping[str, Any]]

    @classmethod
    def of(cls, store: Store, first: date, last: date) -> "_Judged":
        found = store.rows(tables.PARTITION_VERDICTS, {"first_day": first, "last_day": last})
        found.sort(key=lambda row: row["judged_at"])
        return cls(
            store.catalogue,
            store.latest_writes(first, last),
            {(row["table_name"], row["prediction_date"], row["sequence"]): row for row in found},
            {(row["table_name"], row["prediction_date"], row["run_id"]): row for row in found},
        )

    def is_live(self, day: date, version: str) -> bool:
        """Whether the version's scores and all their inputs were written on the day itself."""
        writes = [self.writes.get((self.catalogue[key].name, day)) for key in self.catalogue.lineage(version)]
        return all(write is not None and not write.retrospective for write in writes)

    def problems(self, day: date, version: str) -> list[str]:
        """Tables of the version's lineage whose latest write has not passed, one sentence each."""
        found = []
        for key in self.catalogue.lineage(version):
            name = self.catalogue[key].name
            write = self.writes.get((name, day))
            if write is None:
                found.append(f"{name} has no rows of {day}")
            else:
                verdict = self.by_write.get((name, day, write.sequence))
                found += _problem(name, verdict, f"the latest write of {day}")
        # The run that listed the leads checked the sources first; their rows are rewritten by every run.
        listed = self.writes.get((self.catalogue[tables.SCORED_LEADS].name, day))
        if listed:
            name = self.catalogue[tables.SOURCE_OBSERVATIONS].name
            checked = self.by_run.get((name, day, str(listed.run_id)))
            found += _problem(name, checked, f"the check before the leads of {day} were listed")
        return found


def _problem(name: str, verdict: Mapping[str, object] | None, what: str) -> list[str]:
    if verdict is None:
        return [f"{name}: {what} was never checked; rerun the daily job"]
    return [] if verdict["passed"] else [f"{name}: {verdict['failed']} failed on {what}"]
