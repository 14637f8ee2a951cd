"""What a scene leaves behind: every table of the warehouse, the org, the derived files. Alike where nothing was lost.

Left out of the comparison is what a run calls itself and how often it had to begin: a killed run has judged, observed
and sent before, and what it did then stays in the tables that only grow.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb

from salesforce_stand_in import StandInOrg

OWN_NAMES = {"run_id", "sync_id", "job_id", "job_key", "takeover_id"}
"""Columns that hold what a run calls itself."""
SCHEMA = "ml_features"
OBSERVATIONS, SYNCS = "v4_source_observations", "v4_salesforce_syncs"
SENT = ("lead_id", "prediction_date", "score", "percentile", "deprioritize", "model_version")
Row = dict[str, Any]
Aftermath = dict[str, list[Row]]
"""Name of a table to its rows, sorted; likewise the texts of the views, the leads of the org, and the files."""


def left_behind(home: Path, org: StandInOrg | None) -> Aftermath:
    """What there is after a scene."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        named = f"SELECT table_name FROM duckdb_tables() WHERE schema_name = '{SCHEMA}' ORDER BY table_name"
        found: Aftermath = {
            name: connection.sql(f'SELECT * FROM {SCHEMA}."{name}"').to_arrow_table().to_pylist()
            for (name,) in connection.sql(named).fetchall()
        }
        views = f"SELECT view_name, sql FROM duckdb_views() WHERE schema_name = '{SCHEMA}'"
        found["views"] = connection.sql(views).to_arrow_table().to_pylist()
    for name, holding in HOLDING.items():
        found[name] = holding(found.get(name, []))
    found["org"] = [{"lead": lead, **row} for lead, row in org.rows().items()] if org else []
    found["updates of the org"] = [dict(org.updates())] if org else []
    found["files"] = [{"file": path} for path in _files(home)]
    registry = home / "registry.json"
    found["registry.json"] = [json.loads(registry.read_text(encoding="utf-8"))] if registry.exists() else []
    adopted = {row["event_id"] for row in found.get("v4_deployments", ()) if row["event"] == "adopted"}
    return {name: _sorted(_compared(row, adopted) for row in rows) for name, rows in found.items()}


def differences(found: Aftermath, expected: Aftermath) -> list[str]:
    """A line for each table that is not alike."""
    lines = []
    for name in sorted(found.keys() | expected.keys()):
        ours, theirs = found.get(name, []), expected.get(name, [])
        if ours != theirs:
            more = [row for row in ours if row not in theirs]
            less = [row for row in theirs if row not in ours]
            lines.append(
                f"{name} has {len(ours)} rows, undisturbed {len(theirs)}; {len(more)} are only here: {_some(more)}; "
                f"{len(less)} are only there: {_some(less)}"
            )
    return lines


# --- what holds, of the tables that only grow -------------------------------------------------------------------------


def _latest_writes(rows: list[Row]) -> list[Row]:
    """Every write. Of the observations, which every run writes again, only the last one of each day."""
    in_order = sorted(rows, key=lambda row: row["sequence"])
    observed = {row["prediction_date"]: row for row in in_order if row["table_name"] == OBSERVATIONS}
    kept = [row for row in rows if row["table_name"] != OBSERVATIONS]
    return kept + [row | {"sequence": None} for row in observed.values()]


def _latest_judgements(rows: list[Row]) -> list[Row]:
    """The last judgement of each table and day, which alone counts; of a sync, the verdict alone."""
    last: dict[tuple[str, Any], int] = {}
    for row in rows:
        place = row["table_name"], row["prediction_date"]
        last[place] = max(last.get(place, 0), row["number"])
    found = []
    for row in rows:
        if row["number"] == last[row["table_name"], row["prediction_date"]]:
            counted = {"number": None, **({"sequence": None} if row["table_name"] == OBSERVATIONS else {})}
            if row["table_name"] == SYNCS:
                counted |= {"reason": None, "actual": None}
            found.append(row | counted)
    return found


def _last_sync(rows: list[Row]) -> list[Row]:
    """Whether the last sync of each day and version left anything to be done."""
    last = {
        (row["prediction_date"], row["model_version"]): row for row in sorted(rows, key=lambda one: one["sequence"])
    }
    return [{name: row[name] for name in ("target", "org_id", *_LEFT)} for row in last.values()]


_LEFT = ("prediction_date", "model_version", "leads", "pending", "failed", "held_back", "absent", "owed")


def _unsettled(rows: list[Row]) -> list[Row]:
    """Jobs whose results were never taken over."""
    return [row for row in rows if row["settled_at"] is None]


def _confirmed(rows: list[Row]) -> list[Row]:
    """What the org confirmed, by whichever job."""
    found = {tuple(row[name] for name in SENT) for row in rows if row["outcome"] == "confirmed"}
    return [dict(zip(SENT, one, strict=True)) for one in found]


HOLDING: dict[str, Callable[[list[Row]], list[Row]]] = {
    "v4_partition_writes": _latest_writes,
    "v4_check_results": _latest_judgements,
    SYNCS: _last_sync,
    "v4_salesforce_jobs": _unsettled,
    "v4_salesforce_sync_log": _confirmed,
}
"""Table to what of it holds."""


def _compared(row: Row, adopted: set[str]) -> Row:
    """A row without what a run calls itself; the adoption, alone among the events, has a random id."""
    return {
        name: "adopted" if isinstance(value, str) and value in adopted else value
        for name, value in row.items()
        if name not in OWN_NAMES
    }


def _files(home: Path) -> list[str]:
    """Names of derived files, without the temporary files of killed writes."""
    found = [path for folder in ("reports", "archive") for path in (home / folder).rglob("*")]
    return sorted(str(path.relative_to(home)) for path in found if path.is_file() and ".new" not in str(path))


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))


def _some(rows: list[Row]) -> str:
    return f"{rows[:2]}"[:600]
