"""Does the org carry what was sent? Fields, accounts, refusals, read-back, distribution, coverage.

None of them blocks: by the time they are asked, the rows are sent. What must not be sent is refused before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from v4_assets.checks import Check, Finding

FIELDS = Check(
    "fields_exist",
    "Every field of rollout.yaml is there and fit for what is sent.",
    blocking=False,
    remedy="An admin makes the fields and gives us the right to edit them: `docs/salesforce.md`.",
)
ACCOUNTED = Check(
    "all_accounted_for",
    "Sent = confirmed + failed + pending, and no row is in doubt.",
    blocking=False,
    remedy=(
        "Rows in doubt are sent again by the next run. If they stay in doubt, look at the job in Salesforce "
        "under Bulk Data Load Jobs."
    ),
)
FAILURES = Check(
    "failure_rate",
    "Few of the leads sent were refused for good.",
    blocking=False,
    remedy=(
        "The details and the table of refused leads give Salesforce's own reasons. Mend the rule or the "
        "leads; they are tried again after the quarantine."
    ),
)
READ_BACK = Check(
    "read_back_equals_warehouse",
    "The org shows what it confirmed.",
    blocking=False,
    remedy=(
        "Something else writes these fields: a flow, a trigger, a person. Find it. The next run sends what "
        "differs again."
    ),
)
DISTRIBUTION = Check(
    "distribution_as_expected",
    "As many leads in each decile, and as many not to be called, as the warehouse has.",
    blocking=False,
    remedy="See `read_back_equals_warehouse`: the org shows other values than it confirmed.",
)
COVERAGE = Check(
    "coverage",
    "Every open lead carries a score of the day by the version that is live.",
    blocking=False,
    remedy=(
        "Pending and refused leads carry old scores or none. The table of refused leads says why; the next run sends "
        "what is pending."
    ),
)
CHECKS = (FIELDS, ACCOUNTED, FAILURES, READ_BACK, DISTRIBUTION, COVERAGE)


def fields_exist(wrong: Sequence[str], absent: Sequence[str]) -> Finding:
    """`wrong` are sentences on unfit fields, `absent` the optional fields that are not there."""
    details = (*wrong, *(f"{name} (optional) is not there: the ledger alone knows it" for name in absent))
    return Finding(FIELDS, not details, f"{len(wrong)} unfit, {len(absent)} optional absent", "all fit", details)


def accounted(sent: int, accounts: Sequence[Mapping[str, Any]]) -> Finding:
    """`sent` leads against the rows of salesforce_accounts."""
    by_outcome = dict.fromkeys(("confirmed", "failed", "pending"), 0)
    for row in accounts:
        by_outcome["failed" if row["outcome"] == "quarantined" else row["outcome"]] += row["lead_count"]
    doubtful = sum(row["lead_count"] for row in accounts if row["in_doubt"])
    found = " + ".join(f"{count} {outcome}" for outcome, count in by_outcome.items())
    return Finding(
        ACCOUNTED,
        sum(by_outcome.values()) == sent and not doubtful,
        f"{found}, {doubtful} in doubt",
        f"{sent} sent, 0 in doubt",
        tuple(_line(row) for row in accounts if row["outcome"] != "confirmed"),
    )


def failure_rate(refused: int, sent: int, limit: float, accounts: Sequence[Mapping[str, Any]]) -> Finding:
    """`refused` of `sent`, leads that nobody works on any more left out."""
    rate = refused / sent if sent else 0.0
    details = tuple(_line(row) for row in accounts if row["outcome"] in ("quarantined", "failed"))
    return Finding(FAILURES, rate <= limit, round(rate, 4), f"at most {limit}", details)


def read_back(asked: int, differing: int, examples: Sequence[str]) -> Finding:
    """`differing` of the `asked` leads that were looked at."""
    return Finding(READ_BACK, differing == 0, f"{differing} of {asked} differ", "0 differ", tuple(examples))


def distribution(
    deciles: Sequence[tuple[int, int, int]], deprioritized: tuple[int, int], mean_score: tuple[float, float]
) -> Finding:
    """(decile, expected, shown) and (expected, shown) on the leads that were looked at."""
    details = [f"decile {one}: {shown} instead of {wanted}" for one, wanted, shown in deciles if shown != wanted]
    if deprioritized[0] != deprioritized[1]:
        details.append(f"not to be called: {deprioritized[1]} instead of {deprioritized[0]}")
    said = "{} of {} deciles agree, {} not to be called, mean score {:.4f}"
    agree = sum(wanted == shown for _, wanted, shown in deciles)
    return Finding(
        DISTRIBUTION,
        not details and abs(mean_score[0] - mean_score[1]) < 0.005,
        said.format(agree, len(deciles), deprioritized[1], mean_score[1]),
        said.format(len(deciles), len(deciles), deprioritized[0], mean_score[0]),
        tuple(details),
    )


def coverage(leads: int, uncovered: int) -> Finding:
    """`uncovered` of the day's `leads`: pending, refused, or shown otherwise."""
    return Finding(COVERAGE, uncovered == 0, f"{uncovered} of {leads} without", "0 without")


def _line(row: Mapping[str, Any]) -> str:
    return f"{row['lead_count']} {row['outcome']}: {row['code']} ({row['example'] or 'no words'})"
