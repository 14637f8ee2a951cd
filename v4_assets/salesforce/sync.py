"""One sync of the day's production scores: finish what was begun, compare, hold or send, verify, account.

What is sent is only ever the difference to what the org has confirmed. So a sync that is repeated sends nothing, and
one that follows a crash sends what is missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.salesforce import outcomes as errors
from v4_assets.salesforce import verify as sync_verify
from v4_assets.salesforce.changes import Changes, changes, hold_if_too_many
from v4_assets.salesforce.client.crm import CRM
from v4_assets.salesforce.client.org import Org, OrgIdentity
from v4_assets.salesforce.fields import Fields
from v4_assets.salesforce.ledger import Job, Ledger, Sync
from v4_assets.salesforce.rows import ROW
from v4_assets.salesforce.sending import Sender
from v4_assets.salesforce.shipment import Shipment
from v4_assets.salesforce.verify import ReadBack
from v4_assets.warehouse.protocol import Warehouse


@dataclass(frozen=True)
class Report:
    """What a sync did and found."""

    org_id: str
    version: str
    changes: Changes
    """What was to be sent when it began."""
    exempt: str | None
    """Why the limit on changes did not apply; None when it did."""
    accounts: tuple[Mapping[str, Any], ...]
    """Rows of salesforce_accounts: what became of the leads that were sent."""
    jobs: int
    remaining: Changes
    """What would have to be sent now."""
    read_back: ReadBack
    problems: tuple[str, ...]
    """Why the sync failed; empty when it did not."""

    def leads(self, *outcomes: str) -> int:
        """Leads of this sync with one of these outcomes."""
        return sum(row["lead_count"] for row in self.accounts if row["outcome"] in outcomes)

    @property
    def refused(self) -> int:
        """Leads refused for good in this sync, leads that nobody works on any more left out."""
        return sum(
            row["lead_count"]
            for row in self.accounts
            if row["outcome"] in (errors.QUARANTINED, errors.FAILED) and row["code"] not in errors.NOT_OPEN
        )

    @property
    def failure_rate(self) -> float:
        """`refused` of the leads sent, 0 when none were."""
        sent = len(self.changes.rows)
        return self.refused / sent if sent else 0.0

    @property
    def uncovered(self) -> int:
        """Open leads of the day that do not carry today's values of the live version."""
        codes = self.remaining.quarantined["refused_code"]
        open_ = pc.sum(pc.invert(pc.is_in(codes, value_set=pa.array(errors.NOT_OPEN)))).as_py() or 0
        return len(self.remaining.rows) - self.remaining.cleared + int(open_) + len(self.read_back.differing)


def synchronise(
    warehouse: Warehouse,
    rollout: Rollout,
    clock: Clock,
    crm: CRM,
    org: Org,
    shipment: Shipment,
    fields: Fields,
    *,
    run_id: str | None,
    allowed: str | None,
    tell: Callable[[str], None],
) -> Report:
    """Bring the org to carry the shipment. `allowed` is a person's reason for more changes than the limit.

    Raises SyncHeldError when there are too many, StaleDecisionError when production changes meanwhile, SalesforceError
    when the org does not answer; whatever was confirmed by then is in the ledger.
    """
    rules, ledger = rollout.salesforce, Ledger(warehouse, rollout.catalogue, clock)
    identity = org.identity()
    sync = Sync.begun(identity.org_id, shipment.day, shipment.version, shipment.event_id, run_id)
    sender = Sender(org, ledger, sync, rules, fields.columns, shipment.scored_at, crm.wait, tell)
    is_first = all(job.settled_at is None for job in ledger.jobs(sync.org_id))
    resumed = sender.recover()
    found = _compared(ledger, sync, rollout, shipment, _known(ledger, sync, org, identity, fields, shipment))
    exempt = _exemption(sync, resumed, allowed, is_first=is_first)
    hold_if_too_many(found, rules.max_changed_share, exempt)
    _note_malformed(ledger, sync, shipment)
    problems = sender.deliver(found.rows)
    remaining = _compared(ledger, sync, rollout, shipment, ledger.state(sync.org_id))
    shown = _read_back(ledger, sync, rollout, org, fields, shipment, found, remaining)
    report = Report(
        org_id=sync.org_id,
        version=sync.version,
        changes=found,
        exempt=exempt,
        accounts=tuple(ledger.accounts(sync)),
        jobs=sum(job.sync_id == sync.sync_id for job in ledger.jobs(sync.org_id)),
        remaining=remaining,
        read_back=shown,
        problems=(),
    )
    return _judged(report, problems, rules.max_failure_rate)


def _known(ledger: Ledger, sync: Sync, org: Org, identity: OrgIdentity, fields: Fields, shipment: Shipment) -> pa.Table:
    """What the org is known to carry, read from it when nothing is known yet."""
    state = ledger.state(sync.org_id)
    if len(state):
        return state
    rows = sync_verify.seed(org, identity, fields, shipment.sent.rows, sync.day, ledger.clock.now())
    refused = rows.filter(pc.is_valid(rows["refused_code"]))
    if len(refused):
        outcomes = refused.rename_columns({"refused_code": "code", "refused_message": "message"})
        outcomes = outcomes.append_column("outcome", pa.repeat(pa.scalar(errors.QUARANTINED), len(refused)))
        outcomes = outcomes.append_column("in_doubt", pa.repeat(pa.scalar(False), len(refused)))
        ledger.note(sync, "kept-back", outcomes, take_over=False)
    ledger.seed(sync.org_id, rows)
    return ledger.state(sync.org_id)


def _compared(ledger: Ledger, sync: Sync, rollout: Rollout, shipment: Shipment, state: pa.Table) -> Changes:
    rules = rollout.salesforce
    return changes(
        shipment.sent.rows,
        state,
        sync.version,
        sync.day,
        quarantine_days=rules.quarantine_days,
        clear_left=rules.leads_that_left == "clear",
    )


def _exemption(sync: Sync, resumed: list[Job], allowed: str | None, *, is_first: bool) -> str | None:
    """Why the limit on changes does not apply. A switch needs no exemption: it is judged by the leads that carry the
    new version already, and these are none."""
    if is_first:
        return "the first sync of this org"
    if any((job.prediction_date, job.model_version) == (sync.day, sync.version) for job in resumed):
        return "the rest of a sync that was begun"
    return f"allowed: {allowed}" if allowed else None


def _note_malformed(ledger: Ledger, sync: Sync, shipment: Shipment) -> None:
    if not shipment.sent.malformed:
        return
    ids = pa.array(shipment.sent.malformed, pa.string())
    rows = pa.table({**{name: pa.nulls(len(ids), ROW.field(name).type) for name in ROW.names}, "lead_id": ids})
    noted = errors.all_alike(rows, errors.QUARANTINED, errors.MALFORMED_ID, "no Salesforce record id")
    ledger.note(sync, "malformed", noted, take_over=False)


def _read_back(
    ledger: Ledger,
    sync: Sync,
    rollout: Rollout,
    org: Org,
    fields: Fields,
    shipment: Shipment,
    sent: Changes,
    remaining: Changes,
) -> ReadBack:
    """Whether the org shows what it confirmed. What differs is forgotten, so that the next sync sends it again."""
    rules, target = rollout.salesforce, shipment.sent.rows
    owed = pa.concat_arrays(
        [remaining.rows["lead_id"].combine_chunks(), remaining.quarantined["lead_id"].combine_chunks()]
    )
    expected = target.filter(pc.invert(pc.is_in(target["lead_id"], value_set=owed)))
    leads = None if rules.read_back == "all" else rules.read_back_leads
    found = sync_verify.read_back(org, fields, expected, sent.rows, leads, f"{sync.day}")
    if len(found.differing):
        doubt = errors.all_alike(found.differing, errors.PENDING, errors.READ_BACK_DIFFERS, in_doubt=True)
        ledger.note(sync, "read-back", doubt, take_over=True)
    return found


def _judged(report: Report, problems: list[str], limit: float) -> Report:
    if report.failure_rate > limit:
        reasons = "; ".join(
            f"{row['lead_count']:,} {row['code']} ({row['example']})"
            for row in report.accounts
            if row["outcome"] in (errors.QUARANTINED, errors.FAILED)
        )
        problems = [
            *problems,
            f"{report.refused:,} of {len(report.changes.rows):,} leads ({report.failure_rate:.1%}) were refused for "
            f"good, at most {limit:.0%} may: {reasons}",
        ]
    return Report(**{**vars(report), "problems": tuple(problems)})
