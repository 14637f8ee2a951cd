"""Checks of the scores: in [0, 1], one per lead with features, distinct, ranked exactly, distributed as in training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.checks import Check, Finding
from v4_assets.config.rollout import CheckLimits
from v4_assets.features.checks import covers
from v4_assets.models.profile import Histogram, psi
from v4_assets.scores.scoring import DEPRIORITIZED_UP_TO

IN_RANGE = Check(
    "scores_in_range",
    "Every score is a number in [0, 1].",
    blocking=True,
    remedy="The model or its features are wrong. Compare the model's sha256 with the registry.",
)
ONE_PER_FEATURED = Check(
    "one_score_per_featured_lead",
    "Exactly one score per feature row, but for leads that no version can score, and no other rows.",
    blocking=True,
    remedy="Rows were duplicated or lost by a bug or a manual edit of the table. Do not serve the day.",
)
SAME_LEADS = Check(
    "same_leads_in_every_version",
    "The version scored exactly the day's listed leads, but for those that no version can score.",
    blocking=True,
    remedy="Rows were duplicated or lost by a bug or a manual edit of the table. Do not serve the day.",
)
DISTINCT = Check(
    "distinct_scores",
    "Enough distinct scores to rank the leads.",
    blocking=True,
    remedy="The model or its features are wrong. Compare the model's sha256 with the registry.",
)
RANKED = Check(
    "ranked_exactly",
    "Percentiles are 1 to 100, in the order of the scores, with exactly the lowest fifth at 20 or below.",
    blocking=True,
    remedy='Rows were edited after ranking. Replace the day: `v4 run --date DAY --replace-live "REASON"`.',
)
DRIFT = Check(
    "score_drift",
    "The distribution of scores is close to training (population stability index).",
    blocking=False,
    remedy="No immediate action: expected after a change of the market. Consider retraining; scoring continues.",
)
CHECKS = (IN_RANGE, ONE_PER_FEATURED, SAME_LEADS, DISTINCT, RANKED, DRIFT)


def judge(
    scores: NDArray[Any],
    percentile: NDArray[Any],
    featured: Mapping[str, int],
    scored: Mapping[str, int],
    training: Histogram,
    limits: CheckLimits,
    left_out: int = 0,
) -> list[Finding]:
    """Findings for a day. `scores` (float, NaN for NULL) and `percentile` are the partition's columns; `featured` and
    `scored` compare it with the version's features and with scored_leads, of which `left_out` are not scored."""
    return [
        _in_range(scores),
        covers(ONE_PER_FEATURED, featured, left_out),
        covers(SAME_LEADS, scored, left_out),
        _distinct(scores, limits.distinct_scores),
        _ranked(scores, percentile),
        _drift(scores, training, limits.psi),
    ]


def _in_range(scores: NDArray[Any]) -> Finding:
    outside = int(np.sum(~((scores >= 0) & (scores <= 1))))
    span = f", from {scores.min():.4f} to {scores.max():.4f}" if len(scores) else ""
    return Finding(IN_RANGE, outside == 0, f"{outside} outside{span}", "0 outside [0, 1]")


def _distinct(scores: NDArray[Any], limit: int) -> Finding:
    # A small number of leads cannot have many scores: the limit is then one distinct score per ten leads.
    wanted = min(limit, len(scores) // 10)
    found = len(np.unique(scores))
    return Finding(DISTINCT, found >= wanted, found, f"at least {wanted}")


def _ranked(scores: NDArray[Any], percentile: NDArray[Any]) -> Finding:
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
        f"{uncalled} leads at 20 or below, {outside} percentiles outside 1 to 100, {reversed_at} out of order",
        f"{wanted} leads at 20 or below, 0 outside 1 to 100, 0 out of order",
    )


def _drift(scores: NDArray[Any], training: Histogram, limit: float) -> Finding:
    index = psi(training.shares, training.counts(scores)) or 0.0
    return Finding(DRIFT, index <= limit, round(index, 4), f"at most {limit}")
