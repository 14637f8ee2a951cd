"""Sending rows in jobs, step by step: plan, create, name, upload, close, poll, results, log, settle.

The process may die between any two steps. The ledger has the rows before the job exists in the org, and the job's id
before the upload. So the next run finds the job, reads its result from the org, and settles it before it sends rows.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.config.rollout_systems import SalesforceSync
from v4_assets.errors import AmbiguousAnswerError, SalesforceError, V4Error
from v4_assets.salesforce import row_outcomes
from v4_assets.salesforce.client.org import JobState, JobStatus, Org, Wait
from v4_assets.salesforce.ledger import Job, Ledger, Sync, unsettled
from v4_assets.salesforce.polling import Poller
from v4_assets.salesforce.row_outcomes import SyncSize
from v4_assets.salesforce.rows import ROW, DayScores, csv

CREATE_TRIES = 3


@dataclass(frozen=True)
class SettledJob:
    """The result of a job that has ended."""

    job: Job
    outcomes: pa.Table
    """ROW, outcome, in_doubt, code, message, again."""
    problems: tuple[str, ...]
    """Problems for the operator."""
    stop: bool
    """Further jobs would fail too."""
    ended_badly: str | None = None
    """The job ended Failed or Aborted, and why; None when it completed."""


@dataclass(frozen=True)
class Delivery:
    """The result of sending rows."""

    problems: tuple[str, ...]
    """Problems for the operator."""
    ended_badly: tuple[str, ...]
    """Jobs that ended Failed or Aborted: why rows may be pending."""


@dataclass(frozen=True)
class Sender:
    """Sends rows to an org and keeps the ledger of it."""

    org: Org
    ledger: Ledger
    sync: Sync
    rules: SalesforceSync
    columns: tuple[tuple[str, str], ...]
    """(field name, key) beside Id."""
    scores: DayScores
    is_sandbox: bool
    wait: Wait
    log: Callable[[str], None]

    def recover(self) -> list[Job]:
        """Settle a job left over from an earlier run. Rows it did not report are picked up by the next plan."""
        left_over = unsettled(self.ledger.jobs(self.sync.org_id))
        for job in left_over:
            self.log(
                f"Job {job.job_id or job.job_key} ({job.row_count:,} rows) of an earlier run is unsettled: settling it."
            )
            logged = self.ledger.rows_of(job)
            if job.job_id:
                self._finish(job, logged, self._size(job.row_count), {})
            else:
                self._never_created(job, logged)
        return left_over

    def deliver(self, rows: pa.Table, *, repair: bool = False, restores: bool = False) -> Delivery:
        """Send `rows` (ROW); retry transient refusals. The attempts of a repair are counted on from the others.

        With `restores`, the rows are known values of leads that left the scored set. They stay known, whatever the org
        answers.
        """
        before = self.rules.retry_rounds + 1 if repair else 0
        problems, badly, waiting, size = list[str](), list[str](), rows, self._size(len(rows))
        refused = Counter[str]()
        sent: list[SettledJob] = []
        for attempt in range(1, self.rules.retry_rounds + 2):
            ended = []
            for batch in _batches(waiting, self.rules.rows_per_job):
                job = self._send(batch, before + attempt, size, refused, restores=restores)
                ended.append(job.outcomes)
                sent.append(job)
                refused.update(self._quarantined(job.outcomes))
                problems += job.problems
                badly += [job.ended_badly] if job.ended_badly else []
                if job.stop:
                    break
            waiting = row_outcomes.to_retry(pa.concat_tables(ended)).select(ROW.names) if ended else waiting
            stopped = bool(sent) and sent[-1].stop
            if stopped or not len(waiting) or attempt > self.rules.retry_rounds:
                break
            pause = self.rules.retry_wait_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
            self.log(f"{len(waiting):,} rows were refused for now; they are sent again in {pause:.0f} s.")
            self.wait.sleep(pause)
        self._release_widespread(sent)
        return Delivery(tuple(problems), tuple(badly))

    def _size(self, sent: int) -> SyncSize:
        return SyncSize(sent, len(self.scores.rows), self.is_sandbox)

    def _send(
        self, rows: pa.Table, attempt: int, size: SyncSize, refused: Counter[str], *, restores: bool
    ) -> SettledJob:
        job = self.ledger.plan(self.sync, attempt, rows, restores=restores)
        try:
            job_id = self._create()
        except SalesforceError:
            # Nothing was uploaded, so the rows were certainly not taken; the job must not wait for another run.
            self._never_created(job, rows)
            raise
        try:
            self.ledger.name(job, job_id)
        except V4Error:
            self.org.abort(job_id)
            raise
        try:
            # Restored values were not scored today: the lead keeps the time that it shows, if it shows one.
            self.org.upload(job_id, csv(rows, self.columns, None if restores else self.scores.scored_at))
            self.org.close(job_id)
        except AmbiguousAnswerError as error:
            # A job takes one upload. A job that is still open is aborted and replaced, not uploaded to again.
            self.log(f"Job {job_id}: {error}")
        return self._finish(_named(job, job_id), rows, size, refused)

    def _create(self) -> str:
        """A new job. One whose answer was lost stays Open and empty in the org: it holds no row, and it cannot be told
        from an Open job of another integration of the same user, which must not be aborted."""
        for _ in range(CREATE_TRIES - 1):
            try:
                return self.org.create_job()
            except AmbiguousAnswerError as error:
                self.log(f"The answer to a create was lost ({error}); another job is created.")
        return self.org.create_job()

    def _never_created(self, job: Job, rows: pa.Table) -> None:
        self.ledger.log(
            job, row_outcomes.all_alike(rows.select(ROW.names), row_outcomes.PENDING, row_outcomes.NOT_CREATED)
        )
        self.ledger.settle(job, "NotCreated", None)

    def _release_widespread(self, sent: Sequence[SettledJob]) -> None:
        """Earlier jobs may have quarantined leads for a code that later jobs showed to be about the org."""
        for code in _codes(sent, row_outcomes.FAILED) & _codes(sent, row_outcomes.QUARANTINED):
            for one in sent:
                same = pc.fill_null(pc.equal(one.outcomes["code"], code), False)
                at = one.outcomes.schema.get_field_index("outcome")
                renamed = pc.if_else(same, row_outcomes.FAILED, one.outcomes["outcome"])
                self.ledger.log(one.job, one.outcomes.set_column(at, "outcome", renamed))
            self.ledger.release(self.sync.org_id, code=code)

    def _quarantined(self, ended: pa.Table) -> dict[str, int]:
        """Quarantined rows of a job that are scored on the day, by code."""
        scored = pc.is_in(ended["lead_id"], value_set=self._scored)
        return Counter(
            ended.filter(pc.and_(scored, pc.equal(ended["outcome"], row_outcomes.QUARANTINED)))["code"].to_pylist()
        )

    @property
    def _scored(self) -> pa.Array:
        return self.scores.rows["lead_id"].combine_chunks()

    def _finish(self, job: Job, logged: pa.Table, size: SyncSize, refused: Mapping[str, int]) -> SettledJob:
        """Wait for a job's end, account for its rows, settle it."""
        assert job.job_id is not None
        status, late = Poller(self.org, self.rules, self.wait, self.log).end_of(job.job_id, job.row_count)
        rows = logged.select(ROW.names)
        if status.state is JobState.GONE:
            ended = _as_logged(logged)
        else:
            is_clean = status.state is JobState.JOB_COMPLETE and not status.failed
            found = self.org.results(job.job_id, expected=job.row_count if is_clean else None)
            if found.unusable:
                self.log(f"Job {job.job_id}: {found.unusable} rows of the result files name no lead and are ignored.")
            ended = row_outcomes.account(
                rows,
                found.succeeded,
                [(one.lead_id, one.code, one.message) for one in found.failed],
                found.unprocessed,
                attempt=job.attempt,
                size=size,
                lost=row_outcomes.JOB_ABORTED if status.state is JobState.ABORTED else row_outcomes.UNACCOUNTED,
                earlier=refused,
                scored=self._scored,
            )
        self.ledger.log(job, ended)
        self.ledger.settle(job, status.state.value, status.error)
        taken = pc.sum(pc.equal(ended["outcome"], row_outcomes.CONFIRMED)).as_py() or 0
        self.log(f"Job {job.job_id} of {len(ended):,} rows is {status.state.value}; {taken:,} were confirmed.")
        return _settled(job, status, ended, late=late, minutes=self.rules.poll_deadline_minutes)


def _settled(job: Job, status: JobStatus, ended: pa.Table, *, late: bool, minutes: float) -> SettledJob:
    """The result of a job, with the problems for the operator."""
    problems, job_id = [], job.job_id
    badly = status.state in (JobState.FAILED, JobState.ABORTED)
    why = f"job {job_id} ended {status.state.value}: {status.error or 'no reason given'}" if badly else None
    hopeless = status.state is JobState.FAILED and row_outcomes.is_hopeless(status.error)
    if hopeless and why:
        problems.append(why)
    if late:
        problems.append(
            f"job {job_id} had not ended after {minutes:g} minutes and was aborted; the next run sends the rest"
        )
    lost = ended.filter(pc.is_in(ended["code"], value_set=pa.array([row_outcomes.UNACCOUNTED, row_outcomes.JOB_GONE])))
    if len(lost):
        what = "is gone from the org" if status.state is JobState.GONE else "ended"
        problems.append(
            f"job {job_id} {what} without a result for {len(lost):,} of {len(ended):,} rows; they stay pending"
        )
    failed = ended.filter(pc.equal(ended["outcome"], row_outcomes.FAILED))
    if len(failed):
        problems.append(
            f"{len(failed):,} rows were refused for a reason that is not about the leads: {_reasons(failed)}"
        )
    return SettledJob(job, ended, tuple(problems), stop=hopeless or late or len(failed) > 0, ended_badly=why)


def _codes(sent: Sequence[SettledJob], outcome: str) -> set[str]:
    return {
        code
        for one in sent
        for code in one.outcomes.filter(pc.equal(one.outcomes["outcome"], outcome))["code"].to_pylist()
    }


def _reasons(failed: pa.Table) -> str:
    found = dict(zip(failed["code"].to_pylist(), failed["message"].to_pylist(), strict=True))
    return "; ".join(f"{code} ({message})" for code, message in sorted(found.items()))


def _as_logged(logged: pa.Table) -> pa.Table:
    """The outcomes of a job that the org has deleted: its logged results, otherwise in doubt."""
    if "outcome" in logged.column_names and len(logged.filter(pc.not_equal(logged["outcome"], row_outcomes.PENDING))):
        known = logged.select([*ROW.names, "outcome", "in_doubt", "code", "message"])
        return known.append_column("again", pa.repeat(pa.scalar(False), len(known)))
    return row_outcomes.all_alike(logged.select(ROW.names), row_outcomes.PENDING, row_outcomes.JOB_GONE, in_doubt=True)


def _named(job: Job, job_id: str) -> Job:
    return Job(**{**vars(job), "job_id": job_id})


def _batches(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    for start in range(0, len(rows), size):
        yield rows.slice(start, size)
