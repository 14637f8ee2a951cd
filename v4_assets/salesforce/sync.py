"""One sync of the day's production scores: settle a left-over job, plan, hold or send, read back, repair, account.

Only the difference to the values the org has confirmed is sent. So a repeated sync sends nothing, and a sync after a
crash sends what is missing. A sync is delivered or owed: `owed` in v4_salesforce_syncs is what the asset, `v4 status`,
the alerts and the report read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.salesforce import row_outcomes, verify
from v4_assets.salesforce.client.org import CRM, Org, OrgIdentity
from v4_assets.salesforce.fields import Fields
from v4_assets.salesforce.ledger import Job, Ledger, Sync
from v4_assets.salesforce.plan import SyncPlan, Terms, hold_if_too_many, plan_sync
from v4_assets.salesforce.rows import ROW, DayScores
from v4_assets.salesforce.sending import Delivery, Sender
from v4_assets.salesforce.sync_result import SyncResult
from v4_assets.salesforce.verify import ReadBack
from v4_assets.warehouse.protocol import Warehouse


@dataclass(frozen=True)
class PreparedSync:
    """A sync that has its plan and has sent nothing yet."""

    rollout: Rollout
    org: Org
    identity: OrgIdentity
    fields: Fields
    ledger: Ledger
    sync: Sync
    sender: Sender
    terms: Terms
    plan: SyncPlan
    exempt: str | None
    """Why the limit on changes does not apply; None when it does."""
    target: str

    def send(self) -> SyncResult:
        """Send the plan, read back, repair, record. Raises SyncHeldError above the limit on changes."""
        rules, ledger, sync = self.rollout.salesforce, self.ledger, self.sync
        hold_if_too_many(self.plan, rules.max_changed_share, self.exempt)
        _note_malformed(ledger, sync, self.plan.scores.malformed)
        delivery = self.sender.deliver(self.plan.rows)
        shown, repaired, repair = self._read_back(delivery)
        sent = set(self.plan.rows["lead_id"].to_pylist()) | set(repaired)
        result = SyncResult(
            identity=self.identity,
            plan=self.plan,
            terms=self.terms,
            exempt=self.exempt,
            sent=len(sent),
            accounts=tuple(ledger.accounts(sync)),
            jobs=sum(job.sync_id == sync.sync_id for job in ledger.jobs(sync.org_id)),
            pending=plan_sync(self.plan.scores, ledger.state(sync.org_id), rules, self.terms),
            read_back=shown,
            repaired=len(repaired),
            delivery=Delivery((*delivery.problems, *repair.problems), (*delivery.ended_badly, *repair.ended_badly)),
            rules=rules,
        )
        ledger.record(result.record(sync, self.target))
        return result

    def _read_back(self, delivery: Delivery) -> tuple[ReadBack, list[str], Delivery]:
        """Compare the org with the values it confirmed. When leads differ, all leads are read, and those that differ
        are sent again at once. Returns the last comparison, the ids of the leads that were repaired, and how."""
        rules = self.rollout.salesforce
        everything = self.terms.full or rules.read_back == "all"
        shown = self._compared(None if everything else rules.read_back_leads)
        nothing = Delivery((), ())
        if not len(shown.differing):
            return shown, [], nothing
        if not shown.everything:
            shown = self._compared(None)
        if delivery.problems:
            # The org takes nothing now. The leads that differ are sent by the next run.
            self._doubt(shown)
            return shown, [], nothing
        wrong = shown.differing["lead_id"].combine_chunks()
        self._doubt(shown)
        # They differ in values that were confirmed, so the limit on changes has nothing to say about them.
        again = plan_sync(self.plan.scores, self.ledger.state(self.sync.org_id), rules, self.terms).rows
        repair = self.sender.deliver(again.filter(pc.is_in(again["lead_id"], value_set=wrong)), repair=True)
        shown = self._compared(None)
        if len(shown.differing):
            self._doubt(shown)
        return shown, wrong.to_pylist(), repair

    def _compared(self, leads: int | None) -> ReadBack:
        """All of the day's leads, or a sample of `leads`, against the values confirmed as sent."""
        state = self.ledger.state(self.sync.org_id)
        scored = pc.is_in(state["lead_id"], value_set=self.plan.scores.rows["lead_id"].combine_chunks())
        valued = pc.and_(pc.is_valid(state["score"]), pc.is_valid(state["model_version"]))
        confirmed = state.filter(pc.and_(scored, valued)).select(ROW.names)
        # Salted by the sync: two syncs of a day do not read the same leads.
        return verify.read_back(self.org, self.fields, confirmed, self.plan.rows, leads, self.sync.sync_id)

    def _doubt(self, shown: ReadBack) -> None:
        """Forget what is known of the leads that differ."""
        doubt = row_outcomes.all_alike(
            shown.differing, row_outcomes.PENDING, row_outcomes.READ_BACK_DIFFERS, in_doubt=True
        )
        self.ledger.note(self.sync, "read-back", doubt, take_over=True)


def prepare(
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
) -> PreparedSync:
    """Settle what an earlier run left and plan the sync. `allowed` is the operator's reason for many changes.

    Raises SalesforceError when the org does not answer or is not the configured one.
    """
    rules, ledger = rollout.salesforce, Ledger(warehouse, rollout.catalogue, clock)
    identity = org.identity()
    sync = Sync.begun(identity.org_id, scores.day, scores.version, scores.event_id, run_id)
    sender = Sender(org, ledger, sync, rules, fields.columns, scores, identity.is_sandbox, crm.wait, log)
    jobs = ledger.jobs(sync.org_id)
    first = not any(job.settled_at and job.job_id for job in jobs)
    resumed = sender.recover()
    state = ledger.state(sync.org_id)
    behind = len(state) > 0 and _is_behind(org, fields, jobs)
    if behind:
        log("The org shows newer scores than the ledger knows: the warehouse is an older copy. The whole org is read.")
    if behind or not len(state):
        _seed(ledger, sync, verify.seed(org, identity, fields, scores.rows, sync.day, clock.now(), state))
    terms = Terms(full=ledger.full_is_due(sync.org_id, sync.day, rules.full_sync_days), first=first)
    plan = plan_sync(scores, ledger.state(sync.org_id), rules, terms)
    exempt = _exemption(sync, resumed, allowed)
    return PreparedSync(rollout, org, identity, fields, ledger, sync, sender, terms, plan, exempt, crm.target)


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
    """Bring the org to carry the scores: `prepare`, then send.

    Raises SyncHeldError above the limit, StaleDecisionError when production changes during the sync, SalesforceError
    when the org does not answer. Rows confirmed by then are in the ledger.
    """
    return prepare(warehouse, rollout, clock, crm, org, scores, fields, run_id=run_id, allowed=allowed, log=log).send()


def _is_behind(org: Org, fields: Fields, jobs: Sequence[Job]) -> bool:
    """Whether the org shows scores made after the last job the ledger knows: the warehouse was restored."""
    field = fields.name("scored_at")
    if field is None or not jobs:
        return False
    last = max(job.planned_at for job in jobs) + timedelta(seconds=1)
    newer = org.read_leads([field], f"{field} > {last:%Y-%m-%dT%H:%M:%SZ}")
    return next(iter(newer), None) is not None


def _seed(ledger: Ledger, sync: Sync, rows: pa.Table) -> None:
    """Take what was read from the org as its known state; log the leads that are held back for it."""
    refused = rows.filter(pc.is_valid(rows["refused_code"]))
    if len(refused):
        noted = refused.rename_columns({"refused_code": "code", "refused_message": "message"})
        noted = noted.append_column("outcome", pa.repeat(pa.scalar(row_outcomes.QUARANTINED), len(refused)))
        noted = noted.append_column("in_doubt", pa.repeat(pa.scalar(False), len(refused)))
        ledger.note(sync, "kept-back", noted, take_over=False)
    ledger.seed(sync.org_id, rows)


def _exemption(sync: Sync, resumed: list[Job], allowed: str | None) -> str | None:
    """Why the limit on changes does not apply. A switch needs no exemption: the limit counts only leads that already
    carry the new version."""
    if any((job.prediction_date, job.model_version) == (sync.day, sync.version) for job in resumed):
        return "the rest of an interrupted sync"
    return f"allowed: {allowed}" if allowed else None


def _note_malformed(ledger: Ledger, sync: Sync, malformed: Sequence[str]) -> None:
    if not malformed:
        return
    ids = pa.array(malformed, pa.string())
    rows = pa.table({**{name: pa.nulls(len(ids), ROW.field(name).type) for name in ROW.names}, "lead_id": ids})
    noted = row_outcomes.all_alike(rows, row_outcomes.QUARANTINED, row_outcomes.MALFORMED_ID, "no Salesforce record id")
    ledger.note(sync, "malformed", noted, take_over=False)
