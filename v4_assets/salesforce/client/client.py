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

from v4_assets.config.salesforce import SalesforceTarget, is_record_id, to_18
from v4_assets.errors import AmbiguousAnswerError, OrgRefusedError, SalesforceError, SalesforceSetupError
from v4_assets.salesforce.client.auth import Login
from v4_assets.salesforce.client.http import OrgSession, Patience
from v4_assets.salesforce.client.org import JobResults, JobState, JobStatus, LeadField, OrgIdentity, RowFailure

LARGEST_UPLOAD = 100 * 1024 * 1024
"""Bytes of CSV that one job takes."""
LONGEST_QUERY = 15_000
"""Characters, as they stand in the address; Salesforce takes 16,384 with the rest."""
ATTEMPTS_TO_SET_STATE = 3
RESULT_TRIES = 3
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
        tokens are others.

        Raises SalesforceSetupError when it is not the configured org.
        """
        if self._identity is None:
            found, target = self._asked_identity(), self._target
            if found != OrgIdentity(target.org_id_18, target.sandbox):
                kinds = {True: "sandbox", False: "production org"}
                raise SalesforceSetupError(
                    f"{target.domain} is the {kinds[found.is_sandbox]} {found.org_id}, but V4_SALESFORCE_ORG_ID and "
                    f"V4_SALESFORCE_SANDBOX name the {kinds[target.sandbox]} {target.org_id_18}. Nothing was read or "
                    "written; set the variables of the org you mean."
                )
            self._identity = found
        return self._identity

    def _asked_identity(self) -> OrgIdentity:
        found = list(self._org.query_all_iter("SELECT Id, IsSandbox FROM Organization"))
        if len(found) != 1:
            raise SalesforceSetupError(f"{self._target.domain} does not say which org it is: {len(found)} answers.")
        return OrgIdentity(to_18(found[0]["Id"]), bool(found[0]["IsSandbox"]))

    def lead_fields(self) -> Mapping[str, LeadField]:
        """Fields of Lead visible to us, by name."""
        lead: Any = self._verified.Lead
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
        return int(self._verified.limits()["DailyApiRequests"]["Remaining"])

    def read_leads(self, fields: Sequence[str], where: str = "") -> Iterator[Mapping[str, object]]:
        """Lead rows with Id (18 characters) and `fields`, page by page. `where` is a SOQL condition."""
        names = ["Id", *(name for name in fields if name != "Id")]
        query = f"SELECT {', '.join(names)} FROM Lead" + (f" WHERE {where}" if where else "")
        if len(quote(query)) > LONGEST_QUERY:
            raise SalesforceError(
                f"A condition of {len(where)} characters does not fit into a request. Ask for 400 ids at a time."
            )
        for record in self._verified.query_all_iter(query):
            yield {name: record.get(name) for name in names} | {"Id": to_18(record["Id"])}

    def create_job(self) -> str:
        """Open a job that updates Lead from CSV; its id."""
        return str(self._bulk.create_job(Operation.update)["id"])

    def upload(self, job_id: str, csv: bytes) -> None:
        """PUT the rows, once per job. Raises AmbiguousAnswerError when it is not known whether they arrived."""
        if len(csv) > LARGEST_UPLOAD:
            raise SalesforceError(f"{len(csv):,} bytes are more than a job takes ({LARGEST_UPLOAD:,}). Split the rows.")
        headers = {"Content-Type": "text/csv; charset=UTF-8", "Accept": "application/json"}
        self._session.put(f"{self._job_url(job_id)}/batches", data=csv, headers=headers)

    def close(self, job_id: str) -> None:
        """UploadComplete. Safe to repeat: an ambiguous answer is resolved by reading the state."""
        state = self._set_state(job_id, self._bulk.close_job, JobState.OPEN)
        if state in (JobState.ABORTED, JobState.GONE):
            raise SalesforceError(f"Job {job_id} is {state.value}: its rows were not taken. Make a new job for them.")

    def status(self, job_id: str) -> JobStatus:
        """The job now; state GONE when the org does not know it."""
        try:
            answer: Any = self._bulk.get_job(job_id, False)
        except OrgRefusedError as error:
            if error.status == 404:
                return JobStatus(job_id, JobState.GONE)
            raise
        name = answer.get("state") if isinstance(answer, dict) else None
        if name not in {state.value for state in JobState}:
            raise SalesforceError(f"Job {job_id} is in an unknown state: {name}.")
        processed, failed = (int(answer.get(count) or 0) for count in COUNTS)
        return JobStatus(job_id, JobState(name), processed, failed, answer.get("errorMessage"))

    def results(self, job_id: str, expected: int | None = None) -> JobResults:
        """The result files of a final job; only the first when it has exactly `expected` leads.

        Rows that name no lead are counted, not raised: the leads they were about stay unaccounted for.
        """
        done = self._rows(job_id, "successfulResults")
        succeeded, unusable = _lead_ids(done)
        if len(succeeded) == len(set(succeeded)) == expected and not unusable:
            return JobResults(succeeded, failed=(), unprocessed=())
        refused, left = self._rows(job_id, "failedResults"), self._rows(job_id, "unprocessedrecords")
        failed = [failure for failure in map(_failure, refused) if failure]
        unprocessed, cut = _lead_ids(left)
        return JobResults(succeeded, failed, unprocessed, unusable + cut + len(refused) - len(failed))

    def abort(self, job_id: str) -> None:
        """Abort a job that is not final; nothing happens to one that is."""
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
        bulk: Any = self._verified.bulk2
        return bulk.Lead._client

    def _token(self) -> str:
        token, self._host = self._login.token()
        self._identity = None
        return token

    @property
    def _verified(self) -> Salesforce:
        """The org, once it has said that it is the configured one: before anything is read or written."""
        self.identity()
        return self._org

    def _set_state(self, job_id: str, ask: Any, *wrong: JobState) -> JobState:
        """Ask until the job has left the states that are wrong; the state it is in then."""
        for _ in range(ATTEMPTS_TO_SET_STATE):
            try:
                answer = ask(job_id)
            except (AmbiguousAnswerError, OrgRefusedError) as error:
                failure = error
            else:
                return JobState(answer["state"])
            state = self.status(job_id).state
            if state not in wrong:
                return state
            if isinstance(failure, OrgRefusedError):
                break
        raise failure

    def _job_url(self, job_id: str) -> str:
        return f"{self._verified.bulk2_url}ingest/{job_id}"

    def _rows(self, job_id: str, kind: str) -> list[dict[str, str]]:
        for _ in range(RESULT_TRIES):
            answer = self._session.get(f"{self._job_url(job_id)}/{kind}/", headers={"Accept": "text/csv"})
            if answer.content.endswith(b"\n"):
                break  # otherwise it is probably cut off; the last answer is used as far as it goes
        text = io.TextIOWrapper(io.BytesIO(answer.content), encoding="utf-8", errors="replace", newline="")
        return list(csv.DictReader(text))


def _lead_id(row: Mapping[str, str | None]) -> str | None:
    """By our own column, since sf__Id is often blank; None when the row names no lead."""
    given = row.get("Id") or ""
    return to_18(given) if is_record_id(given) else None


def _lead_ids(rows: Sequence[Mapping[str, str]]) -> tuple[list[str], int]:
    """The leads that the rows name, and the number of rows that name none."""
    found = [lead for lead in map(_lead_id, rows) if lead]
    return found, len(rows) - len(found)


def _failure(row: Mapping[str, str | None]) -> RowFailure | None:
    """A refusal; None when the row is cut off before it says which lead and why."""
    lead, error = _lead_id(row), row.get("sf__Error")
    if lead is None or not error:
        return None
    code, _, message = error.partition(":")
    return RowFailure(lead, code, message.strip().removesuffix("--").strip(" :"))
