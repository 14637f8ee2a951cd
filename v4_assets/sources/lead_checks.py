"""Checks of the day's list of leads: its size is plausible, and each lead is listed once."""

from collections.abc import Mapping, Sequence
from statistics import median

from v4_assets.checks import Check, Finding
from v4_assets.config.rollout import CheckLimits

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
CHECKS = (ONE_ROW_PER_LEAD, COUNT_STEADY)


def judge(coverage: Mapping[str, int], counts_before: Sequence[int], limits: CheckLimits) -> list[Finding]:
    """Findings for a day. `coverage` is lead_coverage of the list against itself; `counts_before` the row counts of the
    days before, any order."""
    return [one_row_per_lead(coverage), _count_steady(coverage["actual_count"], counts_before, limits.row_count_change)]


def one_row_per_lead(coverage: Mapping[str, int]) -> Finding:
    """No lead is listed twice."""
    twice = coverage["actual_count"] - coverage["distinct_count"]
    return Finding(ONE_ROW_PER_LEAD, twice == 0, f"{twice} surplus rows", "0 surplus rows")


def _count_steady(count: int, before: Sequence[int], limit: float) -> Finding:
    if count == 0:
        return Finding(
            COUNT_STEADY, False, "0 leads", "at least 1 lead", ("Is the CRM copy filled? Is first_day right?",)
        )
    usual = median(before) if before else float(count)
    low, high = usual * (1 - limit), usual * (1 + limit)
    return Finding(COUNT_STEADY, low <= count <= high or usual == 0, count, f"{low:.0f} to {high:.0f} leads")
