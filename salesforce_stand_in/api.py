"""The stand-in org's answers: which request does what, with which status, in Salesforce's words."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from salesforce_stand_in.faults import REFUSALS, Faults, Operation, RequestFault
from salesforce_stand_in.fields import OrgField, Value
from salesforce_stand_in.jobs import KINDS, Jobs, Refused, info
from salesforce_stand_in.login import ORG_ID, USER_ID, Login, identity, oauth
from salesforce_stand_in.messages import Answer, Extension, Request, as_json, refusal
from salesforce_stand_in.soql import Query, SoqlError, parse
from salesforce_stand_in.store import Store

LONGEST_URI = 16_384
DAILY_REQUESTS = 100_000
ORGANIZATION = {
    "Id": OrgField(name="Id", type="id"),
    "IsSandbox": OrgField(name="IsSandbox", type="boolean"),
}
OF_QUERIES = "IsDeleted = 0 AND "
"""Deleted leads are in the recycle bin: a job finds them, a query does not."""
_JOB = r"/jobs/ingest/(?P<job>\w+)"


@dataclass(frozen=True)
class _Route:
    method: str
    pattern: str
    """Of the path after /services/data/vXX.X."""
    operation: Operation
    answer: Callable[["Api", "_Call"], Answer]


@dataclass(frozen=True)
class _Call:
    """A request of the API, taken apart."""

    request: Request
    version: float
    named: Mapping[str, str]
    query: Mapping[str, str]

    @property
    def job(self) -> str:
        return self.named["job"]

    @property
    def asked(self) -> dict[str, object]:
        try:
            content: dict[str, object] = json.loads(self.request.body)
        except ValueError as error:
            raise Refused(400, "JSON_PARSER_ERROR", f"the request is no JSON: {error}") from error
        return content


@dataclass(frozen=True)
class _Cursor:
    """Where a query goes on."""

    query: Query
    total: int
    after: str = ""
    """The last id that was answered."""


@dataclass
class Api:
    """All the stand-in org does."""

    store: Store
    faults: Faults
    login: Login
    base: str
    """https address the client is sent to after it logged in."""
    sandbox: bool
    page_size: int = 2000
    jobs: Jobs = field(init=False)
    used: int = 0
    """API requests so far."""
    extensions: list[Extension] = field(default_factory=list)
    """Further APIs that a caller adds."""
    _cursors: dict[str, _Cursor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.jobs = Jobs(self.store, self.faults)

    def operation(self, request: Request) -> Operation:
        """What a request is, for faults and counting; `any` is nothing there is."""
        path = urlsplit(request.path).path
        if path.startswith("/services/oauth2/token"):
            return "login"
        if extension := self._extension(path):
            return extension.operation(request)
        if request.method == "PATCH" and b'"Aborted"' in request.body:
            return "abort"
        route, _ = self._route(request.method, path)
        return route.operation if route else "any"

    def answer(self, request: Request, fault: RequestFault | None) -> Answer:
        """The answer to a request, and what it does."""
        if fault and fault.kind == "unavailable":
            return refusal(503, "SERVER_UNAVAILABLE", "The service is temporarily unavailable")
        path = urlsplit(request.path).path
        if path.startswith("/services/oauth2/token"):
            return oauth(self.login, request, self.base)
        if fault and fault.kind == "expired_token":
            self.login.expire()
        extension = self._extension(path)
        token = request.headers.get(extension.token_header if extension else "authorization", "")
        if token.removeprefix("Bearer ") not in self.login.tokens:
            return refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
        self.used += 1
        kind = fault.kind if fault else None
        refused = REFUSALS.get(kind if self.faults.spend_request() else "request_limit")
        if refused:
            return refusal(403, *refused)
        return extension.answer(request) if extension else self._served(request, path)

    def _extension(self, path: str) -> Extension | None:
        return next((each for each in self.extensions if path.startswith(each.path)), None)

    def limits(self) -> tuple[int, int]:
        """API requests of the last day: used, and allowed."""
        left = self.faults.script.requests_left
        return (self.used if left is None else DAILY_REQUESTS - left), DAILY_REQUESTS

    def _served(self, request: Request, path: str) -> Answer:
        route, named = self._route(request.method, path)
        if route is None:
            return refusal(404, "NOT_FOUND", "The requested resource does not exist")
        if len(request.path) > LONGEST_URI:
            return Answer(414, b"<h1>URI Too Long</h1>", "text/html")
        query = {name: values[-1] for name, values in parse_qs(urlsplit(request.path).query).items()}
        try:
            with self.store.turn():
                return route.answer(self, _Call(request, float(named["version"]), named, query))
        except Refused as refused:
            return refusal(refused.status, refused.code, str(refused))
        except SoqlError as refused:
            return refusal(400, refused.code, str(refused))

    @staticmethod
    def _route(method: str, path: str) -> tuple[_Route | None, dict[str, str]]:
        for route in ROUTES:
            pattern = rf"/services/data/v(?P<version>\d\d\.\d){route.pattern}/?"
            found = re.fullmatch(pattern, path, re.IGNORECASE) if route.method == method else None
            if found:
                return route, found.groupdict()
        return None, {}

    def resources(self, call: _Call) -> Answer:
        """What there is under this API version."""
        at = f"/services/data/v{call.version}"
        return as_json(200, {
            "identity": identity(self.base),
            **{name: f"{at}/{name}" for name in ("limits", "query", "sobjects", "jobs")},
        })  # fmt: skip

    def told_limits(self, _: _Call) -> Answer:
        """The daily limits."""
        used, allowed = self.limits()
        return as_json(200, {
            "DailyApiRequests": {"Max": allowed, "Remaining": max(0, allowed - used)},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
        })  # fmt: skip

    def describe(self, _: _Call) -> Answer:
        """The fields of Lead that the user can see."""
        visible = self.store.visible().values()
        return as_json(200, {"name": "Lead", "updateable": True, "fields": [each.describe() for each in visible]})

    def query(self, call: _Call) -> Answer:
        """The first page of a query."""
        self.jobs.settle()
        query = parse(call.query.get("q", ""), {"Lead": self.store.visible(), "Organization": ORGANIZATION})
        if query.of == "Organization":
            known: dict[str, Value] = {"Id": ORG_ID, "IsSandbox": self.sandbox}
            record = {"attributes": {"type": query.of}, **{name: known[name] for name in query.fields}}
            return as_json(200, {"totalSize": 1, "done": True, "records": [record]})
        return self._page(call, _Cursor(query, self.store.count(OF_QUERIES + query.condition, query.values)))

    def more(self, call: _Call) -> Answer:
        """A further page."""
        if call.named["cursor"] not in self._cursors:
            raise Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(call, self._cursors[call.named["cursor"]])

    def _page(self, call: _Call, cursor: _Cursor) -> Answer:
        at, query = f"/services/data/v{call.version}", cursor.query
        size = self.page_size if query.limit is None else min(query.limit, self.page_size)
        rows = self.store.leads(f"{OF_QUERIES}{query.condition} AND Id > ?", (*query.values, cursor.after), size + 1)
        records = [
            {"attributes": {"type": "Lead", "url": f"{at}/sobjects/Lead/{row['Id']}"}}
            | {name: row[name] for name in query.fields}
            for row in rows[:size]
        ]
        content: dict[str, object] = {"totalSize": cursor.total, "done": True, "records": records}
        if query.limit is None and len(rows) > size:
            name = f"01gSM{len(self._cursors):010d}-{self.page_size}"
            self._cursors[name] = _Cursor(query, cursor.total, str(rows[size - 1]["Id"]))
            content |= {"done": False, "nextRecordsUrl": f"{at}/query/{name}"}
        return as_json(200, content)

    def list_jobs(self, call: _Call) -> Answer:
        """Jobs, page by page."""
        start = int(call.query.get("queryLocator", "0"))
        jobs = self.jobs.store.jobs()
        content: dict[str, object] = {
            "done": True,
            "records": [info(job) for job in jobs[start : start + self.page_size]],
        }
        if start + self.page_size < len(jobs):
            url = f"/services/data/v{call.version}/jobs/ingest?queryLocator={start + self.page_size}"
            content |= {"done": False, "nextRecordsUrl": url}
        return as_json(200, content)

    def upload(self, call: _Call) -> Answer:
        """The CSV of a job."""
        self.jobs.upload(call.job, call.request.body)
        return Answer(201)

    def delete(self, call: _Call) -> Answer:
        """Forget a job."""
        self.jobs.delete(call.job)
        return Answer(204)

    def results(self, call: _Call) -> Answer:
        """A result file. Salesforce names no charset; it is UTF-8."""
        return Answer(200, self.jobs.results(call.job, call.named["kind"].lower()).encode(), "text/csv")


ROUTES: tuple[_Route, ...] = (
    _Route("GET", "", "resources", Api.resources),
    _Route("GET", "/limits", "limits", Api.told_limits),
    _Route("GET", "/sobjects/Lead/describe", "describe", Api.describe),
    _Route("GET", "/query", "query", Api.query),
    _Route("GET", r"/query/(?P<cursor>[\w-]+)", "query", Api.more),
    _Route(
        "POST",
        "/jobs/ingest",
        "create",
        lambda api, call: as_json(200, info(api.jobs.create(call.asked, USER_ID, call.version))),
    ),
    _Route("GET", "/jobs/ingest", "list", Api.list_jobs),
    _Route("PUT", f"{_JOB}/batches", "upload", Api.upload),
    _Route(
        "PATCH",
        _JOB,
        "close",
        lambda api, call: as_json(200, info(api.jobs.set_state(call.job, str(call.asked.get("state"))))),
    ),
    _Route("GET", _JOB, "poll", lambda api, call: as_json(200, info(api.jobs.poll(call.job)))),
    _Route("GET", f"{_JOB}/(?P<kind>{'|'.join(KINDS)})", "results", Api.results),
    _Route("DELETE", _JOB, "delete", Api.delete),
)
