"""Are the firm's own tables there, filled, fresh, and as they were on the days before?"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from statistics import median
from typing import Any

from v4_assets.checks import Check, Finding
from v4_assets.checks.steady import steady
from v4_assets.rollout_file import CheckLimits
from v4_assets.tables import Table

COLUMNS = Check("source_columns", "Every source has the declared columns in the declared types.", blocking=True)
FILLED = Check("sources_filled", "No source is empty.", blocking=True)
ROWS_STEADY = Check("source_rows_steady", "A source has about as many rows as on the days before.", blocking=True)
NULLS_STEADY = Check(
    "source_nulls_steady", "No column went silent: shares of NULL are as on the days before.", blocking=True
)
FRESH = Check("sources_fresh", "The newest entry of a source is recent.", blocking=False)
CHECKS = (COLUMNS, FILLED, ROWS_STEADY, NULLS_STEADY, FRESH)

Observation = Mapping[str, Any]


def judge(
    declared: Iterable[tuple[Table, Mapping[str, str]]],
    observations: Sequence[Observation],
    day: date,
    known_at: datetime,
    limits: CheckLimits,
) -> list[Finding]:
    """Findings for `day`. `declared` pairs each source with the columns it really has; `observations` are rows of
    source_observations of the day and the days before; `known_at` is the day's cut-off."""
    today = [row for row in observations if row["prediction_date"] == day]
    before = [row for row in observations if row["prediction_date"] < day]
    sources = {row["source"]: row for row in today}
    return [
        _columns(declared),
        _filled(sources),
        _rows_steady(sources, before, limits.row_count_change),
        _nulls_steady(today, before, limits.missing_rate_change),
        _fresh(sources, known_at, limits.source_age_days),
    ]


def _columns(declared: Iterable[tuple[Table, Mapping[str, str]]]) -> Finding:
    wrong = [
        f"{table.name}.{column.name} is {found.get(column.name, 'missing')}, expected {column.type}"
        for table, found in declared
        for column in table.columns
        if found.get(column.name) != column.type
    ]
    return Finding(COLUMNS, not wrong, f"{len(wrong)} columns differ", "0 columns differ", tuple(wrong))


def _filled(sources: Mapping[str, Observation]) -> Finding:
    empty = sorted(name for name, row in sources.items() if row["row_count"] == 0)
    return Finding(FILLED, not empty, f"{len(empty)} empty", "0 empty", tuple(empty))


def _rows_steady(sources: Mapping[str, Observation], before: Sequence[Observation], limit: float) -> Finding:
    changes = {}
    for name, row in sources.items():
        # A source has the same row count beside each of its columns.
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


def _fresh(sources: Mapping[str, Observation], known_at: datetime, limits: Mapping[str, int]) -> Finding:
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
