"""The checks of a sync: fields, accounts, refusals, read-back, distribution, coverage.

None of them blocks, because the rows are already sent. Scores that must not be sent are refused before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from v4_assets.checks import Check, Finding

FIELDS = Check(
    "fields_exist",
    "Every field of rollout.yaml exists in the org and fits its values.",
    blocking=False,
    remedy="Ask an admin to create the fields and to let our user edit them: `docs/salesforce.md`.",
)
ACCOUNTED = Check(
    "all_accounted_for",
    "Sent = confirmed + failed + pending, and no row is in doubt.",
    blocking=False,
    remedy=(
        "The next run sends rows in doubt again. If they stay in doubt, open the job in Salesforce under "
        "Bulk Data Load Jobs."
    ),
)
FAILURES = Check(
    "failure_rate",
    "The share of leads rejected permanently is within its limit.",
    blocking=False,
    remedy=(
        "The details and the table of refused leads give Salesforce's reasons. Fix the rule or the leads; they are "
        "sent again after the quarantine."
    ),
)
READ_BACK = Check(
    "read_back_equals_warehouse",
    "The org shows the values that it confirmed.",
    blocking=False,
    remedy=(
        "Find the flow, trigger or user that also writes these fields. The next run sends the differing leads again."
    ),
)
DISTRIBUTION = Check(
    "distribution_as_expected",
    "The org has the same number of leads per decile, and of deprioritized leads, as the warehouse.",
    blocking=False,
    remedy="See `read_back_equals_warehouse`: the org shows values that differ from those it confirmed.",
)
COVERAGE = Check(
    "coverage",
    "Every open lead carries the day's score of the live version.",
    blocking=False,
    remedy=(
        "Pending and refused leads carry old scores or none. The table of refused leads has the reasons; the next run "
        "sends the pending ones."
    ),
)
CHECKS = (FIELDS, ACCOUNTED, FAILURES, READ_BACK, DISTRIBUTION, COVERAGE)


def fields_exist(wrong: Sequence[str], absent: Sequence[str]) -> Finding:
    """`wrong` has a sentence for each unfit field, `absent` the optional fields that are missing."""
    details = (*wrong, *(f"{name} (optional) is missing: its values are kept in the ledger only" for name in absent))
    actual = f"{len(wrong)} unfit, {len(absent)} optional absent" if details else "all fit"
    return Finding(FIELDS, not details, actual, "all fit", details)


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
    """`refused` of `sent`, excluding converted and deleted leads."""
    rate = refused / sent if sent else 0.0
    details = tuple(_line(row) for row in accounts if row["outcome"] in ("quarantined", "failed"))
    return Finding(FAILURES, rate <= limit, round(rate, 4), f"at most {limit}", details)


def read_back(asked: int, differing: int, examples: Sequence[str]) -> Finding:
    """`differing` of the `asked` leads that were read."""
    return Finding(READ_BACK, differing == 0, f"{differing} of {asked} leads differ", "none differ", tuple(examples))


def distribution(
    deciles: Sequence[tuple[int, int, int]], deprioritized: tuple[int, int], mean_score: tuple[float, float]
) -> Finding:
    """(decile, expected, shown) and (expected, shown) on the leads that were read."""
    details = [f"decile {one}: {shown} instead of {wanted}" for one, wanted, shown in deciles if shown != wanted]
    if deprioritized[0] != deprioritized[1]:
        details.append(f"deprioritized: {deprioritized[1]} instead of {deprioritized[0]}")
    text = "{} of {} deciles agree, {} deprioritized, mean score {:.4f}"
    agree = sum(wanted == shown for _, wanted, shown in deciles)
    return Finding(
        DISTRIBUTION,
        not details and abs(mean_score[0] - mean_score[1]) < 0.005,
        text.format(agree, len(deciles), deprioritized[1], mean_score[1]),
        text.format(len(deciles), len(deciles), deprioritized[0], mean_score[0]),
        tuple(details),
    )


def coverage(leads: int, uncovered: int) -> Finding:
    """`uncovered` of the day's `leads`: pending, refused, or different in the org."""
    return Finding(COVERAGE, uncovered == 0, f"{uncovered} of {leads} leads without today's score", "every lead has it")


def _line(row: Mapping[str, Any]) -> str:
    return f"{row['lead_count']} {row['outcome']}: {row['code']} ({row['example'] or 'no message'})"
