"""The result of a sync: the outcome of every lead, why scores are still owed, and how Dagster shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.clock import Clock
from v4_assets.config.rollout_systems import SalesforceSync
from v4_assets.salesforce import row_outcomes
from v4_assets.salesforce.bulk_jobs import Delivery
from v4_assets.salesforce.client.org import OrgIdentity
from v4_assets.salesforce.ledger import Sync, SyncRecord
from v4_assets.salesforce.plan import SyncPlan, Terms
from v4_assets.salesforce.preview import DryRun
from v4_assets.salesforce.verify import ReadBack


@dataclass(frozen=True)
class SyncResult:
    """The plan of a sync, the outcome of its rows, and what is still pending."""

    identity: OrgIdentity
    plan: SyncPlan
    """The plan that was sent."""
    terms: Terms
    exempt: str | None
    """Why the limit on changes did not apply; None when it did."""
    sent: int
    """Leads sent, each counted once."""
    accounts: tuple[Mapping[str, Any], ...]
    """Rows of salesforce_accounts: the outcomes of the leads that were sent."""
    jobs: int
    pending: SyncPlan
    """The plan made after the sync: what is still to be sent."""
    read_back: ReadBack
    """The last comparison, after a repair."""
    repaired: int
    """Leads that showed other values than confirmed and were sent again."""
    delivery: Delivery
    rules: SalesforceSync

    def leads(self, *wanted: str) -> int:
        """Leads of this sync with one of these outcomes."""
        return sum(row["lead_count"] for row in self.accounts if row["outcome"] in wanted)

    @property
    def absent_codes(self) -> tuple[str, ...]:
        """Codes of leads that the org does not have open. A sandbox lacks those made since it was copied."""
        return (*row_outcomes.NOT_OPEN, *([row_outcomes.NOT_FOUND] if self.identity.is_sandbox else []))

    @property
    def refused(self) -> int:
        """Leads refused for good in this sync, without those the org does not have open."""
        return sum(
            row["lead_count"]
            for row in self.accounts
            if row["outcome"] in (row_outcomes.QUARANTINED, row_outcomes.FAILED)
            and row["code"] not in self.absent_codes
        )

    @property
    def failure_rate(self) -> float:
        """`refused` of the day's leads."""
        return self.refused / max(1, len(self.plan.scores.rows))

    @property
    def absent(self) -> int:
        """Leads of the day that the org does not have open."""
        return self._held_back(absent=True)

    @property
    def uncovered(self) -> int:
        """Open leads of the day that do not carry the live version's values: pending, refused or different."""
        differing = pc.is_in(self.read_back.differing["lead_id"], self.plan.scores.rows["lead_id"].combine_chunks())
        return self.unsent + self._held_back(absent=False) + int(pc.sum(differing).as_py() or 0)

    @property
    def unsent(self) -> int:
        """Leads of the day whose values are pending; without those that are to be emptied."""
        return len(self.pending.rows) - self.pending.cleared

    def _held_back(self, *, absent: bool) -> int:
        codes = self.pending.quarantined["refused_code"]
        is_absent = pc.is_in(codes, value_set=pa.array(self.absent_codes))
        return int(pc.sum(is_absent if absent else pc.invert(is_absent)).as_py() or 0)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the day's scores are owed to the org; empty when they are delivered."""
        found = [*self.delivery.problems]
        pending, leads, rules = len(self.pending.rows), len(self.plan.scores.rows), self.rules
        badly = self.delivery.ended_badly if pending else ()
        found += [one for one in badly if one not in found]
        if pending > rules.max_pending_share * leads:
            limit = f"limit {rules.max_pending_share:.1%}"
            found.append(f"{pending:,} of {leads:,} leads are pending, {limit}{self._reasons(row_outcomes.PENDING)}")
        if self.failure_rate > rules.max_failure_rate:
            found.append(
                f"{self.refused:,} of {leads:,} leads ({self.failure_rate:.1%}) were rejected permanently, limit "
                f"{rules.max_failure_rate:.0%}{self._reasons(row_outcomes.QUARANTINED, row_outcomes.FAILED)}"
            )
        if len(self.read_back.differing):
            after = " after they were sent again" if self.repaired else ""
            found.append(
                f"{len(self.read_back.differing):,} leads show other values than they confirmed{after}: "
                f"{self.read_back.examples[0]}"
            )
        return tuple(found)

    def _reasons(self, *of: str) -> str:
        reasons = [
            f"{row['lead_count']:,} {row['code']} ({row['example'] or 'no message'})"
            for row in self.accounts
            if row["outcome"] in of
        ]
        return f": {'; '.join(reasons)}" if reasons else ""

    def record(self, sync: Sync, target: str) -> SyncRecord:
        """The row of salesforce_syncs."""
        return SyncRecord(
            sync_id=sync.sync_id,
            target=target,
            org_id=sync.org_id,
            prediction_date=sync.day,
            model_version=sync.version,
            run_id=sync.run_id,
            is_full=self.terms.full and self.read_back.everything,
            leads=len(self.plan.scores.rows),
            sent=self.sent,
            confirmed=self.leads(row_outcomes.CONFIRMED),
            pending=len(self.pending.rows),
            failed=self.leads(row_outcomes.FAILED),
            quarantined=self.leads(row_outcomes.QUARANTINED),
            held_back=len(self.plan.quarantined),
            absent=self.absent,
            repaired=self.repaired,
            owed="; ".join(self.problems) or None,
        )


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
