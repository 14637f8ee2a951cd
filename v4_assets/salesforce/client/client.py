"""The real Salesforce client: the protocol `Org` over simple-salesforce, step by step.

The library's own `bulk2.Lead.update` loses the job's id in a crash, gives up a running job for one bad poll and never
logs in again. So its private Bulk API 2.0 client is driven one request at a time, over a session that has the patience
(salesforce_http.py). Uploads and result files are requests of ours: the library copies the first twice and garbles
what is not ASCII in the second. A plain object, not a configurable resource, whose configuration Dagster would show.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

from simple_salesforce.api import Salesforce
from simple_salesforce.bulk2 import Operation

from v4_assets.config.record_ids import to_18
from v4_assets.config.salesforce import SalesforceTarget
from v4_assets.errors import AmbiguousAnswerError, OrgRefusedError, SalesforceError, SalesforceSetupError
from v4_assets.salesforce.client.auth import Login
from v4_assets.salesforce.client.http import OrgSession, Patience
from v4_assets.salesforce.client.org import JobResults, JobState, JobStatus, LeadField, OrgIdentity, RowFailure

LARGEST_UPLOAD = 100 * 1024 * 1024
"""Bytes of CSV that one job takes."""
LONGEST_QUERY = 15_000
"""Characters, as they stand in the address; Salesforce takes 16,384 with the rest."""
ATTEMPTS_TO_SET_STATE = 3
COUNTS = "numberRecordsProcessed", "numberRecordsFailed"
_PLACEHOLDER = "held by the session"


class SalesforceClient:
    """A Salesforce org, reached as the configured user. Nothing is sent before the first call."""

    def __init__(
        self, target: SalesforceTarget | Callable[[], SalesforceTarget], patience: Patience | None = None
    ) -> None:
        """`target` may be found only when it is needed: a stand-in org may start later than we."""
        self._given = target
        self._patience = patience or Patience()
        self._host = ""
        self._identity: OrgIdentity | None = None

    def __repr__(self) -> str:
        return f"SalesforceClient({'found later' if callable(self._given) else self._given.domain})"

    def identity(self) -> OrgIdentity:
        """Org id and whether it is a sandbox: asked once per login. A refreshed sandbox is another org, and its
        tokens are others."""
        if self._identity is None:
            self._identity = self._asked_identity()
        return self._identity

    def _asked_identity(self) -> OrgIdentity:
        found = list(self._org.query_all_iter("SELECT Id, IsSandbox FROM Organization"))
        if len(found) != 1:
            raise SalesforceSetupError(f"{self._target.domain} does not say which org it is: {len(found)} answers.")
        return OrgIdentity(to_18(found[0]["Id"]), bool(found[0]["IsSandbox"]))

    def lead_fields(self) -> Mapping[str, LeadField]:
        """Fields of Lead visible to us, by name."""
        lead: Any = self._org.Lead
        described = lead.describe()
        return {
            each["name"]: LeadField(
                name=each["name"],
                type=each["type"],
                precision=each.get("precision") or 0,
                scale=each.get("scale") or 0,
                length=each.get("length") or 0,
                updateable=bool(each.get("updateable")),
            )
            for each in described["fields"]
        }

    def requests_left(self) -> int:
        """DailyApiRequests remaining. Answered even below the floor."""
        return int(self._org.limits()["DailyApiRequests"]["Remaining"])

    def read_leads(self, fields: Sequence[str], where: str = "") -> Iterator[Mapping[str, object]]:
        """Lead rows with Id (18 characters) and `fields`, page by page. `where` is a SOQL condition."""
        names = ["Id", *(name for name in fields if name != "Id")]
        query = f"SELECT {', '.join(names)} FROM Lead" + (f" WHERE {where}" if where else "")
        if len(quote(query)) > LONGEST_QUERY:
            raise SalesforceError(
                f"A condition of {len(where)} characters does not fit into a request. Ask for 400 ids at a time."
            )
        for record in self._org.query_all_iter(query):
            yield {name: record.get(name) for name in names} | {"Id": to_18(record["Id"])}

    def create_job(self) -> str:
        """Open a job that updates Lead from CSV; its id. Ambiguous: open_jobs() tells whether one was made."""
        self._verify()
        return str(self._bulk.create_job(Operation.update)["id"])

    def open_jobs(self) -> Sequence[str]:
        """Ids of our own Lead update jobs still Open: left over from an ambiguous create."""
        page = self._get(f"{self._org.bulk2_url}ingest?jobType=V2Ingest")
        found: list[str] = []
        while True:
            found += [job["id"] for job in page["records"] if self._is_ours(job) and job["state"] == "Open"]
            if page["done"]:
                return found
            page = self._get(f"https://{self._org.sf_instance}{page['nextRecordsUrl']}")

    def upload(self, job_id: str, csv: bytes) -> None:
        """PUT the rows, once per job. Raises AmbiguousAnswerError when it is not known whether they arrived."""
        if len(csv) > LARGEST_UPLOAD:
            raise SalesforceError(f"{len(csv):,} bytes are more than a job takes ({LARGEST_UPLOAD:,}). Split the rows.")
        self._verify()
        headers = {"Content-Type": "text/csv; charset=UTF-8", "Accept": "application/json"}
        self._session.put(f"{self._job_url(job_id)}/batches", data=csv, headers=headers)

    def close(self, job_id: str) -> None:
        """UploadComplete. Safe to repeat: an ambiguous answer is resolved by reading the state."""
        self._verify()
        state = self._set_state(job_id, self._bulk.close_job, JobState.OPEN)
        if state in (JobState.ABORTED, JobState.GONE):
            raise SalesforceError(f"Job {job_id} is {state.value}: its rows were not taken. Make a new job for them.")

    def status(self, job_id: str) -> JobStatus:
        """The job now; state GONE when the org does not know it."""
        try:
            said: Any = self._bulk.get_job(job_id, False)
        except OrgRefusedError as error:
            if error.status == 404:
                return JobStatus(job_id, JobState.GONE)
            raise
        try:
            state = JobState(said["state"])
        except ValueError as error:
            raise SalesforceError(f"Job {job_id} is {said['state']}, a state nobody has heard of.") from error
        processed, failed = (int(said.get(name) or 0) for name in COUNTS)
        return JobStatus(job_id, state, processed, failed, said.get("errorMessage"))

    def results(self, job_id: str, expected: int | None = None) -> JobResults:
        """The result files of a final job; only the first where `expected` leads, each once, stand in it."""
        succeeded = [_lead_id(row) for row in self._rows(job_id, "successfulResults")]
        if len(succeeded) == len(set(succeeded)) == expected:
            return JobResults(succeeded, failed=(), unprocessed=())
        return JobResults(
            succeeded=succeeded,
            failed=[_failure(row) for row in self._rows(job_id, "failedResults")],
            unprocessed=[_lead_id(row) for row in self._rows(job_id, "unprocessedrecords")],
        )

    def abort(self, job_id: str) -> None:
        """Abort a job that is not final; nothing happens to one that is."""
        self._verify()
        unfinished = JobState.OPEN, JobState.UPLOAD_COMPLETE, JobState.IN_PROGRESS
        self._set_state(job_id, lambda job: self._bulk.abort_job(job, False), *unfinished)

    @cached_property
    def _target(self) -> SalesforceTarget:
        return self._given() if callable(self._given) else self._given

    @cached_property
    def _login(self) -> Login:
        return Login(self._target, self._patience)

    @cached_property
    def _session(self) -> OrgSession:
        return OrgSession(self._target, self._patience, self._token)

    @cached_property
    def _org(self) -> Salesforce:
        self._session.log_in()
        return Salesforce(
            session_id=_PLACEHOLDER,
            instance_url=f"https://{self._host}",
            version=self._target.api_version,
            session=self._session,
        )

    @property
    def _bulk(self) -> Any:
        bulk: Any = self._org.bulk2
        return bulk.Lead._client

    def _token(self) -> str:
        token, self._host = self._login.token()
        self._identity = None
        return token

    @cached_property
    def _user_id(self) -> str:
        return to_18(str(self._get(self._org.base_url)["identity"]).rpartition("/")[2])

    def _is_ours(self, job: Mapping[str, Any]) -> bool:
        wanted = job["object"] == "Lead" and job["operation"] == "update"
        return bool(wanted) and to_18(job["createdById"]) == self._user_id

    def _verify(self) -> None:
        """Before anything is written: the org is the configured one."""
        found, target = self.identity(), self._target
        if found != OrgIdentity(target.org_id_18, target.sandbox):
            kinds = {True: "sandbox", False: "production org"}
            raise SalesforceSetupError(
                f"{target.domain} is the {kinds[found.is_sandbox]} {found.org_id}, but V4_SALESFORCE_ORG_ID and "
                f"V4_SALESFORCE_SANDBOX name the {kinds[target.sandbox]} {target.org_id_18}. Nothing was written; set "
                "the variables of the org you mean."
            )

    def _set_state(self, job_id: str, ask: Any, *wrong: JobState) -> JobState:
        """Ask until the job has left the states that are wrong; the state it is in then."""
        for _ in range(ATTEMPTS_TO_SET_STATE):
            try:
                said = ask(job_id)
            except (AmbiguousAnswerError, OrgRefusedError) as error:
                failure = error
            else:
                return JobState(said["state"])
            state = self.status(job_id).state
            if state not in wrong:
                return state
            if isinstance(failure, OrgRefusedError):
                break
        raise failure

    def _job_url(self, job_id: str) -> str:
        return f"{self._org.bulk2_url}ingest/{job_id}"

    def _get(self, url: str) -> Any:
        return self._session.get(url).json()

    def _rows(self, job_id: str, kind: str) -> Iterator[dict[str, str]]:
        answer = self._session.get(f"{self._job_url(job_id)}/{kind}/", headers={"Accept": "text/csv"})
        return csv.DictReader(io.TextIOWrapper(io.BytesIO(answer.content), encoding="utf-8", newline=""))


def _lead_id(row: Mapping[str, str]) -> str:
    """By our own column: sf__Id is often blank."""
    if not row.get("Id"):
        raise SalesforceError(f"A result file of Salesforce's has no Id of ours in it, only {sorted(row)}.")
    return to_18(row["Id"])


def _failure(row: Mapping[str, str]) -> RowFailure:
    code, _, message = row["sf__Error"].partition(":")
    return RowFailure(_lead_id(row), code, message.strip().removesuffix("--").strip(" :"))
