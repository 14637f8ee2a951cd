"""Checks of the firm's own tables: present, filled, recent, and similar to the previous days."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from statistics import median
from typing import Any

from v4_assets.checks import Check, Finding
from v4_assets.config.rollout import CheckLimits
from v4_assets.sources.steady import steady
from v4_assets.tables import Table

COLUMNS = Check(
    "source_columns",
    "Every source has the declared columns in the declared types.",
    blocking=True,
    remedy="Ask the owner of the table's feed: the details name each column, its type and the declared type.",
)
FILLED = Check(
    "sources_filled",
    "No source is empty.",
    blocking=True,
    remedy="Wait for the load, then rerun the day; the rerun observes the sources again.",
)
ROWS_STEADY = Check(
    "source_rows_steady",
    "The row count of each source is close to the median of the previous days.",
    blocking=True,
    remedy="A load is missing or incomplete. Wait for it, then rerun the day.",
)
NULLS_STEADY = Check(
    "source_nulls_steady",
    "The share of NULL in each column is close to the median of the previous days.",
    blocking=True,
    remedy=(
        "Repair the feed of the named column, then rerun the day. Do not raise the limit just to let the run pass."
    ),
)
FRESH = Check(
    "sources_fresh",
    "The newest entry of a source is recent.",
    blocking=False,
    remedy="Check whether the feed stopped. Scoring continues with the existing rows.",
)
CHECKS = (COLUMNS, FILLED, ROWS_STEADY, NULLS_STEADY, FRESH)

Observation = Mapping[str, Any]


def judge(
    declared: Iterable[tuple[Table, Mapping[str, str]]],
    observations: Sequence[Observation],
    day: date,
    known_at: datetime,
    limits: CheckLimits,
) -> list[Finding]:
    """Findings for `day`. `declared` pairs each source with its actual columns; `observations` are rows of
    source_observations of the day and the days before; `known_at` is the day's cut-off."""
    today = [row for row in observations if row["prediction_date"] == day]
    before = [row for row in observations if row["prediction_date"] < day]
    sources = {row["source"]: row for row in today}
    return [
        columns(declared),
        filled(sources),
        _rows_steady(sources, before, limits.row_count_change),
        _nulls_steady(today, before, limits.missing_rate_change),
        fresh(sources, known_at, limits.source_age_days),
    ]


def differences(table: Table, found: Mapping[str, str]) -> list[str]:
    """One sentence per declared column that is missing or of another type. Undeclared columns are ignored."""
    return [
        f"{table.name}.{column.name} is {found.get(column.name, 'missing')}, expected {column.type}"
        for column in table.columns
        if found.get(column.name) != column.type
    ]


def columns(declared: Iterable[tuple[Table, Mapping[str, str]]]) -> Finding:
    """Every source has its declared columns. `declared` as in `judge`."""
    wrong = [line for table, found in declared for line in differences(table, found)]
    found = f"{len(wrong)} columns not as declared" if wrong else "all columns as declared"
    return Finding(COLUMNS, not wrong, found, "all columns as declared", tuple(wrong))


def filled(sources: Mapping[str, Observation]) -> Finding:
    """No source is empty. `sources` has one row of source_observations per source."""
    empty = sorted(name for name, row in sources.items() if row["row_count"] == 0)
    return Finding(FILLED, not empty, f"{len(empty)} empty", "0 empty", tuple(empty))


def _rows_steady(sources: Mapping[str, Observation], before: Sequence[Observation], limit: float) -> Finding:
    changes = {}
    for name, row in sources.items():
        # Every column of a source is observed with the same row count.
        usual = [earlier["row_count"] for earlier in before if earlier["source"] == name]
        if usual and median(usual) > 0:
            changes[name] = row["row_count"] / median(usual) - 1
    return steady(ROWS_STEADY, changes, limit)


def _nulls_steady(today: Sequence[Observation], before: Sequence[Observation], limit: float) -> Finding:
    usual: dict[tuple[str, str], list[float]] = {}
    for row in before:
        usual.setdefault((row["source"], row["column_name"]), []).append(_null_share(row))
    changes = {
        f"{row['source']}.{row['column_name']}": _null_share(row) - median(usual[row["source"], row["column_name"]])
        for row in today
        if (row["source"], row["column_name"]) in usual
    }
    return steady(NULLS_STEADY, changes, limit)


def fresh(sources: Mapping[str, Observation], known_at: datetime, limits: Mapping[str, int]) -> Finding:
    """The newest entry of each source is at most `limits` days older than `known_at`."""
    ages = {
        name: (known_at - sources[name]["latest_at"]).total_seconds() / 86_400
        for name in limits
        if name in sources and sources[name]["latest_at"] is not None
    }
    late = [f"{name}: {age:.1f} days, at most {limits[name]}" for name, age in ages.items() if age > limits[name]]
    unknown = [f"{name}: no dated entry before the day" for name in limits if name not in ages]
    oldest = max(ages.values(), default=float("inf"))
    wanted = ", ".join(f"{name} ≤ {limit}" for name, limit in limits.items())
    return Finding(FRESH, not late + unknown, f"oldest {oldest:.1f} days", f"days: {wanted}", tuple(late + unknown))


def _null_share(row: Observation) -> float:
    return row["null_count"] / row["row_count"] if row["row_count"] else 0.0
