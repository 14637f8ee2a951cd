"""Recorded checks: what they found on one write of a table, kept in the warehouse. Decisions read nothing else.

Dagster's check results are made from the same values, so its pages show what is decided on. A day of a table is judged
by its latest judgement, whichever run made it. A failed blocking check stops its own run, but not a later run of one
asset: before rows are sent or a version is promoted, the judgements of exactly these rows and of all their inputs are
read here.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from v4_assets import tables
from v4_assets.days import days_between
from v4_assets.production.decision import Gate, Verdict
from v4_assets.store import Store
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Statement
from v4_assets.warehouse.writes import PartitionWrite

ERROR, WARN = "ERROR", "WARN"
ROWS_AT_ONCE = 1_000
"""Rows of one statement."""


@dataclass(frozen=True)
class CheckResult:
    """What one check found."""

    check_name: str
    verdict: Verdict
    severity: str
    """ERROR or WARN."""
    reason: str
    blocking: bool = False
    alert: bool = False
    actual: float | None = None
    threshold: float | None = None
    bound: float | None = None
    evidence_sha256: str | None = None
    policy_sha256: str | None = None

    @property
    def passed(self) -> bool:
        """Whether it found nothing wrong."""
        return self.verdict is Verdict.PASS

    @property
    def is_error(self) -> bool:
        """Whether it stands in the way of a promotion."""
        return self.verdict is Verdict.FAIL and self.severity == ERROR


@dataclass(frozen=True)
class Judgement:
    """What all checks of a table found on one write of a day's partition."""

    table_name: str
    day: date
    sequence: int | None
    """The write that was judged; None where no writes are counted, and where the checks were of other rows."""
    inputs: Mapping[str, int] | None
    """Latest write of each input when it was judged, 0 for none; None when that is not known."""
    run_id: str
    judged_at: datetime
    results: tuple[CheckResult, ...]

    @property
    def by_check(self) -> dict[str, CheckResult]:
        """Name of a check to what it found."""
        return {one.check_name: one for one in self.results}

    @property
    def blocked_by(self) -> tuple[str, ...]:
        """Blocking checks that did not pass."""
        return tuple(one.check_name for one in self.results if one.blocking and not one.passed)


def of_gate(gate: Gate, evidence_sha256: str, policy_sha256: str) -> CheckResult:
    """A gate as a check that never blocks: FAIL is an error, INCONCLUSIVE a warning."""
    return CheckResult(
        gate.name,
        gate.verdict,
        ERROR if gate.verdict is Verdict.FAIL else WARN,
        gate.reason,
        alert=gate.alert,
        actual=gate.actual,
        threshold=gate.threshold,
        bound=gate.bound,
        evidence_sha256=evidence_sha256,
        policy_sha256=policy_sha256,
    )


def inputs_of(store: Store, keys: Iterable[str], days: Sequence[date]) -> dict[date, dict[str, int]]:
    """Day to the latest write of each of these inputs, 0 for none.

    The observations of the sources are left out: every run makes them anew, and they are judged by the run that read
    the sources.
    """
    catalogue = store.catalogue
    wanted = [catalogue[key] for key in keys if key in catalogue and key != tables.SOURCE_OBSERVATIONS]
    names = sorted(table.name for table in wanted if not table.is_source and table.is_partitioned)
    writes = store.latest_writes(min(days), max(days)) if names else {}
    latest = {place: write.sequence for place, write in writes.items()}
    return {day: {name: latest.get((name, day), 0) for name in names} for day in days}


def record(store: Store, judgements: Iterable[Judgement]) -> None:
    """Keep the judgements of a run, all or none."""
    if statements := recording(store.catalogue, judgements):
        store.warehouse.transact(statements)


def recording(catalogue: Catalogue, judgements: Iterable[Judgement]) -> list[Statement]:
    """The statements that keep judgements, in their order."""
    rows, numbers = list[dict[str, Any]](), dict[tuple[str, date], int]()
    for one in judgements:
        place = one.table_name, one.day
        numbers[place] = numbers.get(place, 0) + 1
        rows += [_row(one, result, numbers[place]) for result in one.results]
    # The later statements of a transaction count on from the earlier ones, so a judgement must not lie in two of them.
    return [_statement(catalogue, part) for part in (_whole(rows) if len(rows) > ROWS_AT_ONCE else [rows]) if part]


def all_of(store: Store, first: date, last: date) -> list[Judgement]:
    """Every judgement of the days from `first` to `last`, in the order in which they were made."""
    rows = store.rows(tables.CHECK_RESULTS, {"first_day": first, "last_day": last})
    rows.sort(key=lambda row: (row["prediction_date"], row["table_name"], row["number"], row["judged_at"]))
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["prediction_date"], row["table_name"], row["number"], row["run_id"]), []).append(row)
    return [_judgement(one) for one in found.values()]


def latest(store: Store, day: date) -> dict[str, Judgement]:
    """Table name to its latest judgement of the day."""
    return {one.table_name: one for one in all_of(store, day, day)}


def _row(judgement: Judgement, result: CheckResult, number: int) -> dict[str, Any]:
    figures = {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in (("actual", result.actual), ("threshold", result.threshold), ("bound", result.bound))
    }
    return {
        **asdict(result),
        **figures,
        "verdict": result.verdict.name,
        "table_name": judgement.table_name,
        "prediction_date": judgement.day.isoformat(),
        "number": number,
        "sequence": judgement.sequence,
        "inputs": None if judgement.inputs is None else json.dumps(judgement.inputs, sort_keys=True),
        "judged_at": judgement.judged_at.isoformat(),
        "run_id": judgement.run_id,
    }


def _whole(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The rows in parts of about ROWS_AT_ONCE, all rows of a table and day in one part."""
    places: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        places.setdefault((row["table_name"], row["prediction_date"]), []).append(row)
    largest = max(map(len, places.values()))
    count, groups = max(1, ROWS_AT_ONCE // largest), list(places.values())
    return [[row for rows in groups[at : at + count] for row in rows] for at in range(0, len(groups), count)]


def _statement(catalogue: Catalogue, rows: Sequence[Mapping[str, Any]]) -> Statement:
    days = [date.fromisoformat(row["prediction_date"]) for row in rows]
    params = {"results": json.dumps(rows, allow_nan=False), "first_day": min(days), "last_day": max(days)}
    return Statement(catalogue.query("record_check_results", params), expected_rows=len(rows))


def _judgement(rows: Sequence[Mapping[str, Any]]) -> Judgement:
    first = rows[0]
    names = [name for name in CheckResult.__dataclass_fields__ if name != "verdict"]
    return Judgement(
        first["table_name"],
        first["prediction_date"],
        first["sequence"],
        None if first["inputs"] is None else json.loads(first["inputs"]),
        first["run_id"],
        first["judged_at"],
        tuple(CheckResult(verdict=Verdict[row["verdict"]], **{name: row[name] for name in names}) for row in rows),
    )


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
        found = all_of(store, first, last)
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
