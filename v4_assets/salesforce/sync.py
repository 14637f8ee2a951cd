"""One sync of the day's production scores: settle a left-over job, plan, hold or send, read back, repair, account.

Only the difference to the values the org has confirmed is sent. So a repeated sync sends nothing, and a sync after a
crash sends what is missing. A sync is delivered or owed: `owed` in v4_salesforce_syncs is what the asset, `v4 status`,
the alerts and the report read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.clock import Clock, cutoff
from v4_assets.config.rollout import Rollout
from v4_assets.salesforce import row_outcomes, verify
from v4_assets.salesforce.bulk_jobs import Delivery, Sender
from v4_assets.salesforce.client.org import CRM, Org, OrgIdentity
from v4_assets.salesforce.field_preflight import Fields
from v4_assets.salesforce.ledger import Job, Ledger, Sync
from v4_assets.salesforce.plan import SyncPlan, Terms, hold_if_too_many, plan_sync
from v4_assets.salesforce.rows import ROW, DayScores
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
    read_all: bool
    """Every lead is read back, not a sample."""

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
        shown = self._compared(None if self.read_all else self.rollout.salesforce.read_back_leads)
        nothing = Delivery((), ())
        if not len(shown.differing):
            return shown, [], nothing
        if not shown.everything:
            shown = self._compared(None)
        self._doubt(shown)
        if delivery.problems:
            # The org takes nothing now. The leads that differ are sent by the next run.
            return shown, [], nothing
        sent, repair = self._repair(shown.differing)
        shown = self._compared(None)
        if len(shown.differing):
            self._doubt(shown)
        return shown, sent, repair

    def _repair(self, differing: pa.Table) -> tuple[list[str], Delivery]:
        """Send the leads of `differing` (ROW) again: their ids, and how. They differ in values that were confirmed, so
        the limit on changes has nothing to say about them."""
        again = plan_sync(
            self.plan.scores, self.ledger.state(self.sync.org_id), self.rollout.salesforce, self.terms
        ).rows
        scored = self._is_scored(differing)
        ids = differing["lead_id"].filter(scored).combine_chunks()
        sent = self.sender.deliver(again.filter(pc.is_in(again["lead_id"], value_set=ids)), repair=True)
        if sent.problems:
            return ids.to_pylist(), sent
        restored = self.sender.deliver(differing.filter(pc.invert(scored)), repair=True, restores=True)
        both = Delivery((*sent.problems, *restored.problems), (*sent.ended_badly, *restored.ended_badly))
        return differing["lead_id"].to_pylist(), both

    def _is_scored(self, rows: pa.Table) -> pa.ChunkedArray:
        return pc.is_in(rows["lead_id"], value_set=self.plan.scores.rows["lead_id"].combine_chunks())

    def _compared(self, leads: int | None) -> ReadBack:
        """All leads whose values were confirmed, or a sample of `leads`: those of the day's scores, those that were
        emptied, and those that left and keep their values."""
        since = self.sync.day - timedelta(days=self.rollout.salesforce.quarantine_days)
        expected = verify.confirmed(self.ledger.state(self.sync.org_id), since)
        scored = self.plan.scores.rows["lead_id"].combine_chunks()
        # Salted by the sync: two syncs of a day do not read the same leads.
        return verify.read_back(self.org, self.fields, expected, scored, self.plan.rows, leads, self.sync.sync_id)

    def _doubt(self, shown: ReadBack) -> None:
        """Log the leads that differ. What is known of the scored ones is forgotten, so that their scores are sent. What
        is known of the others stays: it is what the org must show."""
        scored = self._is_scored(shown.differing)
        for what, rows in (("read-back", scored), ("read-back-left", pc.invert(scored))):
            doubt = row_outcomes.all_alike(
                shown.differing.filter(rows), row_outcomes.PENDING, row_outcomes.READ_BACK_DIFFERS, in_doubt=True
            )
            if len(doubt):
                self.ledger.note(self.sync, what, doubt, take_over=what == "read-back")


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
    sent_until = max((job.planned_at for job in jobs), default=pc.max(state["known_at"]).as_py())
    behind = len(state) > 0 and _is_behind(org, fields, jobs, sent_until, rollout.versions)
    if behind:
        log("The org shows newer scores than the ledger knows: the warehouse is an older copy. The whole org is read.")
    if behind or not len(state):
        read = verify.seed(org, identity, fields, scores.rows, sync.day, clock.now(), state, sent_until)
        _seed(ledger, sync, read)
    terms = Terms(full=ledger.full_is_due(sync.org_id, sync.day, rules.full_sync_days), first=first)
    plan = plan_sync(scores, ledger.state(sync.org_id), rules, terms)
    exempt = _exemption(scores, resumed, allowed)
    # A sync that was cut short or owed may have seen leads differ that are not among today's scores.
    unfinished = bool(resumed) or _is_unfinished(jobs, ledger.syncs(sync.org_id))
    read_all = terms.full or unfinished or behind or rules.read_back == "all"
    return PreparedSync(rollout, org, identity, fields, ledger, sync, sender, terms, plan, exempt, crm.target, read_all)


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


def _is_unfinished(jobs: Sequence[Job], ended: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last sync that `ended` (rows of salesforce_syncs) is owed, or one that planned a job since did not
    end."""
    if not ended:
        return bool(jobs)
    known = {row["sync_id"] for row in ended}
    cut_short = any(job.sync_id not in known and job.planned_at >= ended[-1]["ended_at"] for job in jobs)
    return cut_short or ended[-1]["owed"] is not None


def _is_behind(org: Org, fields: Fields, jobs: Sequence[Job], sent_until: datetime, versions: Iterable[str]) -> bool:
    """Whether the org shows scores that the ledger cannot have sent: the warehouse was restored.

    These are scores made after `sent_until` (the last job), and scores of the last job's day of one of `versions` that
    no job of the day had: a switch sends the scores made in the morning. Other texts in the version's field are edits.
    """
    field, version = fields.name("scored_at"), fields.name("model_version")
    if field is None:
        return False
    unknown = f"{field} > {_instant(sent_until + timedelta(seconds=1))}"
    if version and jobs:
        day = jobs[-1].prediction_date
        unsent = sorted({*versions} - {job.model_version for job in jobs if job.prediction_date == day})
        listed = ", ".join(f"'{one}'" for one in unsent)
        unknown += f" OR ({field} >= {_instant(cutoff(day))} AND {version} IN ({listed}))" if unsent else ""
    return next(iter(org.read_leads([field], unknown)), None) is not None


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _seed(ledger: Ledger, sync: Sync, rows: pa.Table) -> None:
    """Take what was read from the org as its known state; log the leads that are held back for it."""
    refused = rows.filter(pc.is_valid(rows["refused_code"]))
    if len(refused):
        noted = refused.rename_columns({"refused_code": "code", "refused_message": "message"})
        noted = noted.append_column("outcome", pa.repeat(pa.scalar(row_outcomes.QUARANTINED), len(refused)))
        noted = noted.append_column("in_doubt", pa.repeat(pa.scalar(False), len(refused)))
        ledger.note(sync, "kept-back", noted, take_over=False)
    ledger.seed(sync.org_id, rows)


def _exemption(scores: DayScores, resumed: list[Job], allowed: str | None) -> str | None:
    """Why the limit on changes does not apply. A switch needs no exemption: the limit counts only leads that already
    carry the new version. A job that restored leads, or carried earlier scores of the day, says nothing of these."""
    of_these = [job for job in resumed if not job.restores and job.planned_at >= scores.scored_at]
    if any((job.prediction_date, job.model_version) == (scores.day, scores.version) for job in of_these):
        return "the rest of an interrupted sync"
    return f"allowed: {allowed}" if allowed else None


def _note_malformed(ledger: Ledger, sync: Sync, malformed: Sequence[str]) -> None:
    if not malformed:
        return
    ids = pa.array(malformed, pa.string())
    rows = pa.table({**{name: pa.nulls(len(ids), ROW.field(name).type) for name in ROW.names}, "lead_id": ids})
    noted = row_outcomes.all_alike(rows, row_outcomes.QUARANTINED, row_outcomes.MALFORMED_ID, "no Salesforce record id")
    ledger.note(sync, "malformed", noted, take_over=False)
