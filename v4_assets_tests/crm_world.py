"""A warehouse with scores that have passed their checks, and an org that shall carry them.

No model is run: scores are written as they are wanted, beside the records that say who is live and what has passed.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import SecretStr

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.configuration.rollout_file import Rollout
from v4_assets.modelling.ranking import deciles, deprioritized, percentiles
from v4_assets.resources.crm import CRM, Wait
from v4_assets.resources.duckdb.warehouse import DuckDBWarehouse
from v4_assets.resources.salesforce.client import SalesforceClient
from v4_assets.resources.salesforce.http import Patience
from v4_assets.resources.salesforce.org import Org
from v4_assets.resources.warehouse import arrow_schema
from v4_assets.salesforce import syncing
from v4_assets.salesforce.fields import examine
from v4_assets.salesforce.ledger import Ledger
from v4_assets.salesforce.record_ids import to_18
from v4_assets.salesforce.shipment import verified
from v4_assets.sample.org import SeedLead, StandInOrg, local_target
from v4_assets.settings import load

DAY, NEXT_DAY = date(2026, 1, 12), date(2026, 1, 13)
OLD, NEW = "v4.0.0", "v4.1.0"
SHA = {OLD: "a" * 64, NEW: "b" * 64}
ROLLOUT = load({"V4_HOME": "/nowhere"}).rollout
RULES = {
    "retry_wait_seconds": 20,
    "poll_deadline_minutes": 60,
    "rows_per_job": 100_000,
    "read_back": "all",
}


def lead(number: int) -> str:
    """A lead's id, 18 characters."""
    return to_18(f"00QAb{number:010d}")


def leads(count: int) -> list[str]:
    return [lead(number) for number in range(count)]


@dataclass
class Timer:
    """Time that passes only by waiting."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    @property
    def wait(self) -> Wait:
        return Wait(self.sleep, lambda: self.seconds)


@dataclass
class World:
    """A warehouse in `home`, and what a sync needs."""

    home: Path
    rules: dict[str, Any] = field(default_factory=dict)
    day: date = DAY
    timer: Timer = field(default_factory=Timer)
    told: list[str] = field(default_factory=list)

    @property
    def rollout(self) -> Rollout:
        return ROLLOUT.model_copy(update={"salesforce": ROLLOUT.salesforce.model_copy(update=RULES | self.rules)})

    @property
    def warehouse(self) -> DuckDBWarehouse:
        return DuckDBWarehouse(path=str(self.home / "warehouse.duckdb"), lock_seconds=30)

    @property
    def clock(self) -> Clock:
        return Clock(datetime.combine(self.day, time(11, 30), UTC))

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.warehouse, self.rollout.catalogue, self.clock)

    def prepare(self, live: str = OLD) -> "World":
        catalogue = self.rollout.catalogue
        self.warehouse.create(catalogue.values())
        self.go_live(live)
        return self

    def go_live(self, version: str) -> None:
        """Make a version live, by a switch of its own."""
        entry = self.rollout.versions[version]
        row = {"version": version, "features_view": entry.features_view, "scores_table": entry.scores_table}
        row |= {"model_uri": "models", "model_sha256": SHA[version], "event_id": f"switch-{random.random()}"}
        self.put(tables.PRODUCTION, [row])

    def score(self, version: str, scores: Mapping[str, float], sequence: int = 1, *, passed: bool = True) -> None:
        """Write a version's scores of the day, with everything they are made from, judged."""
        catalogue = self.rollout.catalogue
        key = tables.scores_key(self.rollout.versions[version].key)
        values = np.array(list(scores.values()))
        ranks = percentiles(values, np.arange(len(values)))
        constants = {"advisor_crd": None, "reason_1": None, "reason_2": None, "reason_3": None}
        constants |= {"prediction_date": self.day, "model_version": version, "model_sha256": SHA[version]}
        constants |= {"scored_at": self.clock.now(), "retrospective": False}
        columns = {
            "lead_id": pa.array(scores),
            "score": pa.array(values),
            "percentile": pa.array(ranks, pa.int64()),
            "decile": pa.array(deciles(ranks), pa.int64()),
            "deprioritize": pa.array(deprioritized(ranks)),
        }
        schema = arrow_schema(catalogue[key])
        rows = pa.table(
            {
                one.name: columns[one.name]
                if one.name in columns
                else pa.repeat(pa.scalar(constants[one.name], one.type), len(scores))
                for one in schema
            },
            schema=schema,
        )
        self.warehouse.replace_table(catalogue[key], rows.to_batches())
        self._record(catalogue.lineage(version), sequence, passed=passed)

    def _record(self, keys: tuple[str, ...], sequence: int, *, passed: bool) -> None:
        catalogue = self.rollout.catalogue
        writes, judged = self.all(tables.PARTITION_WRITES), self.all(tables.PARTITION_VERDICTS)
        for key in (*keys, tables.SOURCE_OBSERVATIONS):
            base = {"table_name": catalogue[key].name, "prediction_date": self.day, "sequence": sequence}
            writes.append(
                base
                | {"written_at": self.clock.now(), "row_count": 1, "retrospective": False, "run_id": "run"}
                | {"definition_sha256": "0" * 64, "replace_reason": None}
            )
            failed = "" if passed else "distinct_scores"
            judged.append(base | {"passed": passed, "failed": failed, "judged_at": self.clock.now(), "run_id": "run"})
        self.put(tables.PARTITION_WRITES, writes)
        self.put(tables.PARTITION_VERDICTS, judged)

    def put(self, key: str, rows: list[dict[str, Any]]) -> None:
        table = self.rollout.catalogue[key]
        self.warehouse.replace_table(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)).to_batches())

    def all(self, key: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        with self.warehouse._connection() as connection:
            table = self.rollout.catalogue[key]
            return connection.sql(f'FROM "{table.dataset}"."{table.name}"').to_arrow_table().to_pylist()

    def sync(self, org: Org, *, allowed: str | None = None) -> syncing.Report:
        """One sync of the day."""
        shipment = verified(self.warehouse, self.rollout, self.day)
        fields = examine(self.rollout.salesforce.fields, org.lead_fields(), list(self.rollout.versions))
        assert fields.wrong == ()
        crm = CRM("local", org, self.home / "salesforce", self.timer.wait)
        return syncing.synchronise(
            self.warehouse,
            self.rollout,
            self.clock,
            crm,
            org,
            shipment,
            fields,
            run_id="run",
            allowed=allowed,
            tell=self.told.append,
        )

    def expected(self, version: str) -> dict[str, dict[str, Any]]:
        """What the org must show, by lead: computed from the warehouse by rules of its own."""
        key = tables.scores_key(self.rollout.versions[version].key)
        return {
            row["lead_id"]: {
                "V4_Score__c": int(row["score"] * 100 + 0.5) / 100,
                "V4_Score_Percentile__c": row["percentile"],
                "V4_Deprioritize__c": row["percentile"] <= 20,
                "V4_Model_Version__c": version,
            }
            for row in self.all(key)
        }

    def log(self, lead_id: str | None = None) -> list[dict[str, Any]]:
        """Rows of the sync log, oldest first."""
        rows = [row for row in self.all(tables.SALESFORCE_SYNC_LOG) if lead_id in (None, row["lead_id"])]
        return sorted(rows, key=lambda row: (row["logged_at"], row["attempt"]))


def carried(org: StandInOrg) -> dict[str, dict[str, Any]]:
    """What the org shows, without the instant."""
    return {
        lead_id: {name: value for name, value in row.items() if name != "V4_Scored_At__c"}
        for lead_id, row in org.rows().items()
    }


def spread(ids: list[str], seed: int = 1) -> dict[str, float]:
    """Different scores between 0.3 and 0.7."""
    drawn = np.random.default_rng(seed).uniform(0.3, 0.7, len(ids))
    return dict(zip(ids, map(float, drawn), strict=True))


@contextmanager
def org_of(folder: Path, ids: list[str | SeedLead], **how: Any) -> Iterator[tuple[StandInOrg, SalesforceClient]]:
    """A running org with these leads, and the real client to it."""
    folder.mkdir(parents=True, exist_ok=True)
    with StandInOrg(folder, ids, **how) as org:
        yield org, client_of(org)


def client_of(org: StandInOrg) -> SalesforceClient:
    """The real client to a running org."""
    return client_at(org.folder)


def client_at(folder: Path) -> SalesforceClient:
    """The real client to the org that runs over `folder`. It loses no time on waiting, and none on a private key."""
    quick = {"auth": "client-credentials", "consumer_secret": SecretStr("stand-in-consumer-secret")}
    target = local_target(folder).model_copy(update=quick)
    return SalesforceClient(target, Patience(waits=(0.0, 0.0), read_seconds=60.0, sleep=lambda _: None))
