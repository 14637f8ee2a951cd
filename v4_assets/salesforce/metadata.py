"""What the asset shows of a sync in Dagster."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from v4_assets.clock import Clock
from v4_assets.salesforce.preview import DryRun
from v4_assets.salesforce.sync_result import SyncResult

SHOWN_REFUSED = 50


def looked_at(clock: Clock) -> dict[str, Any]:
    """The time by the project's clock; the event log has the machine's."""
    return {"looked_at": dg.MetadataValue.timestamp(clock.now())}


def of_sync(result: SyncResult, target: str) -> dict[str, Any]:
    """What a sync shows: counts, refused leads, why the limit did not apply."""
    scores = result.plan.scores
    return {
        "version": scores.version,
        "target": target,
        "sent": result.sent,
        "confirmed": result.leads("confirmed"),
        "pending": len(result.pending.rows),
        "refused": result.leads("quarantined", "failed"),
        "refused_leads": _refused_leads(result.pending.quarantined.slice(0, SHOWN_REFUSED).to_pylist()),
        "failure_rate": float(result.failure_rate),
        "changed_share": round(result.plan.changed_share, 4),
        "jobs": result.jobs,
        "org": result.identity.org_id,
        "full": result.terms.full,
        "absent": result.absent,
        "repaired": result.repaired,
        "limit_not_applied": result.exempt or "–",
        "malformed_ids": len(scores.malformed),
        "duplicates": scores.duplicates,
        **{name: count for name, count in result.plan.counts.items() if name != "to_send"},
        "read_back": f"{result.read_back.asked:,} leads, {'all' if result.read_back.everything else 'a sample'}"
        + (f", {result.read_back.absent:,} of them not open in the org" if result.read_back.absent else ""),
    }


def _refused_leads(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """The quarantined leads, with Salesforce's reason for each."""
    records = [
        dg.TableRecord(
            {
                "lead": row["lead_id"],
                "code": row["refused_code"],
                "reason": row["refused_message"] or "–",
                "since": str(row["refused_on"]),
            }
        )
        for row in rows
    ]
    columns = ("lead", "code", "reason", "since")
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(name) for name in columns]))


def of_dry_run(written: DryRun) -> dict[str, Any]:
    """What a dry run shows."""
    return {
        "target": "dry-run: nothing was sent and nothing changed",
        "version": written.plan.scores.version,
        "would_send": len(written.plan.rows),
        "would_be_held": written.would_be_held,
        "compared_with": written.compared_with,
        "changed_share": written.plan.changed_share,
        **{name: count for name, count in written.plan.counts.items() if name != "to_send"},
        "summary": dg.MetadataValue.path(str(written.summary)),
        "files": dg.MetadataValue.json([str(file) for file in written.files]),
    }
