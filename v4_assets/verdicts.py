"""What the latest judgements say of a version's scores. Sending and promotion first verify here that their rows passed.

A failed blocking check stops its own run, but not a later run of a single asset. So every judgement is stored with the
write it is about. Before rows are sent, the judgements of exactly these rows and of all their inputs are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from v4_assets import judgements, tables
from v4_assets.days import days_between
from v4_assets.judgements import Judgement
from v4_assets.store import Store
from v4_assets.tables import Catalogue
from v4_assets.warehouse.writes import PartitionWrite


def unpassed(store: Store, day: date, version: str) -> list[str]:
    """What keeps a version's scores of the day from being shipped, one sentence each; empty when all checks passed."""
    return _Judged.of(store, day, day).problems(day, version)


def unpassed_tables(store: Store, day: date, keys: Iterable[str]) -> list[str]:
    """The same of the partitions of single tables, whose sources were checked where they were read."""
    judged = _Judged.of(store, day, day)
    return [line for key in keys for line in judged.of_table(store.catalogue[key].name, day)]


def gaps(store: Store, first: date, last: date, keys: Iterable[str]) -> list[date]:
    """Days from `first` to `last` on which one of the tables has no partition, or one whose checks never ran.

    A process killed between writing and checking leaves the latter.
    """
    judged, catalogue, wanted = _Judged.of(store, first, last), store.catalogue, set(keys)
    with_checks = {tables.LIFT_COMPARISON}.union(*(catalogue.lineage(version) for version in catalogue.versions))
    missing = set[date]()
    for key in wanted:
        for day in days_between(first, last):
            place = catalogue[key].name, day
            write = judged.writes.get(place)
            if write is None or (key in with_checks and (*place, write.sequence) not in judged.by_write):
                missing.add(day)
    return sorted(missing)


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
    """The latest writes of some days, and the latest judgement of each, by write and by the run that checked it."""

    catalogue: Catalogue
    writes: Mapping[tuple[str, date], PartitionWrite]
    by_write: Mapping[tuple[str, date, int | None], Judgement]
    by_run: Mapping[tuple[str, date, str], Judgement]

    @classmethod
    def of(cls, store: Store, first: date, last: date) -> "_Judged":
        found = judgements.all_of(store, first, last)
        return cls(
            store.catalogue,
            store.latest_writes(first, last),
            {(one.table_name, one.day, one.sequence): one for one in found},
            {(one.table_name, one.day, one.run_id): one for one in found},
        )

    def is_live(self, day: date, version: str) -> bool:
        """Whether the version's scores and all their inputs were written on the day itself."""
        writes = [self.writes.get((self.catalogue[key].name, day)) for key in self.catalogue.lineage(version)]
        return all(write is not None and not write.retrospective for write in writes)

    def problems(self, day: date, version: str) -> list[str]:
        """Tables of the version's lineage whose latest write has not passed, one sentence each."""
        keys = self.catalogue.lineage(version)
        found = [line for key in keys for line in self.of_table(self.catalogue[key].name, day)]
        # The run that listed the leads checked the sources first; their rows are rewritten by every run.
        listed = self.writes.get((self.catalogue[tables.SCORED_LEADS].name, day))
        if listed:
            name = self.catalogue[tables.SOURCE_OBSERVATIONS].name
            checked = self.by_run.get((name, day, str(listed.run_id)))
            found += _problem(name, checked, f"the check before the leads of {day} were listed")
        return found

    def of_table(self, name: str, day: date) -> list[str]:
        """Why the latest write of a table's partition has not passed; empty when it has."""
        write = self.writes.get((name, day))
        if write is None:
            return [f"{name} has no rows of {day}"]
        return _problem(name, self.by_write.get((name, day, write.sequence)), f"the latest write of {day}")


def _problem(name: str, judged: Judgement | None, what: str) -> list[str]:
    if judged is None:
        return [f"{name}: {what} was never checked; rerun the daily job"]
    return [f"{name}: {', '.join(judged.blocked_by)} failed on {what}"] if judged.blocked_by else []
