"""The checks of a sync, in every configuration; those on the org's answers only where rows are sent. Pure.

None of them blocks, because the rows are already sent. Scores that must not be sent are refused before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v4_assets.checks import Check, Finding
from v4_assets.salesforce.plan import SyncPlan
from v4_assets.salesforce.rows import deciles

SHARE_TOLERANCE = 0.01
"""A decile may differ from a tenth of the leads, and the deprioritized from a fifth, by this share or by one lead."""
MEAN_TOLERANCE = 0.005

FIELDS = Check(
    "fields_exist",
    "Every field of rollout.yaml exists in the org and fits its values; in a dry run, every file has the columns of "
    "rollout.yaml.",
    blocking=False,
    remedy="Ask an admin to create the fields and to let our user edit them: `docs/salesforce.md`.",
)
VALUES = Check(
    "values_in_range",
    "Scores lie in 0..1, percentiles in 1..100, and exactly the lowest fifth is deprioritized.",
    blocking=False,
    remedy="Nothing was sent. Run the daily job again; if it fails again, see the checks of the scores.",
)
DISTRIBUTION = Check(
    "distribution_as_expected",
    "Each decile holds a tenth of the day's leads and a fifth is deprioritized; the org shows the same for the values "
    "it confirmed.",
    blocking=False,
    remedy="See the checks of the scores. If only the org differs, see `read_back_equals_warehouse`.",
)
COUNT = Check(
    "count_as_scored",
    "Every lead listed for the day is accounted for: sent, unchanged, held back, malformed or a duplicate.",
    blocking=False,
    remedy="Run the daily job again: scores and the list of leads are not of one run.",
)
LIMIT = Check(
    "changes_within_limit",
    "The share of leads whose call flag or decile moves, or whose fields are emptied, is within max_changed_share.",
    blocking=False,
    remedy=(
        "Nothing was sent. Check the scores with `v4 sync preview`. To allow it once, run "
        "`v4 sync allow-changes --reason …`, then `v4 run --date today`."
    ),
)
DELIVERED = Check(
    "delivered",
    "The org has the day's scores of the live version; nothing is owed.",
    blocking=False,
    remedy="The details say what is owed and why. The sensor repeats the sync; `docs/runbook.md` lists the causes.",
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
COVERAGE = Check(
    "coverage",
    "The open leads carry the live version's score, but for max_uncovered_share of them.",
    blocking=False,
    remedy=(
        "Pending and refused leads carry old scores or none. The table of refused leads has the reasons; the next run "
        "sends the pending ones. `v4 sync retry-refused` sends refused leads again."
    ),
)
ALWAYS = (FIELDS, VALUES, DISTRIBUTION, COUNT, LIMIT)
"""Checks of every configuration."""
CHECKS = (*ALWAYS, ACCOUNTED, FAILURES, READ_BACK, COVERAGE, DELIVERED)
"""Checks where rows are sent."""


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


def columns(found: Sequence[str], expected: Sequence[str]) -> Finding:
    """The columns of a dry run's files; without a file, those it would have."""
    return Finding(FIELDS, list(found) == list(expected), ", ".join(found), ", ".join(expected))


def values(rows: pa.Table, wrong: str = "") -> Finding:
    """`rows` (ROW) of the day, which were taken; `wrong` says why values could not be taken."""
    return Finding(VALUES, not wrong, wrong or f"{len(rows)} leads in range", "all in range")


def count(plan: SyncPlan) -> Finding:
    """The leads of the plan against the day's scores, and the scores against the list of leads."""
    scores = plan.scores
    planned = len(plan.rows) - plan.cleared + plan.unchanged + plan.small + len(plan.quarantined)
    listed = scores.accounted if scores.listed is None else scores.listed
    return Finding(
        COUNT,
        planned == len(scores.rows) and scores.accounted == listed,
        f"{planned} leads planned, {scores.duplicates} duplicates, {len(scores.malformed)} malformed",
        f"{listed} leads listed",
        scores.malformed[:3],
    )


def limit(plan: SyncPlan, most: float, exempt: str | None) -> Finding:
    """The plan against the limit on changes; `exempt` says why it does not apply."""
    above = plan.too_many(most)
    shares = f"{plan.changed_share:.2%} changed, {plan.cleared_share:.2%} emptied"
    details = tuple(one for one in (above, exempt and f"limit not applied: {exempt}") if one)
    return Finding(LIMIT, not above or bool(exempt), shares, f"at most {most:.0%}", details)


def delivered(problems: Sequence[str]) -> Finding:
    """Why the day's scores are owed; empty when they are delivered."""
    return Finding(DELIVERED, not problems, f"{len(problems)} reasons to owe", "nothing owed", tuple(problems))


def failure_rate(refused: int, leads: int, most: float, accounts: Sequence[Mapping[str, Any]]) -> Finding:
    """`refused` of the day's `leads`, excluding converted and deleted leads and those the org does not have."""
    rate = refused / leads if leads else 0.0
    details = tuple(_line(row) for row in accounts if row["outcome"] in ("quarantined", "failed"))
    return Finding(FAILURES, rate <= most, round(rate, 4), f"at most {most}", details)


def read_back(asked: int, differing: int, repaired: int, examples: Sequence[str]) -> Finding:
    """`differing` of the `asked` leads that were read, after `repaired` leads were sent again."""
    mended = f", {repaired} were sent again" if repaired else ""
    return Finding(
        READ_BACK, differing == 0, f"{differing} of {asked} leads differ{mended}", "none differ", tuple(examples)
    )


def distribution(
    rows: pa.Table,
    shown: Sequence[tuple[int, int, int]] = (),
    deprioritized: tuple[int, int] = (0, 0),
    mean_score: tuple[float, float] = (0.0, 0.0),
) -> Finding:
    """The day's leads (ROW) by decile, against tenths. `shown` has (decile, confirmed, shown by the org) of the leads
    that were read, `deprioritized` and `mean_score` (confirmed, shown)."""
    counts = np.bincount(np.asarray(pc.drop_null(deciles(rows["percentile"]))).astype(int), minlength=11)[1:]
    low = int(pc.sum(rows["deprioritize"]).as_py() or 0)
    wanted, room = len(rows) / 10, max(1.0, SHARE_TOLERANCE * len(rows))
    details = [f"decile {at}: {found} leads" for at, found in enumerate(counts, 1) if abs(found - wanted) > room]
    if abs(low - 2 * wanted) > room:
        details.append(f"deprioritized: {low} leads")
    details += [f"decile {one}: the org shows {there} of {ours}" for one, ours, there in shown if there != ours]
    if deprioritized[0] != deprioritized[1]:
        details.append(f"deprioritized: the org shows {deprioritized[1]} of {deprioritized[0]}")
    if abs(mean_score[0] - mean_score[1]) >= MEAN_TOLERANCE:
        details.append(f"mean score: the org shows {mean_score[1]:.4f} instead of {mean_score[0]:.4f}")
    actual = f"deciles of {counts.min()} to {counts.max()} leads, {low} deprioritized, {len(details)} deviations"
    return Finding(DISTRIBUTION, not details, actual, f"deciles of {wanted:.0f}, {2 * wanted:.0f}", tuple(details))


def coverage(leads: int, uncovered: int, absent: int, most: float) -> Finding:
    """`uncovered` of the day's open `leads`: pending, refused, or different in the org. `absent` do not count."""
    open_ = max(1, leads - absent)
    return Finding(
        COVERAGE,
        uncovered <= most * open_,
        f"{uncovered} of {leads - absent} open leads without the live version's score, {absent} not in the org",
        f"at most {most:.1%}",
    )


def _line(row: Mapping[str, Any]) -> str:
    return f"{row['lead_count']} {row['outcome']}: {row['code']} ({row['example'] or 'no message'})"
