"""Judgements of release 0.1, taken along once by the upgrade: that release kept them in two places.

The blocking checks of every write are in its table v4_partition_verdicts, the gates of a day and the checks of its sync
in Dagster's event log. Where Dagster's history is gone, the present day must be run again; nothing else is lost.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from v4_assets import tables
from v4_assets.evaluation.evidence import digest
from v4_assets.names import SALESFORCE_SYNC
from v4_assets.production.decision import GATE_NAMES, Verdict
from v4_assets.recorded_checks import ERROR, CheckResult, Judgement, recording
from v4_assets.store import Store
from v4_assets.warehouse.protocol import Statement

FIRST, LAST = date(2000, 1, 1), date(9999, 12, 31)
TOGETHER = "blocking_checks"
"""Name of the check that stands for all blocking checks of a write that passed them."""


def taken_along(store: Store, instance: dg.DagsterInstance) -> list[Statement]:
    """The statements that keep everything release 0.1 judged, oldest first."""
    found = [*_of_writes(store), *_of_days(store, instance)]
    return recording(store.catalogue, sorted(found, key=lambda one: (one.day, one.judged_at)))


def _of_writes(store: Store) -> Iterator[Judgement]:
    """Every row of v4_partition_verdicts, where that release has made it."""
    if store.warehouse.shape(store.catalogue[tables.PARTITION_VERDICTS]) is None:
        return
    for row in store.rows(tables.PARTITION_VERDICTS, {"first_day": FIRST, "last_day": LAST}):
        failed = [name for name in (row["failed"] or "").split(", ") if name]
        results = [_blocking(name, Verdict.FAIL) for name in failed] or [_blocking(TOGETHER, Verdict.PASS)]
        place = row["table_name"], row["prediction_date"], row["sequence"]
        yield Judgement(*place, None, row["run_id"], row["judged_at"], tuple(results))


def _blocking(name: str, verdict: Verdict) -> CheckResult:
    reason = "ok: checked by release 0.1" if verdict is Verdict.PASS else "not ok: it failed in release 0.1"
    return CheckResult(name, verdict, ERROR, reason, blocking=True)


def _of_days(store: Store, instance: dg.DagsterInstance) -> Iterator[Judgement]:
    """Gates and sync checks of every day that the instance still has the evaluation of."""
    name = store.catalogue[tables.LIFT_COMPARISON].name
    writes = store.latest_writes(FIRST, LAST)
    for day, write in sorted((day, write) for (table, day), write in writes.items() if table == name):
        wanted = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(tables.LIFT_COMPARISON), asset_partitions=[day.isoformat()]
        )
        for record in instance.fetch_materializations(wanted, limit=1).records:
            checks = _checks_of(instance, record.run_id)
            sha256 = digest(store.comparisons(day, day))
            gates = [_gate(one) for one in checks.get(tables.LIFT_COMPARISON, ()) if one.check_name in GATE_NAMES]
            # Evidence that was written again under the gates makes them stale, as it did in that release.
            sequence = write.sequence if {one.evidence_sha256 for one in gates} == {sha256} else None
            at = write.written_at
            if gates:
                yield Judgement(name, day, sequence, None, record.run_id, at, tuple(gates))
            if sync := [_of_sync(one) for one in checks.get(SALESFORCE_SYNC, ())]:
                syncs = store.catalogue[tables.SALESFORCE_SYNCS].name
                yield Judgement(syncs, day, None, None, record.run_id, at, tuple(sync))


def _checks_of(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, Sequence[dg.AssetCheckEvaluation]]:
    found: dict[str, list[dg.AssetCheckEvaluation]] = {}
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            one = event.asset_check_evaluation_data
            found.setdefault(one.asset_key.to_user_string(), []).append(one)
    return found


def _gate(one: dg.AssetCheckEvaluation) -> CheckResult:
    return CheckResult(
        one.check_name,
        Verdict[str(_value(one, "verdict"))],
        one.severity.value,
        one.description or "",
        alert=bool(_value(one, "alert")),
        actual=_number(one, "actual"),
        threshold=_number(one, "threshold"),
        bound=_number(one, "bound"),
        evidence_sha256=str(_value(one, "evidence_sha256")),
    )


def _of_sync(one: dg.AssetCheckEvaluation) -> CheckResult:
    verdict = Verdict.PASS if one.passed else Verdict.FAIL
    return CheckResult(one.check_name, verdict, one.severity.value, one.description or "")


def _number(one: dg.AssetCheckEvaluation, name: str) -> float | None:
    value = _value(one, name)
    return float(value) if isinstance(value, int | float) else None


def _value(one: dg.AssetCheckEvaluation, name: str) -> Any:
    return one.metadata[name].value if name in one.metadata else None
