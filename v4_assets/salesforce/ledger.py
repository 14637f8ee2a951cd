"""The ledger of the sync: jobs, their rows, and the known state of each lead of the org.

Every change is one transaction, and every transaction checks that the job is still unsettled. So the next run can
finish what a killed process left, and of two runs that work on one job, one fails.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.errors import ConcurrentWriteError, SalesforceError, StaleDecisionError
from v4_assets.salesforce.row_outcomes import all_alike
from v4_assets.tables import Catalogue
from v4_assets.warehouse.protocol import Statement, Warehouse, arrow_schema, rows_of

PLANNED = "PLANNED"
"""Code of a row whose job is not settled."""
RESTORE = "restore-"
"""Begins the key of a job that sends leads which left the scored set their known values again."""


@dataclass(frozen=True)
class SyncRecord:
    """A row of salesforce_syncs, without its sequence and its time."""

    sync_id: str
    target: str
    org_id: str | None
    prediction_date: date
    model_version: str | None
    run_id: str | None
    is_full: bool = False
    leads: int = 0
    sent: int = 0
    confirmed: int = 0
    pending: int = 0
    failed: int = 0
    quarantined: int = 0
    held_back: int = 0
    absent: int = 0
    repaired: int = 0
    owed: str | None = None


@dataclass(frozen=True)
class Job:
    """A row of salesforce_jobs."""

    job_key: str
    job_id: str | None
    org_id: str
    sync_id: str
    prediction_date: date
    model_version: str
    attempt: int
    row_count: int
    planned_at: datetime
    run_id: str | None
    settled_at: datetime | None = None
    org_state: str | None = None
    message: str | None = None

    @property
    def restores(self) -> bool:
        """It sends leads that left the scored set their known values again."""
        return self.job_key.startswith(RESTORE)


@dataclass(frozen=True)
class Sync:
    """One sync: the org, the day, the version, and the switch that made the version live."""

    org_id: str
    day: date
    version: str
    event_id: str
    run_id: str | None = None
    sync_id: str = ""

    @classmethod
    def begun(cls, org_id: str, day: date, version: str, event_id: str, run_id: str | None) -> "Sync":
        """A sync with a new id."""
        return cls(org_id, day, version, event_id, run_id, uuid4().hex)


@dataclass(frozen=True)
class Ledger:
    """The ledger in the warehouse."""

    warehouse: Warehouse
    catalogue: Catalogue
    clock: Clock

    def jobs(self, org_id: str) -> list[Job]:
        """Every job of an org, oldest first."""
        found = self.warehouse.read(self.catalogue.query(tables.SALESFORCE_JOBS))
        return [Job(**row) for row in rows_of(found) if row["org_id"] == org_id]

    def orgs(self) -> list[str]:
        """Every org that jobs were made for, the latest last."""
        found = self.warehouse.read(self.catalogue.query(tables.SALESFORCE_JOBS))["org_id"].to_pylist()
        return list(dict.fromkeys(reversed(found)))[::-1]

    def syncs(self, org_id: str) -> list[dict[str, Any]]:
        """Every sync of an org that ended, oldest first."""
        found = rows_of(self.warehouse.read(self.catalogue.query(tables.SALESFORCE_SYNCS)))
        return [row for row in found if row["org_id"] == org_id]

    def full_is_due(self, org_id: str, day: date, days: int) -> bool:
        """Whether the last full sync of an org that was delivered is `days` old, or there was none."""
        full = [row["prediction_date"] for row in self.syncs(org_id) if row["is_full"] and row["owed"] is None]
        return not full or (day - full[-1]).days >= days

    def record(self, row: SyncRecord) -> None:
        """Record the end of a sync."""
        values = asdict(row) | {"ended_at": self.clock.now(), "failed_rows": row.failed}
        del values["failed"]
        self.warehouse.transact([self._one("salesforce_record_sync", values)])

    def release(self, org_id: str, *, code: str | None = None, lead_id: str | None = None) -> int:
        """Forget refusals, so that the next sync sends these leads again. Returns how many."""
        refused = [
            row
            for row in self.state(org_id).to_pylist()
            if row["refused_code"] and row["refused_code"] == (code or row["refused_code"])
            if row["lead_id"] == (lead_id or row["lead_id"])
        ]
        if refused:
            params = {"org_id": org_id, "code": code, "lead_id": lead_id}
            query = self.catalogue.query("salesforce_release", params)
            self.warehouse.transact([Statement(query, expected_rows=len(refused))])
        return len(refused)

    def state(self, org_id: str) -> pa.Table:
        """The known state of an org's leads: the columns of salesforce_state."""
        found = self.warehouse.read(self.catalogue.query(tables.SALESFORCE_STATE, {"org_id": org_id}))
        return found.cast(arrow_schema(self.catalogue[tables.SALESFORCE_STATE]))

    def seed(self, org_id: str, rows: pa.Table) -> None:
        """Replace the known state of an org by rows that were read from it."""
        table = self.catalogue[tables.SALESFORCE_STATE]
        rows = _completed(rows, {}, arrow_schema(table))
        self.warehouse.replace_slice(table, "org_id", org_id, rows.to_batches())

    def plan(self, sync: Sync, attempt: int, rows: pa.Table, *, restores: bool = False) -> Job:
        """Enter a job and its rows, if production has not changed since the sync began and no other job is unsettled.

        Raises StaleDecisionError otherwise, and changes nothing.
        """
        job = Job(
            job_key=f"{RESTORE if restores else ''}{uuid4().hex}",
            job_id=None,
            org_id=sync.org_id,
            sync_id=sync.sync_id,
            prediction_date=sync.day,
            model_version=sync.version,
            attempt=attempt,
            row_count=len(rows),
            planned_at=self.clock.now(),
            run_id=sync.run_id,
        )
        names = ("job_key", "org_id", "sync_id", "prediction_date", "model_version", "attempt", "row_count")
        row = {name: getattr(job, name) for name in (*names, "planned_at", "run_id")}
        try:
            self.warehouse.transact(
                [
                    # In the same transaction, so that no switch can come between the check and the job.
                    self._one("confirm_production", {"expected_event_id": sync.event_id}),
                    self._one("salesforce_plan_job", row),
                ]
            )
        except ConcurrentWriteError as error:
            raise StaleDecisionError(
                f"Production is no longer {sync.version} by event {sync.event_id[:12]}, or another run is writing to "
                "the org. No job was created. Run the sync again to send the live version."
            ) from error
        self.log(job, all_alike(rows, "pending", PLANNED))
        return job

    def name(self, job: Job, job_id: str) -> None:
        """Note the org's id of a job, before anything is uploaded to it.

        Raises StaleDecisionError when another run has settled the job.
        """
        try:
            self.warehouse.transact([self._one("salesforce_name_job", {"job_key": job.job_key, "job_id": job_id})])
        except ConcurrentWriteError as error:
            raise StaleDecisionError(
                f"Another run settled job {job.job_key[:12]} before it had an id. That run sends its rows."
            ) from error

    def rows_of(self, job: Job) -> pa.Table:
        """The logged rows of a job."""
        params = {"job_key": job.job_key, "prediction_date": job.prediction_date}
        return self.warehouse.read(self.catalogue.query(tables.SALESFORCE_SYNC_LOG, params))

    def log(self, job: Job, outcomes: pa.Table) -> None:
        """Log the outcomes of a job's rows, in place of earlier ones."""
        table = self.catalogue[tables.SALESFORCE_SYNC_LOG]
        constants = {
            "job_key": job.job_key,
            "job_id": job.job_id,
            "org_id": job.org_id,
            "sync_id": job.sync_id,
            "prediction_date": job.prediction_date,
            "attempt": job.attempt,
            "logged_at": self.clock.now(),
        }
        self.warehouse.replace_slice(
            table, "job_key", job.job_key, _completed(outcomes, constants, arrow_schema(table)).to_batches()
        )

    def settle(self, job: Job, org_state: str, message: str | None) -> None:
        """Apply the logged outcomes of a job to the state and close the job; harmless when another run has done so."""
        now = self.clock.now()
        closed = {"job_key": job.job_key, "settled_at": now, "org_state": org_state, "message": message}
        try:
            self.warehouse.transact([self._one("salesforce_settle_job", closed), *self._taken_over(job, now)])
        except ConcurrentWriteError:
            if not any(one.job_key == job.job_key and one.settled_at for one in self.jobs(job.org_id)):
                raise

    def note(self, sync: Sync, what: str, outcomes: pa.Table, *, take_over: bool) -> None:
        """Log rows that belong to no job, under the name `what`; with `take_over`, apply them to the state."""
        job = Job(f"{what}-{sync.sync_id}", None, sync.org_id, sync.sync_id, sync.day, sync.version, 0, len(outcomes),
                  self.clock.now(), sync.run_id)  # fmt: skip
        self.log(job, outcomes)
        if take_over:
            self.warehouse.transact(self._taken_over(job, self.clock.now()))

    def accounts(self, sync: Sync) -> list[dict[str, Any]]:
        """The outcomes of the leads of a sync: the rows of salesforce_accounts."""
        params = {"sync_id": sync.sync_id, "prediction_date": sync.day}
        found = rows_of(self.warehouse.read(self.catalogue.query("salesforce_accounts", params)))
        return sorted(found, key=lambda row: (row["outcome"], row["code"] or ""))

    def _taken_over(self, job: Job, now: datetime) -> list[Statement]:
        key = {"job_key": job.job_key, "prediction_date": job.prediction_date}
        return [
            Statement(self.catalogue.query("salesforce_forget", {**key, "org_id": job.org_id})),
            Statement(self.catalogue.query("salesforce_confirm", {**key, "known_at": now, "restores": job.restores})),
        ]

    def _one(self, file: str, params: Mapping[str, object]) -> Statement:
        return Statement(self.catalogue.query(file, params), expected_rows=1)


def unsettled(jobs: Iterable[Job]) -> list[Job]:
    """The jobs whose results are not applied yet. Raises SalesforceError when there are several."""
    found = [job for job in jobs if job.settled_at is None]
    if len(found) > 1:
        raise SalesforceError(
            f"{len(found)} jobs in v4_salesforce_jobs are unsettled, expected at most 1: "
            f"{', '.join(job.job_key for job in found)}. The ledger was edited by hand; undo the edit."
        )
    return found


def _completed(rows: pa.Table, constants: Mapping[str, object], schema: pa.Schema) -> pa.Table:
    """The rows with constants in the columns they lack, in the order and the types of `schema`."""
    columns = []
    for field in schema:
        if field.name in constants:
            columns.append(pa.repeat(pa.scalar(constants[field.name], field.type), len(rows)))
        else:
            columns.append(pc.cast(rows[field.name], field.type))
    return pa.table(columns, schema=schema)
