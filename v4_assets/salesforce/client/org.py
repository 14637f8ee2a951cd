"""The Salesforce protocol: what a CRM must be able to do for its Lead records to carry scores and give them back.

Bulk API 2.0 step by step, so that a crash between two steps can be resumed: the job's id is in the ledger before the
upload. Two implementations: the real client (salesforce_client.py), which also talks to the stand-in org, and none for
`dry-run`, which never opens a connection.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True)
class OrgIdentity:
    """Which org answers."""

    org_id: str
    """18 characters."""
    is_sandbox: bool


@dataclass(frozen=True)
class LeadField:
    """A field of Lead as the org describes it to the user we are."""

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
        """Nothing more will happen to the job."""
        return self in (JobState.JOB_COMPLETE, JobState.FAILED, JobState.ABORTED, JobState.GONE)


@dataclass(frozen=True)
class JobStatus:
    """A job as the org tells of it."""

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
    """What became of a job's rows, by our own Id column; each may be incomplete when the org lies or hides."""

    succeeded: Sequence[str]
    failed: Sequence[RowFailure]
    unprocessed: Sequence[str]


class Org(Protocol):
    """A Salesforce org. Every method raises SalesforceError in this project's words; reads are retried inside."""

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

    def open_jobs(self) -> Sequence[str]:
        """Ids of our own Lead update jobs still Open: left over from an ambiguous create."""

    def upload(self, job_id: str, csv: bytes) -> None:
        """PUT the rows, once per job. Raises AmbiguousAnswerError when it is not known whether they arrived."""

    def close(self, job_id: str) -> None:
        """UploadComplete. Safe to repeat: an ambiguous answer is resolved by reading the state."""

    def status(self, job_id: str) -> JobStatus:
        """The job now; state GONE when the org does not know it."""

    def results(self, job_id: str, expected: int | None = None) -> JobResults:
        """The three result files of a final job. Where `expected` leads, each once, stand in the first, that is all
        there is to know, and the others are not asked for."""

    def abort(self, job_id: str) -> None:
        """Abort a job that is not final; nothing happens to one that is."""
