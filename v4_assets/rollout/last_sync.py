"""What is on record of the last sync: Dagster knows when it was looked, the ledger what became of the rows."""

from datetime import datetime
from typing import Any

import dagster as dg

from v4_assets import tables
from v4_assets.clock import NEW_YORK
from v4_assets.configuration.rollout_file import Rollout
from v4_assets.resources.warehouse import Warehouse
from v4_assets.rollout.evaluations import SALESFORCE_SYNC
from v4_assets.rollout.told_sync import Sync


def last_sync(instance: dg.DagsterInstance, warehouse: Warehouse, rollout: Rollout) -> Sync | None:
    """The last sync that came to its end, and the rows that were sent last, by whatever sync; None before the first."""
    looked = _looked(instance)
    sent = _sent(instance, warehouse, rollout)
    if looked is None and not sent:
        return None
    at, said = looked or (None, {})
    return Sync(
        at=at,
        target=str(said.get("target", "salesforce")),
        version=str(said.get("version", "")),
        kept_back=int(said.get("quarantined", 0)),
        **sent,
    )


def _looked(instance: dg.DagsterInstance) -> tuple[datetime, dict[str, Any]] | None:
    """When it was, and the metadata it left."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(SALESFORCE_SYNC))
    for record in instance.fetch_materializations(wanted, limit=1).records:
        made = record.asset_materialization
        if made is not None:
            said: dict[str, Any] = {name: one.value for name, one in made.metadata.items()}
            # A sync of before this was noted has only the machine's time.
            return datetime.fromtimestamp(said.get("looked_at", record.timestamp), NEW_YORK), said
    return None


def _sent(instance: dg.DagsterInstance, warehouse: Warehouse, rollout: Rollout) -> dict[str, Any]:
    """When rows were sent last, and how many of that sync ended how; empty when none ever were."""
    jobs = warehouse.read(rollout.catalogue.query(tables.SALESFORCE_JOBS)).to_pylist()
    if not jobs:
        return {}
    last = _last(instance, jobs)
    params = {"sync_id": last["sync_id"], "prediction_date": last["prediction_date"]}
    accounts = warehouse.read(rollout.catalogue.query("salesforce_accounts", params)).to_pylist()

    def ended(*outcomes: str) -> int:
        return sum(row["lead_count"] for row in accounts if row["outcome"] in outcomes)

    return {
        "sent_at": last["planned_at"].astimezone(NEW_YORK),
        "sent": sum(row["lead_count"] for row in accounts),
        "confirmed": ended("confirmed"),
        "pending": ended("pending"),
        "failed": ended("failed"),
        "quarantined": ended("quarantined"),
    }


def _last(instance: dg.DagsterInstance, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """The job that was planned last. Under a fixed clock several are at one instant; then the later run's counts."""
    latest = [job for job in jobs if job["planned_at"] == jobs[-1]["planned_at"]]
    if len(latest) == 1:
        return latest[0]
    records = instance.get_run_records(dg.RunsFilter(run_ids=[job["run_id"] for job in latest if job["run_id"]]))
    order = {record.dagster_run.run_id: record.storage_id for record in records}
    return max(latest, key=lambda job: (order.get(job["run_id"], 0), job["attempt"]))
