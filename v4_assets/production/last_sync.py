"""The last sync on record: Dagster knows when it ran, the ledger what happened to the rows."""

from datetime import datetime
from typing import Any

import dagster as dg

from v4_assets import tables
from v4_assets.clock import NEW_YORK
from v4_assets.names import SALESFORCE_SYNC
from v4_assets.production.synced import Sync
from v4_assets.store import Store


def last_sync(instance: dg.DagsterInstance, store: Store) -> Sync | None:
    """The last sync that finished, and the rows that were sent last, by any sync; None before the first."""
    compared = _compared(instance)
    sent = _sent(instance, store)
    if compared is None and not sent:
        return None
    at, metadata = compared or (None, {})
    return Sync(
        at=at,
        target=str(metadata.get("target", "salesforce")),
        version=str(metadata.get("version", "")),
        kept_back=int(metadata.get("quarantined", 0)),
        **sent,
    )


def _compared(instance: dg.DagsterInstance) -> tuple[datetime, dict[str, Any]] | None:
    """When the last sync finished, and its metadata."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(SALESFORCE_SYNC))
    for record in instance.fetch_materializations(wanted, limit=1).records:
        made = record.asset_materialization
        if made is not None:
            metadata: dict[str, Any] = {name: one.value for name, one in made.metadata.items()}
            # Older syncs did not record the clock's time, only the machine's.
            return datetime.fromtimestamp(metadata.get("looked_at", record.timestamp), NEW_YORK), metadata
    return None


def _sent(instance: dg.DagsterInstance, store: Store) -> dict[str, Any]:
    """When rows were sent last, and how many of that sync had which outcome; empty when none ever were."""
    jobs = store.rows(tables.SALESFORCE_JOBS)
    if not jobs:
        return {}
    last = _last(instance, jobs)
    params = {"sync_id": last["sync_id"], "prediction_date": last["prediction_date"]}
    accounts = store.rows("salesforce_accounts", params)

    def ended(*outcomes: str) -> int:
        return sum(row["lead_count"] for row in accounts if row["outcome"] in outcomes)

    return {
        "sent_at": last["planned_at"].astimezone(NEW_YORK),
        "sent_org": last["org_id"],
        "sent_version": last["model_version"],
        "sent_day": last["prediction_date"],
        "sent": sum(row["lead_count"] for row in accounts),
        "confirmed": ended("confirmed"),
        "pending": ended("pending"),
        "failed": ended("failed"),
        "quarantined": ended("quarantined"),
    }


def _last(instance: dg.DagsterInstance, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """The job planned last. Under a fixed clock several share one instant; then the one of the later run."""
    latest = [job for job in jobs if job["planned_at"] == jobs[-1]["planned_at"]]
    if len(latest) == 1:
        return latest[0]
    records = instance.get_run_records(dg.RunsFilter(run_ids=[job["run_id"] for job in latest if job["run_id"]]))
    order = {record.dagster_run.run_id: record.storage_id for record in records}
    return max(latest, key=lambda job: (order.get(job["run_id"], 0), job["attempt"]))
