"""The life of an ingest job: Open → UploadComplete → InProgress → JobComplete, Failed or Aborted.

Time passes by being asked: a poll takes a job one step further, so that the first polls always see it in progress with
growing counts. A query first finishes every job that was closed, as if time enough had passed.
"""

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from salesforce_stand_in.faults import Faults, JobFault
from salesforce_stand_in.rows import Group, lines, save, unknown_column
from salesforce_stand_in.store import Job, Store
from v4_assets.clock import Clock
from v4_assets.config.salesforce import to_18

ENDS = {"LF": "\n", "CRLF": "\r\n"}
KINDS = {
    "successfulresults": ("succeeded", ("sf__Id", "sf__Created")),
    "failedresults": ("failed", ("sf__Id", "sf__Error")),
    "unprocessedrecords": ("unprocessed", ()),
}
BATCH = 10_000
"""Rows that are saved at a time."""
FINAL = ("JobComplete", "Failed", "Aborted")


class Refused(Exception):
    """A request that is refused: HTTP status, error code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class Jobs:
    """The ingest jobs of the org."""

    store: Store
    faults: Faults
    _readers: dict[str, Iterator[list[str]]] = field(default_factory=dict)
    _groups: dict[str, Group] = field(default_factory=dict)

    def create(self, asked: dict[str, object], user: str, api_version: float) -> Job:
        """A new job, Open."""
        wanted = {"object": "Lead", "operation": "update", "contentType": "CSV", "columnDelimiter": "COMMA"}
        for name, value in wanted.items():
            if asked.get(name, value) != value:
                raise Refused(400, "INVALIDJOB", f"InvalidJob : {name} {asked[name]} is not imitated here")
        ending = str(asked.get("lineEnding", "LF"))
        if ending not in ENDS:
            raise Refused(400, "INVALIDJOB", f"InvalidJob : unknown line ending {ending}")
        now = Clock().now().isoformat(timespec="milliseconds").replace("+00:00", "+0000")
        return self.store.new_job(ending, user, now, api_version)

    def get(self, job_id: str) -> Job:
        """A job, as it is."""
        found = self.store.jobs("id = ?", to_18(job_id))
        if not found:
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        return found[0]

    def upload(self, job_id: str, content: bytes) -> None:
        """Take the job's CSV: once, and only while it is Open."""
        job = self.get(job_id)
        if job.state != "Open" or job.content is not None:
            raise Refused(400, "INVALIDJOBSTATE", f"InvalidJobState : the job is {job.state} or has its data already")
        self.store.upload(job.id, content)

    def set_state(self, job_id: str, state: str) -> Job:
        """Close or abort a job."""
        job = self.get(job_id)
        if state == "UploadComplete" and job.state == "Open":
            fault = self.faults.strike_job()
            job.fault = fault.model_dump_json() if fault else None
            job.state = state
        elif state == "Aborted" and job.state not in FINAL:
            self._end(job, "Aborted")
        else:
            raise Refused(400, "INVALIDJOBSTATE", f"InvalidJobState : a job that is {job.state} cannot be {state}")
        self.store.save(job)
        return job

    def delete(self, job_id: str) -> None:
        """Forget a job that is not Open and not in progress."""
        job = self.get(job_id)
        if job.state not in ("UploadComplete", *FINAL):
            raise Refused(400, "INVALIDJOBSTATE", f"InvalidJobState : a job that is {job.state} cannot be deleted")
        self.store.delete_job(job.id)

    def poll(self, job_id: str) -> Job:
        """A job, after taking it a step further."""
        job = self.get(job_id)
        if job.state in ("UploadComplete", "InProgress"):
            self._step(job)
            self.store.save(job)
        return job

    def settle(self) -> None:
        """Finish every job that was closed and does not hang."""
        for job in self.store.jobs("state IN ('UploadComplete', 'InProgress')"):
            before = -1
            while job.state not in FINAL and job.read != before:
                before = job.read if job.state == "InProgress" else -1
                self._step(job)
            self.store.save(job)

    def results(self, job_id: str, kind: str) -> str:
        """One of the three result files, as CSV."""
        job = self.get(job_id)
        if job.state not in FINAL:
            raise Refused(400, "INVALIDJOBSTATE", f"InvalidJobState : a job that is {job.state} has no results yet")
        name, columns = KINDS[kind]
        rows = self.store.results(job.id, name)
        if self.faults.script.shuffled:
            random.Random(job.id + kind).shuffle(rows)
        fault = _fault(job)
        if fault and name == "succeeded":
            rows = _spoilt(rows, fault)
        head = ",".join([*(f'"{column}"' for column in columns), *self._header(job)])
        text = "".join([head + "\n", *rows])
        cut = self.faults.script.cut_results
        return text[:-cut] if cut and rows else text

    def _step(self, job: Job) -> None:
        fault = _fault(job)
        if job.state == "UploadComplete":
            job.error = self._wrong(job)
            if job.error:
                self._end(job, "Failed")
                return
            job.state = "InProgress"
        stop = fault.rows if fault and fault.kind in ("fail", "abort", "stuck") else None
        if stop is not None and job.read >= stop:
            self._strike(job, fault)
            return
        size = max(1, -(-job.rows // 2))
        if self._read(job, size if stop is None else min(size, stop - job.read)) == 0:
            self._end(job, "JobComplete")

    def _read(self, job: Job, count: int) -> int:
        """Save up to `count` further rows, batch by batch. Returns how many there were."""
        before, header = job.read, self._header(job)
        group = self._groups.setdefault(job.id, Group(job.read))
        while job.read - before < count:
            rows = list(islice(self._reader(job), min(BATCH, count - (job.read - before))))
            if not rows:
                break
            saved = save(self.store, self.faults, group, header, rows)
            self.store.add_results(job.id, "succeeded", lines(saved.succeeded))
            self.store.add_results(job.id, "failed", lines(saved.failed))
            job.read += len(rows)
            job.processed += len(rows)
            job.failed += len(saved.failed)
        return job.read - before

    def _strike(self, job: Job, fault: JobFault | None) -> None:
        if fault and fault.kind == "fail":
            job.error = fault.error
            self._end(job, "Failed")
        elif fault and fault.kind == "abort":
            self._end(job, "Aborted")

    def _end(self, job: Job, state: str) -> None:
        """The job is over; what it did not read is unprocessed."""
        if job.content is not None and state != "JobComplete":
            self.store.add_results(job.id, "unprocessed", lines(self._reader(job)))
        self._readers.pop(job.id, None)
        self._groups.pop(job.id, None)
        self.store.drop_rows(job)
        job.state = state

    def _wrong(self, job: Job) -> str | None:
        """The job's errorMessage, where its CSV cannot be read."""
        if job.content is None:
            return None
        first = job.content.partition(b"\n")[0] + b"\n"
        if first.endswith(b"\r\n") != (job.line_ending == "CRLF"):
            text = "LineEnding is invalid on user data. Current LineEnding setting is"
            return f"ClientInputError : {text} {job.line_ending}"
        header = self._header(job)
        unknown = unknown_column(header, self.store.visible())
        if unknown is not None:
            return f"InvalidBatch : Field name not found : {unknown}"
        widths = {len(row) for row in csv.reader(_text(job))}
        return None if widths == {len(header)} else "InvalidBatch : a row has another number of fields than the header"

    def _header(self, job: Job) -> list[str]:
        return next(csv.reader(_text(job)), [])

    def _reader(self, job: Job) -> Iterator[list[str]]:
        """The rows of the job not read so far."""
        if job.id not in self._readers:
            self._readers[job.id] = islice(csv.reader(_text(job)), 1 + job.read, None)
        return self._readers[job.id]


def info(job: Job) -> dict[str, object]:
    """A job in the form of the API."""
    fault = _fault(job)
    content: dict[str, object] = {
        "id": job.id,
        "operation": "update",
        "object": "Lead",
        "createdById": job.created_by,
        "createdDate": job.created_at,
        "systemModstamp": job.created_at,
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": job.api_version,
        "jobType": "V2Ingest",
        "contentUrl": f"services/data/v{job.api_version}/jobs/ingest/{job.id}/batches",
        "lineEnding": job.line_ending,
        "columnDelimiter": "COMMA",
    }
    if job.state in ("InProgress", *FINAL):
        lie = fault.rows if fault and fault.kind == "miscount" else 0
        content |= {
            "numberRecordsProcessed": job.processed + lie,
            "numberRecordsFailed": job.failed,
            "retries": 0,
            "totalProcessingTime": job.processed,
        }
    return content | ({"errorMessage": job.error} if job.error else {})


def _spoilt(rows: list[str], fault: JobFault) -> list[str]:
    """The lines of the rows that succeeded, as the fault leaves them."""
    struck = rows[: fault.rows]
    if fault.kind == "lose":
        return rows[fault.rows :]
    if fault.kind == "nameless":
        cells = csv.reader(struck)
        return [*lines([cell if cell != row[0] else "" for cell in row] for row in cells), *rows[fault.rows :]]
    if fault.kind == "foreign":
        strangers = (to_18(f"00QZZ{number:010d}") for number in range(fault.rows))
        cells = csv.reader(struck)
        others = [[one if cell == row[0] else cell for cell in row] for one, row in zip(strangers, cells, strict=False)]
        return [*rows, *lines(others)]
    return [*rows, *struck] if fault.kind == "twice" else rows


def _fault(job: Job) -> JobFault | None:
    return JobFault.model_validate_json(job.fault) if job.fault else None


def _text(job: Job) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(job.content or b""), encoding="utf-8", newline="")
