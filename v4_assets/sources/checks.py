"""Checks of the firm's own tables: present, filled, recent, similar to the previous days; and of the list of leads."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from statistics import median
from typing import Any

from v4_assets.checks import Check, Finding, steady
from v4_assets.config.rollout import CheckLimits
from v4_assets.config.rollout_systems import ImpossibleValues
from v4_assets.tables import Table

COLUMNS = Check(
    "source_columns",
    "Every source has the declared columns in the declared types.",
    blocking=True,
    remedy=(
        "Ask the owner of the table's feed: the details name each column, its type and the declared type. A column "
        "that comes in another type for good can be declared under sources.types of rollout.yaml."
    ),
)
FILLED = Check(
    "sources_filled",
    "No source is empty, and no column that a version brings is NULL throughout.",
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
POSSIBLE = Check(
    "source_values_possible",
    "The share of impossible values in each column is below the blocking limit. They are read as NULL.",
    blocking=True,
    remedy=(
        "The details name each column with examples. Repair its feed, then rerun the day. Where the feed writes such a "
        "value on purpose, set checks.impossible_values.columns for that column."
    ),
)
RARE = Check(
    "source_values_impossible_rare",
    "Impossible values are rare. They are read as NULL.",
    blocking=False,
    remedy="Scoring continues. The details name each column with examples: tell the owner of its feed.",
)
FRESH = Check(
    "sources_fresh",
    "The newest entry of a source is recent.",
    blocking=False,
    remedy="Check whether the feed stopped. Scoring continues with the existing rows.",
)
CHECKS = (COLUMNS, FILLED, ROWS_STEADY, NULLS_STEADY, POSSIBLE, RARE, FRESH)
ONE_ROW_PER_LEAD = Check(
    "one_row_per_lead",
    "Every lead is listed exactly once.",
    blocking=True,
    remedy="Rows were duplicated by a bug or a manual edit of the table. Do not serve the day.",
)
COUNT_STEADY = Check(
    "lead_count_steady",
    "The number of leads is above zero and close to the median of the previous days.",
    blocking=True,
    remedy=(
        "After a real bulk import raise `row_count_change` for a day, or wait until the median has adapted. "
        "Otherwise check the CRM copy."
    ),
)
LEAD_CHECKS = (ONE_ROW_PER_LEAD, COUNT_STEADY)

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
    sources, declared = {row["source"]: row for row in today}, tuple(declared)
    return [
        columns(declared),
        filled(sources, _silent(today, [table for table, _ in declared])),
        _rows_steady(sources, before, limits.row_count_change),
        _nulls_steady(today, before, limits.missing_rate_change),
        *_possible(today, limits.impossible_values),
        fresh(sources, known_at, limits.source_age_days),
    ]


def differences(table: Table, found: Mapping[str, str]) -> list[str]:
    """One sentence per declared column that is missing or of another type. Undeclared columns are ignored.

    Names are compared without case, as both engines resolve them.
    """
    types = {name.lower(): kind for name, kind in found.items()}
    return [
        f"{table.name}.{column.name} is {types.get(column.name.lower(), 'missing')}, expected {column.type}"
        for column in table.columns
        if types.get(column.name.lower()) != column.type
    ]


def columns(declared: Iterable[tuple[Table, Mapping[str, str]]]) -> Finding:
    """Every source has its declared columns. `declared` as in `judge`."""
    wrong = [line for table, found in declared for line in differences(table, found)]
    found = f"{len(wrong)} columns not as declared" if wrong else "all columns as declared"
    return Finding(COLUMNS, not wrong, found, "all columns as declared", tuple(wrong))


def filled(sources: Mapping[str, Observation], silent: Iterable[str] = ()) -> Finding:
    """No source is empty. `sources` has one row of source_observations per source; `silent` names empty columns."""
    empty = sorted([*(name for name, row in sources.items() if row["row_count"] == 0), *silent])
    return Finding(FILLED, not empty, f"{len(empty)} empty", "0 empty", tuple(empty))


def _silent(today: Sequence[Observation], declared: Iterable[Table]) -> list[str]:
    """Columns that single versions bring and that are NULL in every row: the days before may not know them yet."""
    brought = {(table.key, column.name) for table in declared for column in table.columns if column.sample}
    return [
        f"{row['source']}.{row['column_name']}"
        for row in today
        if (row["source"], row["column_name"]) in brought and 0 < row["row_count"] == row["null_count"]
    ]


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


def _possible(today: Sequence[Observation], limits: ImpossibleValues) -> list[Finding]:
    shares = {
        f"{row['source']}.{row['column_name']}": (row["impossible_count"] or 0) / row["row_count"]
        for row in today
        if row["row_count"]
    }
    about = {f"{row['source']}.{row['column_name']}": row["impossible_examples"] for row in today}

    def finding(check: Check, limit_of: Mapping[str, float], limit: float) -> Finding:
        over = {name: share for name, share in shares.items() if share > limit_of.get(name, limit)}
        details = tuple(f"{name}: {share:.2%}, such as {about[name]}" for name, share in over.items())
        return Finding(
            check, not over, f"largest share {max(shares.values(), default=0.0):.2%}", f"≤ {limit:.2%}", details
        )

    return [
        finding(POSSIBLE, limits.columns, limits.block_above),
        finding(RARE, {}, limits.warn_above),
    ]


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


def judge_leads(coverage: Mapping[str, int], counts_before: Sequence[int], limits: CheckLimits) -> list[Finding]:
    """Findings for a day. `coverage` is lead_coverage of the list against itself; `counts_before` the row counts of the
    days before, any order."""
    return [one_row_per_lead(coverage), count_steady(coverage["actual_count"], counts_before, limits.row_count_change)]


def one_row_per_lead(coverage: Mapping[str, int]) -> Finding:
    """No lead is listed twice."""
    twice = coverage["actual_count"] - coverage["distinct_count"]
    return Finding(ONE_ROW_PER_LEAD, twice == 0, f"{twice} surplus rows", "0 surplus rows")


def count_steady(
    count: int,
    before: Sequence[int],
    limit: float,
    what: str = "leads",
    ask: str = "Is the CRM copy filled? Is first_day right?",
) -> Finding:
    """A count is above zero and close to the median of those before."""
    if count == 0:
        return Finding(COUNT_STEADY, False, f"0 {what}", f"at least 1 {what[:-1]}", (ask,))
    usual = median(before) if before else float(count)
    low, high = usual * (1 - limit), usual * (1 + limit)
    return Finding(COUNT_STEADY, low <= count <= high or usual == 0, count, f"{low:.0f} to {high:.0f} {what}")


def _null_share(row: Observation) -> float:
    return row["null_count"] / row["row_count"] if row["row_count"] else 0.0
