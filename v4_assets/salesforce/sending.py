"""Driving jobs of the org, step by step: plan, create, name, upload, close, poll, results, log, settle.

Between any two steps the process may die. The job is in the ledger before the org knows of it, its id before the
upload, its rows before both; so the next run finds it, asks the org how it ended, and settles it before it sends
anything.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.config.rollout_salesforce import SalesforceSync
from v4_assets.errors import AmbiguousAnswerError, ApiLimitError, SalesforceError, SalesforceSetupError
from v4_assets.salesforce import outcomes as errors
from v4_assets.salesforce.client.crm import Wait
from v4_assets.salesforce.client.org import JobState, JobStatus, Org
from v4_assets.salesforce.ledger import Job, Ledger, Sync, unsettled
from v4_assets.salesforce.rows import ROW, csv

CREATE_TRIES = 3
ROWS_PER_SECOND = 50_000
"""What an org is given before it is asked again; asking earlier only costs requests."""
LONGEST_PAUSE = 30.0
ABORT_GRACE_SECONDS = 300.0
"""How long an aborted job may take to say so."""


@dataclass(frozen=True)
class Ended:
    """What a job came to."""

    outcomes: pa.Table
    """ROW, outcome, in_doubt, code, message."""
    problems: tuple[str, ...]
    """What a person must know of."""
    stop: bool
    """Further jobs would fare no better."""


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
    tell: Callable[[str], None]

    def recover(self) -> list[Job]:
        """Finish what an earlier run began, if it did. What remains unsaid of its rows is found by comparing anew."""
        owed = unsettled(self.ledger.jobs(self.sync.org_id))
        for job in owed:
            self.tell(
                f"Job {job.job_id or job.job_key} of {job.row_count:,} rows was begun and not settled; that first."
            )
            logged = self.ledger.rows_of(job)
            if job.job_id:
                self._finish(job, logged, job.row_count)
            else:
                self._abort_strays()
                self.ledger.log(job, errors.all_alike(logged.select(ROW.names), errors.PENDING, errors.NOT_CREATED))
                self.ledger.settle(job, "NotCreated", None)
        return owed

    def deliver(self, rows: pa.Table) -> list[str]:
        """Send `rows` (ROW), retrying what is transient. Returns what a person must know of."""
        problems: list[str] = []
        waiting = rows
        for attempt in range(1, self.rules.retry_rounds + 2):
            outcomes = []
            for batch in _batches(waiting, self.rules.rows_per_job):
                ended = self._send(batch, attempt, len(rows))
                outcomes.append(ended.outcomes)
                problems += ended.problems
                if ended.stop:
                    return problems
            waiting = errors.to_retry(pa.concat_tables(outcomes)).select(ROW.names) if outcomes else waiting
            if not len(waiting) or attempt > self.rules.retry_rounds:
                break
            pause = self.rules.retry_wait_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
            self.tell(f"{len(waiting):,} rows were not taken and are sent again in {pause:.0f} s.")
            self.wait.sleep(pause)
        return problems

    def _send(self, rows: pa.Table, attempt: int, sent: int) -> Ended:
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
            # Rows go up once per job. Whether they arrived is not asked: a job still open is aborted and made anew.
            self.tell(f"Job {job_id}: {error}")
        return self._finish(_named(job, job_id), rows, sent)

    def _create(self) -> str:
        for _ in range(CREATE_TRIES - 1):
            try:
                return self.org.create_job()
            except AmbiguousAnswerError as error:
                self.tell(f"Whether a job was made is not known ({error}); open ones are aborted and one is made anew.")
                self._abort_strays()
        return self.org.create_job()

    def _abort_strays(self) -> None:
        """Abort jobs of ours that are open and in no ledger: what an unanswered or unrecorded create left."""
        known = {job.job_id for job in self.ledger.jobs(self.sync.org_id)}
        for job_id in self.org.open_jobs():
            if job_id not in known:
                self.org.abort(job_id)

    def _finish(self, job: Job, logged: pa.Table, sent: int) -> Ended:
        """Wait for a job's end, account for its rows, settle it."""
        assert job.job_id is not None
        status, late = self._poll(job.job_id, job.row_count)
        rows = logged.select(ROW.names)
        if status.state is JobState.GONE:
            outcomes = _as_logged(logged)
        else:
            is_clean = status.state is JobState.JOB_COMPLETE and not status.failed
            found = self.org.results(job.job_id, expected=job.row_count if is_clean else None)
            outcomes = errors.account(
                rows,
                found.succeeded,
                [(one.lead_id, one.code, one.message) for one in found.failed],
                found.unprocessed,
                attempt=job.attempt,
                sent=sent,
                lost=errors.JOB_ABORTED if status.state is JobState.ABORTED else errors.UNACCOUNTED,
            )
        self.ledger.log(job, outcomes)
        self.ledger.settle(job, status.state.value, status.error)
        taken = pc.sum(pc.equal(outcomes["outcome"], errors.CONFIRMED)).as_py() or 0
        self.tell(f"Job {job.job_id} of {len(outcomes):,} rows is {status.state.value}; {taken:,} were taken.")
        return _ended(job.job_id, status, outcomes, late=late, minutes=self.rules.poll_deadline_minutes)

    def _poll(self, job_id: str, row_count: int) -> tuple[JobStatus, bool]:
        """The final status of a job, and whether it came only because we aborted it at the deadline."""
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
                        f"Job {job_id} has no end after {limit / 60:.0f} minutes"
                        f"{f': {trouble}' if trouble else ' and an abort'}. It stays in the ledger; the next run asks "
                        "again and settles it before it sends anything."
                    )
                self.org.abort(job_id)
                late, limit = True, limit + ABORT_GRACE_SECONDS
            self.wait.sleep(min(pause, LONGEST_PAUSE))
            pause = max(1.0, 1.5 * pause)

    def _status(self, job_id: str) -> tuple[JobStatus | None, SalesforceError | None]:
        """What the org says of a job; None while it says nothing, which is no reason to give the job up."""
        try:
            return self.org.status(job_id), None
        except (ApiLimitError, SalesforceSetupError):
            raise
        except SalesforceError as error:
            self.tell(f"Job {job_id} could not be asked for: {error}")
            return None, error


def _ended(job_id: str, status: JobStatus, outcomes: pa.Table, *, late: bool, minutes: float) -> Ended:
    """Which of a job's outcomes a person must know of."""
    problems = []
    hopeless = status.state is JobState.FAILED and errors.is_hopeless(status.error)
    if hopeless:
        problems.append(f"job {job_id} failed: {status.error}")
    if late:
        problems.append(
            f"job {job_id} was not done after {minutes:g} minutes and was aborted; the rest is sent by the next run"
        )
    lost = outcomes.filter(pc.is_in(outcomes["code"], value_set=pa.array([errors.UNACCOUNTED, errors.JOB_GONE])))
    if len(lost):
        what = "is gone from the org" if status.state is JobState.GONE else "ended without a word"
        problems.append(f"job {job_id} {what} on {len(lost):,} of its {len(outcomes):,} rows; they stay pending")
    failed = outcomes.filter(pc.equal(outcomes["outcome"], errors.FAILED))
    if len(failed):
        problems.append(f"{len(failed):,} rows were refused for a reason that is not theirs: {_reasons(failed)}")
    return Ended(outcomes, tuple(problems), stop=hopeless or late or len(failed) > 0)


def _reasons(failed: pa.Table) -> str:
    found = dict(zip(failed["code"].to_pylist(), failed["message"].to_pylist(), strict=True))
    return "; ".join(f"{code} ({message})" for code, message in sorted(found.items()))


def _as_logged(logged: pa.Table) -> pa.Table:
    """What was known before the org forgot a job: its results if they were logged, otherwise doubt."""
    if "outcome" in logged.column_names and len(logged.filter(pc.not_equal(logged["outcome"], errors.PENDING))):
        return logged.select([*ROW.names, "outcome", "in_doubt", "code", "message"])
    return errors.all_alike(logged.select(ROW.names), errors.PENDING, errors.JOB_GONE, in_doubt=True)


def _named(job: Job, job_id: str) -> Job:
    return Job(**{**vars(job), "job_id": job_id})


def _batches(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    for start in range(0, len(rows), size):
        yield rows.slice(start, size)
