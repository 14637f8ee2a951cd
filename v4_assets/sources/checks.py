"""Are the firm's own tables there, filled, fresh, and as they were on the days before?"""

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
    remedy=("Talk to whoever loads the table: the details name each column, what it is and what it was declared as."),
)
FILLED = Check(
    "sources_filled",
    "No source is empty.",
    blocking=True,
    remedy="Wait for the load, then run the day again; the sources are looked at anew.",
)
ROWS_STEADY = Check(
    "source_rows_steady",
    "A source has about as many rows as on the days before.",
    blocking=True,
    remedy="A load is missing or half done. Wait for it, then run the day again.",
)
NULLS_STEADY = Check(
    "source_nulls_steady",
    "No column went silent: shares of NULL are as on the days before.",
    blocking=True,
    remedy=(
        "Repair the feed of the column named, then run the day again. Do not widen the limit to get through "
        "the morning."
    ),
)
FRESH = Check(
    "sources_fresh",
    "The newest entry of a source is recent.",
    blocking=False,
    remedy="Ask whether the feed stopped. Scores go on with what there is.",
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
    """Findings for `day`. `declared` pairs each source with the columns it really has; `observations` are rows of
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
    """Declared columns that a table does not have, or has in another type; a sentence each. Others do not matter."""
    return [
        f"{table.name}.{column.name} is {found.get(column.name, 'missing')}, expected {column.type}"
        for column in table.columns
        if found.get(column.name) != column.type
    ]


def columns(declared: Iterable[tuple[Table, Mapping[str, str]]]) -> Finding:
    """Does every source have its declared columns? `declared` as in `judge`."""
    wrong = [line for table, found in declared for line in differences(table, found)]
    return Finding(COLUMNS, not wrong, f"{len(wrong)} columns differ", "0 columns differ", tuple(wrong))


def filled(sources: Mapping[str, Observation]) -> Finding:
    """Is no source empty? `sources` has a row of source_observations for each."""
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


def fresh(sources: Mapping[str, Observation], known_at: datetime, limits: Mapping[str, int]) -> Finding:
    """Is the newest entry of each source young enough? `limits` are days before `known_at`."""
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
