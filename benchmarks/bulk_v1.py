"""The old Bulk API 1.0 with JSON, as simple-salesforce's `sf.bulk.Lead.update` speaks it. The sync never uses it.
Benchmark and test add it to the stand-in org.

It exists so that the old way of sending can be measured against ours, on the same org. A batch is saved when it is
first asked after, so it costs the client three requests, the fewest there can be, and no wait; a real org lets it wait
five seconds and ask again. Jobs and batches are kept in memory: they do not survive a restart.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from salesforce_stand_in.faults import Faults, Operation
from salesforce_stand_in.fields import NULL
from salesforce_stand_in.jobs import Refused
from salesforce_stand_in.messages import Answer, Request, as_json
from salesforce_stand_in.rows import Group, Saved, save, unknown_column
from salesforce_stand_in.store import Store
from v4_assets.config.salesforce import to_18

AT = "/services/async/"
SESSION = "x-sfdc-session"
"""The header that carries the token."""
_JOB = r"/job/(?P<job>\w+)"
_BATCH = rf"{_JOB}/batch/(?P<batch>\w+)"
_ROUTES: tuple[tuple[str, str, Operation], ...] = (
    ("POST", "/job", "create"),
    ("POST", _JOB, "close"),
    ("POST", f"{_JOB}/batch", "upload"),
    ("GET", _BATCH, "poll"),
    ("GET", f"{_BATCH}/result", "results"),
)
LARGEST_BATCH = 10_000


@dataclass
class _Batch:
    id: str
    job: str
    records: list[dict[str, object]]
    state: str = "Queued"
    message: str | None = None
    results: list[dict[str, object]] = field(default_factory=list)

    def info(self) -> dict[str, object]:
        failed = sum(not one["success"] for one in self.results)
        content = {"id": self.id, "jobId": self.job, "state": self.state, "stateMessage": self.message}
        return {**content, "numberRecordsProcessed": len(self.results), "numberRecordsFailed": failed}


def route(request: Request) -> tuple[Operation, dict[str, str]]:
    """What a request is, and the ids in its path; `any` is nothing there is."""
    for method, pattern, operation in _ROUTES:
        found = re.fullmatch(rf"{AT}\d\d\.\d{pattern}/?", request.path) if request.method == method else None
        if found:
            return operation, found.groupdict()
    return "any", {}


@dataclass
class BulkV1:
    """Jobs that update Lead from JSON."""

    store: Store
    faults: Faults
    path: str = AT
    token_header: str = SESSION
    _jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    _batches: dict[str, _Batch] = field(default_factory=dict)

    def operation(self, request: Request) -> Operation:
        """What a request is, for faults and counting."""
        return route(request)[0]

    def answer(self, request: Request) -> Answer:
        """The answer to a request, and what it does."""
        operation, named = route(request)
        try:
            with self.store.turn():
                return self._served(operation, named, request)
        except Refused as refused:
            return as_json(refused.status, {"exceptionCode": refused.code, "exceptionMessage": str(refused)})

    def _served(self, operation: Operation, named: dict[str, str], request: Request) -> Answer:
        if operation == "create":
            return as_json(201, self._create(json.loads(request.body)))
        job = self._jobs.get(named.get("job", ""))
        if job is None:
            raise Refused(400, "InvalidJob", "there is no such job")
        if operation == "close":
            job["state"] = json.loads(request.body)["state"]
            return as_json(200, job)
        if operation == "upload":
            return as_json(201, self._add(job, json.loads(request.body)).info())
        batch = self._batches.get(named["batch"])
        if batch is None or batch.job != job["id"]:
            raise Refused(400, "InvalidBatch", "there is no such batch")
        if operation == "results":
            if batch.state == "Queued":
                raise Refused(400, "InvalidBatch", "the batch is not completed")
            return as_json(200, batch.results)
        if batch.state == "Queued":
            self._save(batch)
        return as_json(200, batch.info())

    def _create(self, asked: dict[str, object]) -> dict[str, object]:
        for name, value in {"object": "Lead", "operation": "update", "contentType": "JSON"}.items():
            if asked.get(name) != value:
                raise Refused(400, "InvalidJob", f"{name} {asked.get(name)} is not imitated here")
        job_id = to_18(f"7506h{len(self._jobs):010d}")
        self._jobs[job_id] = {**asked, "id": job_id, "state": "Open"}
        return self._jobs[job_id]

    def _add(self, job: dict[str, object], records: list[dict[str, object]]) -> _Batch:
        if job["state"] != "Open":
            raise Refused(400, "InvalidJobState", f"the job is {job['state']}")
        if len(records) > LARGEST_BATCH:
            raise Refused(400, "ExceededQuota", f"{len(records)} records are more than a batch takes")
        batch = _Batch(to_18(f"7516h{len(self._batches):010d}"), str(job["id"]), records)
        self._batches[batch.id] = batch
        return batch

    def _save(self, batch: _Batch) -> None:
        header = list(dict.fromkeys(name for record in batch.records for name in record))
        unknown = unknown_column(header, self.store.visible())
        if unknown is not None:
            batch.state, batch.message = "Failed", f"InvalidBatch : Field name not found : {unknown}"
            return
        rows = [[_cell(record[name]) if name in record else "" for name in header] for record in batch.records]
        batch.results = _in_order(rows, save(self.store, self.faults, Group(), header, rows))
        batch.state, batch.records = "Completed", []


def _cell(value: object) -> str:
    """A JSON value as a cell of CSV."""
    if value is None:
        return NULL
    return value if isinstance(value, str) else json.dumps(value)


def _in_order(rows: Sequence[list[str]], outcome: Saved) -> list[dict[str, object]]:
    """A result for every row, in the order of the rows."""
    good, bad = iter(outcome.succeeded), iter(outcome.failed)
    saved, results = next(good, None), []
    for row in rows:
        if saved is not None and saved[2:] == row:
            results.append({"success": True, "created": False, "id": saved[0], "errors": []})
            saved = next(good, None)
        else:
            code, _, message = next(bad)[1].partition(":")
            error = {"statusCode": code, "message": message.removesuffix("--").strip(" :"), "fields": []}
            results.append({"success": False, "created": False, "id": None, "errors": [error]})
    return results
