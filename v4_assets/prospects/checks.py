"""Checks of a month, in the words of advisors: those of the daily features and scores, and its list's own."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from v4_assets.checks import Check, Finding
from v4_assets.features import checks as features
from v4_assets.scores import checks as scores
from v4_assets.sources import checks as sources

REPLACE = 'Replace the month: `v4 prospects run --month MONTH --replace-live "REASON"`.'

ONE_ROW = Check(
    "one_row_per_advisor",
    "Every advisor is there exactly once.",
    blocking=True,
    remedy="Rows were duplicated by a bug or a manual edit of the table. Do not give out the list.",
)
COUNT_STEADY = Check(
    "advisor_count_steady",
    "The number of producing, active advisors is above zero and close to the month before.",
    blocking=True,
    remedy="A load of FinTrx is missing or incomplete. Wait for it, then run the month again.",
)
PROSPECT_CHECKS = (ONE_ROW, COUNT_STEADY)

ONE_PER_PROSPECT = replace(
    features.ONE_PER_LEAD,
    name="one_row_per_prospect",
    description="Exactly one feature row per prospect, and no other rows.",
)
MISSING_STEADY = replace(
    features.MISSING_STEADY,
    description='The share of "not known" of each feature is close to the month before.',
)
VALUES_ALLOWED = replace(
    features.VALUES_ALLOWED,
    description="Few advisors have a NULL, an unknown category or a number out of range; no version scores these.",
)
_FEATURE = {
    features.ONE_PER_LEAD: ONE_PER_PROSPECT,
    features.MISSING_STEADY: MISSING_STEADY,
    features.VALUES_ALLOWED: VALUES_ALLOWED,
}
FEATURE_CHECKS = tuple(_FEATURE.get(check, check) for check in features.CHECKS)

ONE_PER_FEATURED = replace(
    scores.ONE_PER_FEATURED,
    name="one_score_per_featured_prospect",
    description="Exactly one score per feature row, but for advisors that no version can score, and no other rows.",
)
SAME_ADVISORS = replace(
    scores.SAME_LEADS,
    name="same_advisors_in_every_version",
    description="The version scored exactly the month's prospects, but for those that no version can score.",
)
_SCORE = {
    scores.ONE_PER_FEATURED: ONE_PER_FEATURED,
    scores.SAME_LEADS: SAME_ADVISORS,
    scores.RANKED: replace(scores.RANKED, remedy=f"Rows were edited after ranking. {REPLACE}"),
    scores.DISTINCT: replace(scores.DISTINCT, description="Enough distinct scores to rank the advisors."),
}
SCORE_CHECKS = tuple(_SCORE.get(check, check) for check in scores.CHECKS)

LISTED_ONCE = Check(
    "one_row_per_listed_advisor",
    "The list holds every advisor once, and each caller has no more than the quota.",
    blocking=True,
    remedy="Rows were duplicated by a bug or a manual edit of the table. Do not give out the list.",
)
OF_LIVE = Check(
    "list_of_the_live_version",
    "The latest list of the month is ordered by the live version.",
    blocking=False,
    remedy='The list was given out before a switch: `v4 prospects list --again "REASON"` makes it again.',
)
LIST_CHECKS = (LISTED_ONCE, OF_LIVE)


def judge_prospects(coverage: Mapping[str, int], count_before: int | None, limit: float) -> list[Finding]:
    """Findings of a month. `coverage` compares the prospects with themselves; `count_before` is the month before's."""
    twice = coverage["actual_count"] - coverage["distinct_count"]
    before = [] if count_before is None else [count_before]
    steady = sources.count_steady(coverage["actual_count"], before, limit, "advisors", "Is FinTrx's copy filled?")
    return [
        Finding(ONE_ROW, twice == 0, f"{twice} surplus rows", "0 surplus rows"),
        replace(steady, check=COUNT_STEADY),
    ]


def of_advisors(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of the daily checks, as those of a month."""
    named = {**_FEATURE, **_SCORE}
    return [
        replace(one, check=named.get(one.check, one.check), actual=_spoken(one.actual), expected=_spoken(one.expected))
        for one in findings
    ]


def _spoken(value: str | float) -> str | float:
    return value.replace("lead", "advisor") if isinstance(value, str) else value


def judge_list(
    advisors: Sequence[int], callers: Sequence[int], version: str | None, live: str | None, quota: int
) -> list[Finding]:
    """Findings of the latest edition: its advisors and who contacts each, the version that orders it, the live one."""
    twice = len(advisors) - len(set(advisors))
    most = max(Counter(callers).values(), default=0)
    return [
        Finding(
            LISTED_ONCE,
            twice == 0 and most <= quota,
            f"{len(advisors)} rows, {twice} surplus, at most {most} for a caller",
            f"0 surplus, at most {quota} for a caller",
        ),
        Finding(OF_LIVE, version == live or not advisors, version or "no list", live or "nothing is live"),
    ]
