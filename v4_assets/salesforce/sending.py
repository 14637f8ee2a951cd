"""Sending rows in jobs, step by step: plan, create, name, upload, close, poll, results, log, settle.

The process may die between any two steps. The ledger has the rows before the job exists in the org, and the job's id
before the upload. So the next run finds the job, reads its result from the org, and settles it before it sends rows.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.config.rollout_salesforce import SalesforceSync
from v4_assets.errors import AmbiguousAnswerError, ApiLimitError, SalesforceError, SalesforceSetupError
from v4_assets.salesforce import outcomes
from v4_assets.salesforce.client.org import JobState, JobStatus, Org, Wait
from v4_assets.salesforce.ledger import Job, Ledger, Sync, unsettled
from v4_assets.salesforce.plan import ROW, csv

CREATE_TRIES = 3
ROWS_PER_SECOND = 50_000
"""Expected speed of an org: the first poll waits for this. Earlier polls only cost requests."""
LONGEST_PAUSE = 30.0
ABORT_GRACE_SECONDS = 300.0
"""Time for an aborted job to reach its final state."""


@dataclass(frozen=True)
class SettledJob:
    """The result of a job that has ended."""

    outcomes: pa.Table
    """ROW, outcome, in_doubt, code, message."""
    problems: tuple[str, ...]
    """Problems for the operator."""
    stop: bool
    """Further jobs would fail too."""


@dataclass(frozen=True)
class Sender:
    """Sends rows to an org and keeps the ledger of it."""

    org: Org
    ledger: Ledger
    sync: Sync
    rules: SalesforceSync
    columns: tuple[tuple[str, str], ...]
    """(field name, key) beside Id."""
    scored_at: datetime
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
                self._finish(job, logged, job.row_count)
            else:
                self._abort_strays()
                self.ledger.log(
                    job, outcomes.all_alike(logged.select(ROW.names), outcomes.PENDING, outcomes.NOT_CREATED)
                )
                self.ledger.settle(job, "NotCreated", None)
        return left_over

    def deliver(self, rows: pa.Table) -> list[str]:
        """Send `rows` (ROW); retry transient refusals. Returns the problems for the operator."""
        problems: list[str] = []
        waiting = rows
        for attempt in range(1, self.rules.retry_rounds + 2):
            ended = []
            for batch in _batches(waiting, self.rules.rows_per_job):
                job = self._send(batch, attempt, len(rows))
                ended.append(job.outcomes)
                problems += job.problems
                if job.stop:
                    return problems
            waiting = outcomes.to_retry(pa.concat_tables(ended)).select(ROW.names) if ended else waiting
            if not len(waiting) or attempt > self.rules.retry_rounds:
                break
            pause = self.rules.retry_wait_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
            self.log(f"{len(waiting):,} rows were refused for now; they are sent again in {pause:.0f} s.")
            self.wait.sleep(pause)
        return problems

    def _send(self, rows: pa.Table, attempt: int, sent: int) -> SettledJob:
        job = self.ledger.plan(self.sync, attempt, rows)
        job_id = self._create()
        try:
            self.ledger.name(job, job_id)
        except SalesforceError:
            self.org.abort(job_id)
            raise
        try:
            self.org.upload(job_id, csv(rows, self.columns, self.scored_at))
            self.org.close(job_id)
        except AmbiguousAnswerError as error:
            # A job takes one upload. A job that is still open is aborted and replaced, not uploaded to again.
            self.log(f"Job {job_id}: {error}")
        return self._finish(_named(job, job_id), rows, sent)

    def _create(self) -> str:
        for _ in range(CREATE_TRIES - 1):
            try:
                return self.org.create_job()
            except AmbiguousAnswerError as error:
                self.log(f"The answer to a create was lost ({error}); open jobs are aborted and a new one is created.")
                self._abort_strays()
        return self.org.create_job()

    def _abort_strays(self) -> None:
        """Abort our open jobs that the ledger does not name: left by an unanswered or unrecorded create."""
        known = {job.job_id for job in self.ledger.jobs(self.sync.org_id)}
        for job_id in self.org.open_jobs():
            if job_id not in known:
                self.org.abort(job_id)

    def _finish(self, job: Job, logged: pa.Table, sent: int) -> SettledJob:
        """Wait for a job's end, account for its rows, settle it."""
        assert job.job_id is not None
        status, late = self._poll(job.job_id, job.row_count)
        rows = logged.select(ROW.names)
        if status.state is JobState.GONE:
            ended = _as_logged(logged)
        else:
            is_clean = status.state is JobState.JOB_COMPLETE and not status.failed
            found = self.org.results(job.job_id, expected=job.row_count if is_clean else None)
            ended = outcomes.account(
                rows,
                found.succeeded,
                [(one.lead_id, one.code, one.message) for one in found.failed],
                found.unprocessed,
                attempt=job.attempt,
                sent=sent,
                lost=outcomes.JOB_ABORTED if status.state is JobState.ABORTED else outcomes.UNACCOUNTED,
            )
        self.ledger.log(job, ended)
        self.ledger.settle(job, status.state.value, status.error)
        taken = pc.sum(pc.equal(ended["outcome"], outcomes.CONFIRMED)).as_py() or 0
        self.log(f"Job {job.job_id} of {len(ended):,} rows is {status.state.value}; {taken:,} were confirmed.")
        return _settled(job.job_id, status, ended, late=late, minutes=self.rules.poll_deadline_minutes)

    def _poll(self, job_id: str, row_count: int) -> tuple[JobStatus, bool]:
        """The final status of a job, and whether it was aborted at the deadline."""
        began, pause, late = self.wait.monotonic(), 1.0 + row_count / ROWS_PER_SECOND, False
        limit = self.rules.poll_deadline_minutes * 60
        while True:
            status, trouble = self._status(job_id)
            if status and status.state.is_final:
                return status, late
            if status and status.state is JobState.OPEN:
                self.org.abort(job_id)
                pause = 0.0
            elif self.wait.monotonic() - began > limit:
                if late or status is None:
                    raise SalesforceError(
                        f"Job {job_id} has not ended after {limit / 60:.0f} minutes"
                        f"{f': {trouble}' if trouble else ' and an abort'}. It stays in the ledger; the next run "
                        "settles it first."
                    )
                self.org.abort(job_id)
                late, limit = True, limit + ABORT_GRACE_SECONDS
            self.wait.sleep(min(pause, LONGEST_PAUSE))
            pause = max(1.0, 1.5 * pause)

    def _status(self, job_id: str) -> tuple[JobStatus | None, SalesforceError | None]:
        """The status of a job; None while the org does not answer, which does not end the job."""
        try:
            return self.org.status(job_id), None
        except (ApiLimitError, SalesforceSetupError):
            raise
        except SalesforceError as error:
            self.log(f"The status of job {job_id} could not be read: {error}")
            return None, error


def _settled(job_id: str, status: JobStatus, ended: pa.Table, *, late: bool, minutes: float) -> SettledJob:
    """The result of a job, with the problems for the operator."""
    problems = []
    hopeless = status.state is JobState.FAILED and outcomes.is_hopeless(status.error)
    if hopeless:
        problems.append(f"job {job_id} failed: {status.error}")
    if late:
        problems.append(
            f"job {job_id} had not ended after {minutes:g} minutes and was aborted; the next run sends the rest"
        )
    lost = ended.filter(pc.is_in(ended["code"], value_set=pa.array([outcomes.UNACCOUNTED, outcomes.JOB_GONE])))
    if len(lost):
        what = "is gone from the org" if status.state is JobState.GONE else "ended"
        problems.append(
            f"job {job_id} {what} without a result for {len(lost):,} of {len(ended):,} rows; they stay pending"
        )
    failed = ended.filter(pc.equal(ended["outcome"], outcomes.FAILED))
    if len(failed):
        problems.append(
            f"{len(failed):,} rows were refused for a reason that is not about the leads: {_reasons(failed)}"
        )
    return SettledJob(ended, tuple(problems), stop=hopeless or late or len(failed) > 0)


def _reasons(failed: pa.Table) -> str:
    found = dict(zip(failed["code"].to_pylist(), failed["message"].to_pylist(), strict=True))
    return "; ".join(f"{code} ({message})" for code, message in sorted(found.items()))


def _as_logged(logged: pa.Table) -> pa.Table:
    """The outcomes of a job that the org has deleted: its logged results, otherwise in doubt."""
    if "outcome" in logged.column_names and len(logged.filter(pc.not_equal(logged["outcome"], outcomes.PENDING))):
        return logged.select([*ROW.names, "outcome", "in_doubt", "code", "message"])
    return outcomes.all_alike(logged.select(ROW.names), outcomes.PENDING, outcomes.JOB_GONE, in_doubt=True)


def _named(job: Job, job_id: str) -> Job:
    return Job(**{**vars(job), "job_id": job_id})


def _batches(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    for start in range(0, len(rows), size):
        yield rows.slice(start, size)
