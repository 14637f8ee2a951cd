"""Are the scores numbers in [0, 1], one per featured lead, different from each other, and of the approved model?"""

from collections.abc import Mapping

import numpy as np

from v4_assets.arrays import Numbers
from v4_assets.checks import Check, Finding
from v4_assets.config.rollout import CheckLimits
from v4_assets.features.checks import covers
from v4_assets.models.profile import Histogram, psi
from v4_assets.scores.ranking import DEPRIORITIZED_UP_TO

IN_RANGE = Check(
    "scores_in_range",
    "Every score is a number in [0, 1].",
    blocking=True,
    remedy="The model or its features are broken. Compare the model's sha256 with the registry.",
)
ONE_PER_FEATURED = Check(
    "one_score_per_featured_lead",
    "Every row of features has one score, nobody else.",
    blocking=True,
    remedy="Rows were doubled or lost: a bug or a table edited by hand. Do not serve the day.",
)
SAME_LEADS = Check(
    "same_leads_in_every_version",
    "The version scored exactly the day's scored leads, as every other must.",
    blocking=True,
    remedy="Rows were doubled or lost: a bug or a table edited by hand. Do not serve the day.",
)
DISTINCT = Check(
    "distinct_scores",
    "Scores tell leads apart.",
    blocking=True,
    remedy="The model or its features are broken. Compare the model's sha256 with the registry.",
)
RANKED = Check(
    "ranked_exactly",
    "Percentiles are 1 to 100, follow the scores, and put exactly the lowest fifth at 20 or below.",
    blocking=True,
    remedy="Rows were edited after they were ranked. Replace the day with a reason: `v4 run --replace-live`.",
)
DRIFT = Check(
    "score_drift",
    "Scores are distributed as in training (population stability index).",
    blocking=False,
    remedy="Nothing at once: expected after a shift of the market. A reason to retrain, not to stop.",
)
CHECKS = (IN_RANGE, ONE_PER_FEATURED, SAME_LEADS, DISTINCT, RANKED, DRIFT)


def judge(
    scores: Numbers,
    percentile: Numbers,
    featured: Mapping[str, int],
    scored: Mapping[str, int],
    training: Histogram,
    limits: CheckLimits,
) -> list[Finding]:
    """Findings for a day. `scores` (float, NaN for NULL) and `percentile` are the partition's columns; `featured` and
    `scored` compare it with the version's features and with scored_leads."""
    return [
        _in_range(scores),
        covers(ONE_PER_FEATURED, featured),
        covers(SAME_LEADS, scored),
        _distinct(scores, limits.distinct_scores),
        _ranked(scores, percentile),
        _drift(scores, training, limits.psi),
    ]


def _in_range(scores: Numbers) -> Finding:
    outside = int(np.sum(~((scores >= 0) & (scores <= 1))))
    span = f", from {scores.min():.4f} to {scores.max():.4f}" if len(scores) else ""
    return Finding(IN_RANGE, outside == 0, f"{outside} outside{span}", "0 outside [0, 1]")


def _distinct(scores: Numbers, limit: int) -> Finding:
    # A few leads cannot have many scores; one for every ten of them is asked then.
    wanted = min(limit, len(scores) // 10)
    found = len(np.unique(scores))
    return Finding(DISTINCT, found >= wanted, found, f"at least {wanted}")


def _ranked(scores: Numbers, percentile: Numbers) -> Finding:
    within = (percentile >= 1) & (percentile <= 100)
    ranks, ranked = percentile[within].astype(np.int64), scores[within]
    lowest, highest = np.full(101, np.inf), np.full(101, -np.inf)
    np.minimum.at(lowest, ranks, ranked)
    np.maximum.at(highest, ranks, ranked)
    reversed_at = int(np.sum(np.maximum.accumulate(highest)[:-1] > lowest[1:]))
    uncalled = int(np.sum(percentile <= DEPRIORITIZED_UP_TO))
    wanted = len(percentile) * DEPRIORITIZED_UP_TO // 100
    outside = len(percentile) - len(ranks)
    return Finding(
        RANKED,
        outside == reversed_at == 0 and uncalled == wanted,
        f"{uncalled} not called, {outside} percentiles outside, {reversed_at} against the scores",
        f"{wanted} not called, 0 outside, 0 against the scores",
    )


def _drift(scores: Numbers, training: Histogram, limit: float) -> Finding:
    index = psi(training.shares, training.counts(scores)) or 0.0
    return Finding(DRIFT, index <= limit, round(index, 4), f"at most {limit}")
