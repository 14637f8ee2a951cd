"""How well scores rank conversions: AUC, average precision, lift and conversion by rank. Pure.

Ties across a border are credited fractionally, so that no metric depends on the order in which equal scores arrive.
"""

from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

Numbers = np.ndarray[Any, np.dtype[Any]]


def auc(scores: Numbers, converted: Numbers) -> float | None:
    """Area under the ROC curve, ties counted half; None when all or none converted. Shapes (n,), `converted` bool."""
    if converted.all() or not converted.any():
        return None
    return float(roc_auc_score(converted, scores))


def average_precision(scores: Numbers, converted: Numbers) -> float | None:
    """Area under the precision-recall curve as average precision; None when none converted."""
    return float(average_precision_score(converted, scores)) if converted.any() else None


def conversion_of_share(scores: Numbers, converted: Numbers, low: float, high: float) -> float | None:
    """Conversion rate, 0..1, of the leads ranked between shares `low` and `high` from the bottom; 0.9, 1.0 is the top.

    The slice holds exactly (high - low) * n leads: a group of equal scores that lies across a border enters with its
    mean conversion in proportion. None when the slice holds no lead.
    """
    count = len(scores)
    width = (high - low) * count
    if width <= 0:
        return None
    order = np.argsort(scores, kind="stable")
    # Within a group of equal scores every position carries the group's mean.
    _, group, sizes = np.unique(scores[order], return_inverse=True, return_counts=True)
    mean = np.bincount(group, weights=converted[order].astype(float)) / sizes
    start = np.arange(count)
    inside = np.clip(np.minimum(start + 1, high * count) - np.maximum(start, low * count), 0.0, 1.0)
    return float(np.sum(mean[group] * inside) / width)


def top_decile_lift(scores: Numbers, converted: Numbers) -> float | None:
    """Conversion of the top decile over that of all; None when none converted."""
    if not converted.any():
        return None
    top = conversion_of_share(scores, converted, 0.9, 1.0)
    return None if top is None else top / float(converted.mean())
