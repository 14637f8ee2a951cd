"""The SQL files of the Salesforce ledger, executed: what test_sql_files.py runs for each of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Protocol

import pyarrow as pa
import pytest

from v4_assets import tables
from v4_assets.errors import ConcurrentWriteError
from v4_assets.resources.duckdb.warehouse import DuckDBWarehouse
from v4_assets.resources.warehouse import Statement
from v4_assets.tables import Catalogue

DAY = date(2025, 7, 15)
AT = datetime(2025, 7, 15, 11, tzinfo=UTC)
ORG, OTHER_ORG = "00D000000000001EAA", "00D000000000002EAA"
VALUES = {"score": 0.43, "percentile": 57, "deprioritize": False, "model_version": "v4.1.0"}
KNOWN: dict[str, Any] = {
    **{"org_id": ORG, "lead_id": "kept", **VALUES, "as_of": DAY},
    **{"refused_code": None, "refused_message": None, "refused_on": None, "known_at": AT},
}
LOGGED: dict[str, Any] = {
    **{"job_key": "job", "job_id": "750", "org_id": ORG, "sync_id": "sync", "prediction_date": DAY, "lead_id": "a"},
    **{**VALUES, "score": 0.5, "outcome": "confirmed", "in_doubt": False, "code": None, "message": None},
    **{"attempt": 1, "logged_at": AT},
}
PLANNED: dict[str, Any] = {
    **{"job_key": "job", "org_id": ORG, "sync_id": "sync", "prediction_date": DAY, "model_version": "v4.1.0"},
    **{"attempt": 1, "row_count": 7, "planned_at": AT, "run_id": None},
}
JOB: dict[str, Any] = {**PLANNED, "job_id": None, "settled_at": None, "org_state": "planned", "message": None}


class House(Protocol):
    """A warehouse with all tables, as test_sql_files.py keeps it."""

    warehouse: DuckDBWarehouse
    catalogue: Catalogue

    def read(self, file: str, aliases: dict[str, str] | None = None, **params: object) -> pa.Table: ...
    def put(self, key: str, rows: list[dict[str, Any]]) -> None: ...


def change(house: House, file: str, params: dict[str, Any], rows: int) -> None:
    """Run a file that changes `rows` rows."""
    house.warehouse.transact([Statement(house.catalogue.query(file, params), expected_rows=rows)])


def known(house: House) -> pa.Table:
    house.put(tables.SALESFORCE_STATE, [KNOWN, KNOWN | {"org_id": OTHER_ORG}])
    rows = house.read(tables.SALESFORCE_STATE, org_id=ORG)
    assert rows.to_pylist() == [KNOWN]
    return rows


def logged(house: House) -> pa.Table:
    house.put(tables.SALESFORCE_SYNC_LOG, [LOGGED, LOGGED | {"job_key": "another"}])
    rows = house.read(tables.SALESFORCE_SYNC_LOG, job_key="job", prediction_date=DAY)
    assert rows.to_pylist() == [LOGGED]
    return rows


def jobs(house: House) -> pa.Table:
    house.put(tables.SALESFORCE_JOBS, [])
    change(house, "salesforce_plan_job", PLANNED, 1)
    rows = house.read(tables.SALESFORCE_JOBS)
    assert rows.to_pylist() == [JOB]
    return rows


def planned(house: House) -> pa.Table:
    """A second job of the org waits for the first to be settled; another org's does not."""
    jobs(house)
    with pytest.raises(ConcurrentWriteError):
        change(house, "salesforce_plan_job", PLANNED | {"job_key": "second"}, 1)
    change(house, "salesforce_plan_job", PLANNED | {"job_key": "of another", "org_id": OTHER_ORG}, 1)
    rows = house.read(tables.SALESFORCE_JOBS)
    assert sorted(rows["job_key"].to_pylist()) == ["job", "of another"]
    return rows


def named(house: House) -> pa.Table:
    jobs(house)
    change(house, "salesforce_name_job", {"job_key": "job", "job_id": "750"}, 1)
    rows = house.read(tables.SALESFORCE_JOBS)
    assert rows.to_pylist() == [JOB | {"job_id": "750", "org_state": "Open"}]
    return rows


def settled(house: House) -> pa.Table:
    """A job is settled once; a settled one gets no id any more, and makes room for the next."""
    jobs(house)
    end = {"job_key": "job", "settled_at": AT, "org_state": "JobComplete", "message": "it's done"}
    change(house, "salesforce_settle_job", end, 1)
    change(house, "salesforce_settle_job", end, 0)
    change(house, "salesforce_name_job", {"job_key": "job", "job_id": "750"}, 0)
    rows = house.read(tables.SALESFORCE_JOBS)
    assert rows.to_pylist() == [JOB | end]
    change(house, "salesforce_plan_job", PLANNED | {"job_key": "second"}, 1)
    return rows


REFUSED = {"outcome": "quarantined", "code": "DUPLICATE_VALUE", "message": "words"}
OUTCOMES: list[dict[str, Any]] = [
    LOGGED | {"lead_id": "confirmed"},
    LOGGED | {"lead_id": "emptied", "score": None, "percentile": None, "model_version": None},
    LOGGED | {"lead_id": "quarantined", **REFUSED},
    LOGGED | {"lead_id": "pending", "outcome": "pending", "code": "UNABLE_TO_LOCK_ROW"},
    LOGGED | {"lead_id": "doubtful", "outcome": "pending", "in_doubt": True, "code": "UNACCOUNTED"},
    LOGGED | {"lead_id": "failed", "outcome": "failed", "code": "INVALID_FIELD"},
    LOGGED | {"lead_id": "kept", "job_key": "another"},
]


def forgotten(house: House) -> pa.Table:
    """What stays is what the log of the job does not know better, and every other org's."""
    house.put(tables.SALESFORCE_SYNC_LOG, OUTCOMES)
    leads = [row["lead_id"] for row in OUTCOMES]
    house.put(tables.SALESFORCE_STATE, [KNOWN | {"lead_id": one, "org_id": org} for one in leads for org in (ORG, "x")])
    change(house, "salesforce_forget", {"org_id": ORG, "job_key": "job", "prediction_date": DAY}, 4)
    rows = house.read(tables.SALESFORCE_STATE, org_id=ORG)
    assert sorted(rows["lead_id"].to_pylist()) == ["failed", "kept", "pending"]
    assert house.read(tables.SALESFORCE_STATE, org_id="x").num_rows == len(leads)
    return rows


def confirmed(house: House) -> pa.Table:
    house.put(tables.SALESFORCE_SYNC_LOG, OUTCOMES)
    house.put(tables.SALESFORCE_STATE, [])
    change(house, "salesforce_confirm", {"job_key": "job", "prediction_date": DAY, "known_at": AT}, 2)
    rows = house.read(tables.SALESFORCE_STATE, org_id=ORG)
    none = dict.fromkeys(("score", "percentile", "deprioritize", "as_of"))
    refusal = {"refused_code": "DUPLICATE_VALUE", "refused_message": "words", "refused_on": DAY}
    assert {row["lead_id"]: row for row in rows.to_pylist()} == {
        "confirmed": KNOWN | {"lead_id": "confirmed", "score": 0.5},
        "quarantined": KNOWN | {"lead_id": "quarantined", **none, **refusal},
    }
    return rows


def accounts(house: House) -> pa.Table:
    """The last attempt counts; rows kept back and other syncs do not."""
    later = LOGGED | {"lead_id": "pending", "job_key": "retry", "attempt": 2}
    kept_back = LOGGED | {"lead_id": "kept back", "attempt": 0}
    others = [LOGGED | {"lead_id": "of another", "sync_id": "another"}]
    house.put(tables.SALESFORCE_SYNC_LOG, [*OUTCOMES, later, kept_back, *others])
    rows = house.read("salesforce_accounts", sync_id="sync", prediction_date=DAY)
    found = {
        (row["outcome"], row["in_doubt"], row["code"], row["example"]): row["lead_count"] for row in rows.to_pylist()
    }
    assert found == {
        ("confirmed", False, None, None): 4,  # confirmed, emptied, kept, and pending by its second attempt
        ("quarantined", False, "DUPLICATE_VALUE", "words"): 1,
        ("pending", True, "UNACCOUNTED", None): 1,
        ("failed", False, "INVALID_FIELD", None): 1,
    }
    return rows


def scores(house: House) -> pa.Table:
    row = {
        **{"prediction_date": DAY, "lead_id": "a", "advisor_crd": None, "score": 0.25, "percentile": 7, "decile": 1},
        **{"deprioritize": True, "reason_1": None, "reason_2": None, "reason_3": None, "model_version": "v4.1.0"},
        **{"model_sha256": "0" * 64, "scored_at": AT, "retrospective": False},
    }
    house.put("daily_scores_v41", [row, row | {"prediction_date": date(2025, 7, 14)}])
    rows = house.read("salesforce_scores", {"daily_scores": "daily_scores_v41"}, prediction_date=DAY)
    assert rows.to_pylist() == [{name: row[name] for name in rows.column_names}]
    return rows


EXECUTIONS: dict[str, Callable[[House], pa.Table]] = {
    "salesforce_accounts": accounts,
    "salesforce_confirm": confirmed,
    "salesforce_forget": forgotten,
    "salesforce_jobs": jobs,
    "salesforce_name_job": named,
    "salesforce_plan_job": planned,
    "salesforce_scores": scores,
    "salesforce_settle_job": settled,
    "salesforce_state": known,
    "salesforce_sync_log": logged,
}
ABRIDGED = {
    "salesforce_confirm",
    "salesforce_forget",
    "salesforce_name_job",
    "salesforce_plan_job",
    "salesforce_settle_job",
}
