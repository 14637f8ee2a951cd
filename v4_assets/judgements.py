"""Judgements: what the checks found on one write of a table, kept in the warehouse. Decisions read nothing else.

Dagster's check results are made from the same values, so its pages show what is decided on. A day of a table is judged
by its latest judgement, whichever run made it.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from v4_assets import tables
from v4_assets.production.decision import Gate, Verdict
from v4_assets.store import Store
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Statement

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
