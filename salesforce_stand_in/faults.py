"""What can go wrong in the stand-in org, switched on and off while it runs, from this process or by JSON from another.

Three kinds of fault: of a request (the token expired, the answer is lost), of a job (it fails midway, it hangs), of a
row (a lock). Every one counts how often it still strikes, so that a test says exactly how much goes wrong.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Operation = Literal[
    "any", "login", "resources", "limits", "describe", "query", "create", "list", "upload", "close", "abort", "poll",
    "results", "delete",
]  # fmt: skip
RequestKind = Literal[
    "expired_token", "unavailable", "request_limit", "crowded", "refused", "truncated", "drop_before", "drop_after",
    "slow",
]  # fmt: skip
JobKind = Literal["fail", "abort", "stuck", "miscount", "lose", "nameless", "foreign", "twice"]

MAINTENANCE = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
MESSAGES = {
    MAINTENANCE: "Record changes are not possible during maintenance:--",
    "UNABLE_TO_LOCK_ROW": "unable to obtain exclusive access to this record or 200 records: {id}:--",
    "TooManyLockFailure": "Too many lock failure 200 Trying to save again later:--",
    "SERVER_UNAVAILABLE": "the server is busy, try again later:--",
    "UNKNOWN_EXCEPTION": "An unexpected error occurred:--",
    "REQUEST_RUNNING_TOO_LONG": "Your request was running for too long, and has been stopped:--",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "LeadTrigger: execution of BeforeUpdate caused by: ScriptException:--",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "Für dieses Feld: erst prüfen, dann ändern:V4_Score__c --",
    "REQUIRED_FIELD_MISSING": "Required fields are missing: [Company]:Company --",
    "INSUFFICIENT_ACCESS_OR_READONLY": "insufficient access rights on object id:--",
    "INVALID_FIELD": "No such column on entity Lead:--",
}
"""What the org says beside an error code, where a test does not choose the words. {id} is the lead's."""


REFUSALS: Mapping[str | None, tuple[str, str]] = {
    "request_limit": ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    "crowded": ("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."),
    "refused": ("INSUFFICIENT_ACCESS", "insufficient access rights"),
}
"""Faults of a request that are answered with status 403: code and message."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RequestFault(_Model):
    """What happens to the next `times` requests of one operation, after letting `after` of them pass.

    crowded: too many requests at once, which is not the limit of a day. refused: no permission, for this request alone.
    truncated: half of the answer. drop_before, drop_after: no answer, before or after the request took effect.
    """

    kind: RequestKind
    on: Operation = "any"
    times: Annotated[int, Field(ge=1)] = 1
    after: Annotated[int, Field(ge=0)] = 0
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """Of `slow`: the answer comes so much later."""


class JobFault(_Model):
    """What happens to the next `times` jobs that are closed.

    fail, abort, stuck: after `rows` rows, the rest stays unprocessed. miscount: the job's counts are `rows` too high.
    lose: `rows` rows stand in no result file, though they were processed. In the file of the rows that succeeded,
    nameless: `rows` rows have no Id. foreign: `rows` more rows are of leads that were never sent. twice: `rows` rows
    stand there again.
    """

    kind: JobKind
    rows: int = 0
    error: str = "InternalServerError : the batch could not be processed"
    """The job's errorMessage, of `fail`."""
    times: Annotated[int, Field(ge=1)] = 1


class RowFault(_Model):
    """Leads that are refused, each `times` times; all leads where none are named."""

    code: str
    message: str | None = None
    leads: frozenset[str] | None = None
    """18 characters each."""
    times: Annotated[int, Field(ge=1)] = 1


class Script(_Model):
    """All faults, as JSON."""

    down: bool = False
    """Every connection is dropped without an answer."""
    latency_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Added to every request."""
    requests_left: Annotated[int, Field(ge=0)] | None = None
    """Of the daily API requests, from now on; None is plenty."""
    overwrites: dict[str, float | bool | str | None] = {}
    """A flow sets these fields of every lead that is updated, after its row was confirmed."""
    maintenance: bool = False
    """Every row is refused because the org is in maintenance; reads are answered."""
    cut_results: Annotated[int, Field(ge=0)] = 0
    """Result files lack this many of their last characters."""
    shuffled: bool = True
    blank_failed_ids: bool = True
    """sf__Id is empty in failedResults."""
    requests: list[RequestFault] = []
    jobs: list[JobFault] = []
    rows: list[RowFault] = []


@dataclass
class Faults:
    """The script that is played, and how far it is."""

    script: Script = field(default_factory=Script)
    _struck: dict[tuple[int, str], int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def request(
        self, kind: RequestKind, on: Operation = "any", *, times: int = 1, after: int = 0, seconds: float = 0.0
    ) -> None:
        """Something happens to requests: see RequestFault."""
        with self._lock:
            self.script.requests.append(RequestFault(kind=kind, on=on, times=times, after=after, seconds=seconds))

    def job(self, kind: JobKind, *, rows: int = 0, error: str | None = None, times: int = 1) -> None:
        """Something happens to jobs: see JobFault."""
        with self._lock:
            stated = {} if error is None else {"error": error}
            self.script.jobs.append(JobFault.model_validate({"kind": kind, "rows": rows, "times": times, **stated}))

    def row(self, code: str, leads: Sequence[str] | None = None, *, message: str | None = None, times: int = 1) -> None:
        """Leads are refused: see RowFault."""
        with self._lock:
            named = None if leads is None else frozenset(leads)
            self.script.rows.append(RowFault(code=code, message=message, leads=named, times=times))

    def set(self, **changes: object) -> None:
        """Change entries of Script: set(down=True), set(requests_left=0)."""
        with self._lock:
            self.script = Script.model_validate(self.script.model_dump() | changes)
            if "rows" in changes:
                self._struck.clear()

    def clear(self) -> None:
        """All is well again."""
        with self._lock:
            self.script = Script()
            self._struck.clear()

    def strike(self, operation: Operation) -> RequestFault | None:
        """What happens to this request of the operation."""
        with self._lock:
            for at, fault in enumerate(self.script.requests):
                if fault.on not in ("any", operation):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                if fault.times < 1:
                    del self.script.requests[at]
                return fault
            return None

    def strike_job(self) -> JobFault | None:
        """What happens to this job."""
        with self._lock:
            if not self.script.jobs:
                return None
            fault = self.script.jobs[0]
            fault.times -= 1
            if fault.times < 1:
                del self.script.jobs[0]
            return fault.model_copy(update={"times": 1})

    def strike_row(self, lead_id: str) -> str | None:
        """sf__Error of this attempt to update the lead."""
        if self.script.maintenance:
            return f"{MAINTENANCE}:{MESSAGES[MAINTENANCE]}"
        if not self.script.rows:
            return None
        with self._lock:
            for at, fault in enumerate(self.script.rows):
                struck = self._struck.get((at, lead_id), 0)
                if (fault.leads is None or lead_id in fault.leads) and struck < fault.times:
                    self._struck[at, lead_id] = struck + 1
                    message = fault.message or MESSAGES.get(fault.code, "refused:--")
                    return f"{fault.code}:{message.format(id=lead_id)}"
            return None

    def spend_request(self) -> bool:
        """Count one API request; whether there was one left."""
        with self._lock:
            left = self.script.requests_left
            if left is not None and left > 0:
                self.script.requests_left = left - 1
            return left is None or left > 0
