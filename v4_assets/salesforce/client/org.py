"""The protocol of a Salesforce org, and the CRM resource that holds one.

Bulk API 2.0 step by step, so that a crash between two steps can be resumed: the job's id is in the ledger before the
upload. One implementation, client.py, serves both a real org and the stand-in org; `dry-run` opens no connection.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class OrgIdentity:
    """The org that answers."""

    org_id: str
    """18 characters."""
    is_sandbox: bool


@dataclass(frozen=True)
class LeadField:
    """A field of Lead as the org describes it to our user."""

    name: str
    type: str
    """double, boolean, string, datetime, …"""
    precision: int = 0
    scale: int = 0
    length: int = 0
    updateable: bool = True


class JobState(Enum):
    """States of a Bulk API 2.0 ingest job, in the API's words."""

    OPEN = "Open"
    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"
    GONE = "Gone"
    """Ours: the org does not know the job (deleted, or removed after seven days)."""

    @property
    def is_final(self) -> bool:
        """The state can no longer change."""
        return self in (JobState.JOB_COMPLETE, JobState.FAILED, JobState.ABORTED, JobState.GONE)


@dataclass(frozen=True)
class JobStatus:
    """The status of a job, as the org reports it."""

    job_id: str
    state: JobState
    processed: int = 0
    """Includes the failed ones."""
    failed: int = 0
    error: str | None = None


@dataclass(frozen=True)
class RowFailure:
    """A row the org refused."""

    lead_id: str
    code: str
    message: str


@dataclass(frozen=True)
class JobResults:
    """The outcome of a job's rows, by our own Id column. Each list may be incomplete."""

    succeeded: Sequence[str]
    failed: Sequence[RowFailure]
    unprocessed: Sequence[str]
    unusable: int = 0
    """Rows of the files that name no lead: without an Id, or cut off."""


class Org(Protocol):
    """A Salesforce org. Every method raises only SalesforceError; reads are retried inside."""

    def identity(self) -> OrgIdentity:
        """Org id and whether it is a sandbox."""

    def lead_fields(self) -> Mapping[str, LeadField]:
        """Fields of Lead visible to us, by name."""

    def requests_left(self) -> int:
        """DailyApiRequests remaining."""

    def read_leads(self, fields: Sequence[str], where: str = "") -> Iterator[Mapping[str, object]]:
        """Lead rows with Id (18 characters) and `fields`, page by page. `where` is a SOQL condition."""

    def create_job(self) -> str:
        """Open a job that updates Lead from CSV; its id."""

    def upload(self, job_id: str, csv: bytes) -> None:
        """PUT the rows, once per job. Raises AmbiguousAnswerError when it is not known whether they arrived."""

    def close(self, job_id: str) -> None:
        """UploadComplete. Safe to repeat: an ambiguous answer is resolved by reading the state."""

    def status(self, job_id: str) -> JobStatus:
        """The job now; state GONE when the org does not know it."""

    def results(self, job_id: str, expected: int | None = None) -> JobResults:
        """The three result files of a final job. The other two are skipped when the first has exactly `expected`
        leads, each once."""

    def abort(self, job_id: str) -> None:
        """Abort a job; does nothing when the job is final."""


@dataclass(frozen=True)
class Wait:
    """The clock of waits: real time, or a test's own."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


QUICK = Wait(lambda seconds: time.sleep(seconds / 50))
"""For the stand-in org, which makes progress with each poll."""


@dataclass(frozen=True)
class CRM:
    """The org that shows the scores. A plain object, so that its content is not shown as Dagster configuration."""

    target: str
    """dry-run, local or salesforce."""
    org: Org | None = field(repr=False)
    """None for a dry run, which opens no connection."""
    folder: Path
    """Where a dry run writes its files."""
    wait: Wait = field(default=Wait(), repr=False)
    org_id: str | None = None
    """The configured org, 18 characters; None for a dry run."""
