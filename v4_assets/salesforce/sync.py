"""One sync of the day's production scores: settle a left-over job, plan, hold or send, read back, account.

Only the difference to the values the org has confirmed is sent. So a repeated sync sends nothing, and a sync after a
crash sends what is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.salesforce import outcomes, verify
from v4_assets.salesforce.client.org import CRM, Org, OrgIdentity
from v4_assets.salesforce.fields import Fields
from v4_assets.salesforce.ledger import Job, Ledger, Sync
from v4_assets.salesforce.plan import ROW, DayScores, SyncPlan, hold_if_too_many, plan_sync
from v4_assets.salesforce.sending import Sender
from v4_assets.salesforce.verify import ReadBack
from v4_assets.warehouse.protocol import Warehouse


@dataclass(frozen=True)
class SyncResult:
    """The plan of a sync, the outcome of its rows, and what is still pending."""

    org_id: str
    plan: SyncPlan
    """The plan that was sent."""
    exempt: str | None
    """Why the limit on changes did not apply; None when it did."""
    accounts: tuple[Mapping[str, Any], ...]
    """Rows of salesforce_accounts: the outcomes of the leads that were sent."""
    jobs: int
    pending: SyncPlan
    """The plan made after the sync: what is still to be sent."""
    read_back: ReadBack
    problems: tuple[str, ...]
    """Why the sync failed; empty when it did not."""

    def leads(self, *wanted: str) -> int:
        """Leads of this sync with one of these outcomes."""
        return sum(row["lead_count"] for row in self.accounts if row["outcome"] in wanted)

    @property
    def refused(self) -> int:
        """Leads rejected permanently in this sync, excluding converted and deleted leads."""
        return sum(
            row["lead_count"]
            for row in self.accounts
            if row["outcome"] in (outcomes.QUARANTINED, outcomes.FAILED) and row["code"] not in outcomes.NOT_OPEN
        )

    @property
    def failure_rate(self) -> float:
        """`refused` of the leads sent, 0 when none were."""
        sent = len(self.plan.rows)
        return self.refused / sent if sent else 0.0

    @property
    def uncovered(self) -> int:
        """Open leads of the day that do not carry today's values of the live version."""
        codes = self.pending.quarantined["refused_code"]
        open_ = pc.sum(pc.invert(pc.is_in(codes, value_set=pa.array(outcomes.NOT_OPEN)))).as_py() or 0
        return len(self.pending.rows) - self.pending.cleared + int(open_) + len(self.read_back.differing)


def synchronise(
    warehouse: Warehouse,
    rollout: Rollout,
    clock: Clock,
    crm: CRM,
    org: Org,
    scores: DayScores,
    fields: Fields,
    *,
    run_id: str | None,
    allowed: str | None,
    log: Callable[[str], None],
) -> SyncResult:
    """Bring the org to carry the scores. `allowed` is the operator's reason for more changes than the limit.

    Raises SyncHeldError above the limit, StaleDecisionError when production changes during the sync, SalesforceError
    when the org does not answer. Rows confirmed by then are in the ledger.
    """
    rules, ledger = rollout.salesforce, Ledger(warehouse, rollout.catalogue, clock)
    identity = org.identity()
    sync = Sync.begun(identity.org_id, scores.day, scores.version, scores.event_id, run_id)
    sender = Sender(org, ledger, sync, rules, fields.columns, scores.scored_at, crm.wait, log)
    is_first = all(job.settled_at is None for job in ledger.jobs(sync.org_id))
    resumed = sender.recover()
    plan = plan_sync(scores, _known(ledger, sync, org, identity, fields, scores), rules)
    exempt = _exemption(sync, resumed, allowed, is_first=is_first)
    hold_if_too_many(plan, rules.max_changed_share, exempt)
    _note_malformed(ledger, sync, scores.malformed)
    problems = sender.deliver(plan.rows)
    pending = plan_sync(scores, ledger.state(sync.org_id), rules)
    shown = _read_back(ledger, sync, rollout, org, fields, plan, pending)
    result = SyncResult(
        org_id=sync.org_id,
        plan=plan,
        exempt=exempt,
        accounts=tuple(ledger.accounts(sync)),
        jobs=sum(job.sync_id == sync.sync_id for job in ledger.jobs(sync.org_id)),
        pending=pending,
        read_back=shown,
        problems=(),
    )
    return _judged(result, problems, rules.max_failure_rate)


def _known(ledger: Ledger, sync: Sync, org: Org, identity: OrgIdentity, fields: Fields, scores: DayScores) -> pa.Table:
    """The known state of the org; before the first sync it is read from the org."""
    state = ledger.state(sync.org_id)
    if len(state):
        return state
    rows = verify.seed(org, identity, fields, scores.rows, sync.day, ledger.clock.now())
    refused = rows.filter(pc.is_valid(rows["refused_code"]))
    if len(refused):
        noted = refused.rename_columns({"refused_code": "code", "refused_message": "message"})
        noted = noted.append_column("outcome", pa.repeat(pa.scalar(outcomes.QUARANTINED), len(refused)))
        noted = noted.append_column("in_doubt", pa.repeat(pa.scalar(False), len(refused)))
        ledger.note(sync, "kept-back", noted, take_over=False)
    ledger.seed(sync.org_id, rows)
    return ledger.state(sync.org_id)


def _exemption(sync: Sync, resumed: list[Job], allowed: str | None, *, is_first: bool) -> str | None:
    """Why the limit on changes does not apply. A switch needs no exemption: the limit counts only leads that already
    carry the new version."""
    if is_first:
        return "the first sync of this org"
    if any((job.prediction_date, job.model_version) == (sync.day, sync.version) for job in resumed):
        return "the rest of an interrupted sync"
    return f"allowed: {allowed}" if allowed else None


def _note_malformed(ledger: Ledger, sync: Sync, malformed: Sequence[str]) -> None:
    if not malformed:
        return
    ids = pa.array(malformed, pa.string())
    rows = pa.table({**{name: pa.nulls(len(ids), ROW.field(name).type) for name in ROW.names}, "lead_id": ids})
    noted = outcomes.all_alike(rows, outcomes.QUARANTINED, outcomes.MALFORMED_ID, "no Salesforce record id")
    ledger.note(sync, "malformed", noted, take_over=False)


def _read_back(
    ledger: Ledger,
    sync: Sync,
    rollout: Rollout,
    org: Org,
    fields: Fields,
    sent: SyncPlan,
    pending: SyncPlan,
) -> ReadBack:
    """Compare the org with what it confirmed. Leads that differ lose their known state, so the next sync sends them."""
    rules, target = rollout.salesforce, sent.scores.rows
    not_confirmed = pa.concat_arrays([rows["lead_id"].combine_chunks() for rows in (pending.rows, pending.quarantined)])
    expected = target.filter(pc.invert(pc.is_in(target["lead_id"], value_set=not_confirmed)))
    leads = None if rules.read_back == "all" else rules.read_back_leads
    found = verify.read_back(org, fields, expected, sent.rows, leads, f"{sync.day}")
    if len(found.differing):
        doubt = outcomes.all_alike(found.differing, outcomes.PENDING, outcomes.READ_BACK_DIFFERS, in_doubt=True)
        ledger.note(sync, "read-back", doubt, take_over=True)
    return found


def _judged(result: SyncResult, problems: list[str], limit: float) -> SyncResult:
    if result.failure_rate > limit:
        reasons = "; ".join(
            f"{row['lead_count']:,} {row['code']} ({row['example']})"
            for row in result.accounts
            if row["outcome"] in (outcomes.QUARANTINED, outcomes.FAILED)
        )
        problems = [
            *problems,
            f"{result.refused:,} of {len(result.plan.rows):,} leads ({result.failure_rate:.1%}) were rejected "
            f"permanently, limit {limit:.0%}: {reasons}",
        ]
    return SyncResult(**{**vars(result), "problems": tuple(problems)})
