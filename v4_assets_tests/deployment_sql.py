"""The SQL files of production and its history, executed: what test_sql_files.py runs for each of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from v4_assets import tables
from v4_assets.errors import ConcurrentWriteError
from v4_assets.resources.warehouse import Statement
from v4_assets_tests.salesforce_sql import House, change

DAY = date(2025, 7, 15)
AT = datetime(2025, 7, 15, 11, tzinfo=UTC)
PRODUCTION = {
    **{"version": "v4.0.0", "features_view": "v4_production_features", "scores_table": "v4_daily_scores"},
    **{"model_uri": "models/it's/v4.0.0", "model_sha256": "0" * 64, "event_id": "first"},
}
PROMOTED = PRODUCTION | {"version": "v4.1.0", "event_id": "second"}
EVENT: dict[str, Any] = {
    **{"event_id": "first", "happened_at": AT, "event": "adopted", "version": "v4.0.0", "previous": None},
    **{"action_id": None, "reason": 'It\'s the "baseline"; -- see {{above}} @once', "decided_by": "v4 init"},
    **{"gates": None, "evidence_day": None, "evidence_sha256": None, "run_id": None},
}
DECIDED = EVENT | {
    **{"event_id": "second", "event": "promotion_started", "version": "v4.1.0", "previous": "v4.0.0"},
    **{"action_id": "second", "gates": "[]", "evidence_day": DAY.isoformat(), "evidence_sha256": "e" * 64},
    **{"run_id": "run", "happened_at": AT + timedelta(days=7)},
}
VERDICT: dict[str, Any] = {
    **{"table_name": "v4_daily_scores", "prediction_date": DAY, "sequence": 2, "passed": False},
    **{"failed": "distinct_scores", "judged_at": AT, "run_id": "run"},
}
SWITCH: dict[str, Any] = PROMOTED | {
    **{"expected_event_id": "first", "evidence_table": "t", "evidence_day": DAY.isoformat(), "evidence_sequence": 3},
}


def adopted(house: House) -> pa.Table:
    house.put(tables.PRODUCTION, [])
    first, second = (
        house.catalogue.query("adopt_production", PRODUCTION | {"event_id": event}) for event in ("first", "second")
    )
    house.warehouse.transact([Statement(first, expected_rows=1), Statement(second, expected_rows=0)])
    rows = house.read(tables.PRODUCTION)
    assert rows.to_pylist() == [PRODUCTION]
    return rows


def confirmed(house: House) -> pa.Table:
    house.put(tables.PRODUCTION, [PRODUCTION])
    change(house, "confirm_production", {"expected_event_id": "first"}, 1)
    change(house, "confirm_production", {"expected_event_id": "another"}, 0)
    rows = house.read(tables.PRODUCTION)
    assert rows.to_pylist() == [PRODUCTION]
    return rows


def switched(house: House) -> pa.Table:
    """Only from the expected switch, and only on the write of the evidence that was read; 0 asks for none."""
    house.put(tables.PRODUCTION, [PRODUCTION])
    house.put(tables.PARTITION_WRITES, [_write(sequence) for sequence in (1, 3, 2)])
    for refused in (
        {"expected_event_id": "another"},
        {"evidence_sequence": 2},
        {"evidence_table": "u"},
        {"evidence_day": "2025-07-14"},
    ):
        change(house, "switch_production", SWITCH | refused, 0)
    assert house.read(tables.PRODUCTION).to_pylist() == [PRODUCTION]
    change(house, "switch_production", SWITCH, 1)
    by_hand = {"evidence_sequence": 0, "evidence_day": None, "expected_event_id": "second", "event_id": "third"}
    change(house, "switch_production", SWITCH | by_hand, 1)
    rows = house.read(tables.PRODUCTION)
    assert rows.to_pylist() == [PROMOTED | {"event_id": "third"}]
    return rows


def recorded(house: House) -> pa.Table:
    """In the order of recording, whatever the clock says, and each event once."""
    house.put(tables.DEPLOYMENTS, [])
    for event in (DECIDED, EVENT):
        change(house, "record_event", event, 1)
    with pytest.raises(ConcurrentWriteError):
        change(house, "record_event", EVENT, 1)
    rows = house.read(tables.DEPLOYMENTS)
    assert rows.to_pylist() == [DECIDED | {"sequence": 1, "evidence_day": DAY}, EVENT | {"sequence": 2}]
    return rows


def periods(house: House) -> pa.Table:
    house.put(tables.DEPLOYMENTS, [])
    through = DECIDED | {"event_id": "third", "event": "promotion_completed"}
    for event in (EVENT, DECIDED, through):
        change(house, "record_event", event, 1)
    rows = house.read("production_periods")
    assert [(row["version"], row["live_from"], row["live_until"]) for row in rows.to_pylist()] == [
        ("v4.0.0", AT, AT + timedelta(days=7)),
        ("v4.1.0", AT + timedelta(days=7), None),
    ]
    return rows


def production_scores(house: House) -> pa.Table:
    house.put(tables.PRODUCTION, [PROMOTED])
    row = dict.fromkeys(column.name for column in house.catalogue[tables.scores_key("v41")].columns)
    scores = [
        row | {"prediction_date": DAY, "lead_id": lead, "model_version": version}
        for lead, version in (("a", "v4.1.0"), ("b", "v4.0.0"))
    ]
    house.put(tables.scores_key("v41"), scores)
    rows = house.read("production_scores", {"daily_scores": tables.scores_key("v41")})
    assert rows["lead_id"].to_pylist() == ["a"]
    return rows


def judged(house: House) -> pa.Table:
    house.put(tables.PARTITION_VERDICTS, [])
    for day in (DAY, DAY - timedelta(days=1)):
        change(house, "record_verdict", VERDICT | {"prediction_date": day}, 1)
    rows = house.read(tables.PARTITION_VERDICTS, first_day=DAY, last_day=DAY)
    assert rows.to_pylist() == [VERDICT]
    return rows


def _write(sequence: int) -> dict[str, Any]:
    return {
        **{"table_name": "t", "prediction_date": DAY, "sequence": sequence, "written_at": AT, "row_count": 9},
        **{"retrospective": False, "definition_sha256": "0" * 64, "run_id": None, "replace_reason": None},
    }


def versions(house: House) -> pa.Table:
    """Each version once, whoever records it again."""
    house.put(tables.SCHEMA, [])
    row = {"recorded_at": AT, "release": "0.2.0", "recorded_by": "v4 init"}
    second = row | {"schema_version": 2, "previous_schema": None, "facts": None}
    third = row | {"schema_version": 3, "previous_schema": "2", "facts": '{"it\'s": 1}'}
    for version, changes in ((third, 1), (second, 1), (third, 0)):
        change(house, "record_schema", version, changes)
    rows = house.read(tables.SCHEMA)
    assert rows.to_pylist() == [
        row | {"version": 2, "previous": None, "facts": None},
        row | {"version": 3, "previous": 2, "facts": '{"it\'s": 1}'},
    ]
    return rows


EXECUTIONS: dict[str, Callable[[Any], pa.Table]] = {
    "adopt_production": adopted,
    "confirm_production": confirmed,
    "deployments": recorded,
    "partition_verdicts": judged,
    "production": adopted,
    "production_periods": periods,
    "production_scores": production_scores,
    "record_event": recorded,
    "record_schema": versions,
    "record_verdict": judged,
    "schema": versions,
    "switch_production": switched,
}
ABRIDGED = {
    "adopt_production",
    "confirm_production",
    "production_scores",
    "record_event",
    "record_schema",
    "record_verdict",
    "switch_production",
}
