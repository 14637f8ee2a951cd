"""What a sync would send, as files: the very CSV of each job and a summary. Nothing else changes."""

import json
from dataclasses import dataclass
from pathlib import Path

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.salesforce.changes import Changes, changes
from v4_assets.salesforce.ledger import Ledger
from v4_assets.salesforce.rows import csv
from v4_assets.salesforce.shipment import Shipment
from v4_assets.warehouse.protocol import Warehouse


@dataclass(frozen=True)
class DryRun:
    """What was written, and what a sync would do."""

    changes: Changes
    would_be_held: bool
    files: tuple[Path, ...]
    """CSV files, one for each job."""
    summary: Path


def dry_run(warehouse: Warehouse, rollout: Rollout, clock: Clock, folder: Path, shipment: Shipment) -> DryRun:
    """Write the CSV files and the summary of the shipment into `folder`, in place of those of an earlier dry run.

    Compared is with what the org written to last is known to carry, and with nothing where none was.
    """
    rules, ledger = rollout.salesforce, Ledger(warehouse, rollout.catalogue, clock)
    org_id = ledger.latest_org()
    found = changes(
        shipment.sent.rows,
        ledger.state(org_id or ""),
        shipment.version,
        shipment.day,
        quarantine_days=rules.quarantine_days,
        clear_left=rules.leads_that_left == "clear",
    )
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{shipment.day}_{shipment.version}"
    for stale in folder.glob(f"{stem}_job*.csv"):
        stale.unlink()
    columns = tuple((name, key) for key, name in rules.fields.model_dump().items() if name)
    files = []
    for number, start in enumerate(range(0, len(found.rows), rules.rows_per_job), start=1):
        file = folder / f"{stem}_job{number}.csv"
        file.write_bytes(csv(found.rows.slice(start, rules.rows_per_job), columns, shipment.scored_at))
        files.append(file)
    held = found.changed_share > rules.max_changed_share and org_id is not None
    summary = folder / f"{stem}_summary.json"
    content = {
        "dry_run": True,
        "prediction_date": shipment.day.isoformat(),
        "model_version": shipment.version,
        "compared_with_org": org_id,
        **found.counts,
        "changed_share": round(found.changed_share, 4),
        "would_be_held": held,
        "malformed_ids": list(shipment.sent.malformed),
        "files": [file.name for file in files],
    }
    summary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return DryRun(found, held, tuple(files), summary)
