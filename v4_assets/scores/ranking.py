"""From scores to percentile, decile and the not-to-call flag, in a strict order. Pure.

Equal scores are ordered by a salted hash of the lead id, never by the id itself, which tracks the lead's age. The order
is only needed where a tie lies across a percentile's border, so everything else is read off the sorted scores.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPRIORITIZED_UP_TO = 20
"""Percentiles that are not called."""


def percentiles(scores: NDArray[Any], tie_break: NDArray[Any]) -> NDArray[Any]:
    """Percentile of every lead, int8 in 1..100: ceil(100 * rank / n), rank 1 = lowest score, n = highest.

    Among equal scores the smaller `tie_break` ranks lower. Both arrays have shape (n,); NaN scores raise ValueError.
    """
    count = len(scores)
    if count == 0:
        return np.zeros(0, dtype=np.int8)
    if np.isnan(scores).any():
        raise ValueError("A score is NaN; only numbers can be ranked.")
    order = np.argsort(scores)
    ordered = scores[order]
    # highest[p - 1] leads have a percentile up to p, so the sorted position of a lead determines its percentile.
    highest = count * np.arange(1, 101) // 100
    for border in np.unique(highest[(highest > 0) & (highest < count)]):
        if ordered[border - 1] == ordered[border]:
            tied = slice(*(np.searchsorted(ordered, ordered[border], side=side) for side in ("left", "right")))
            order[tied] = order[tied][np.argsort(tie_break[order[tied]], kind="stable")]
    result: NDArray[Any] = np.empty(count, dtype=np.int8)
    result[order] = np.repeat(np.arange(1, 101, dtype=np.int8), np.diff(highest, prepend=0))
    return result


def deciles(percentile: NDArray[Any]) -> NDArray[Any]:
    """ceil(percentile / 10): 10 = top, 1 = bottom."""
    return -(-percentile // 10)


def deprioritized(percentile: NDArray[Any]) -> NDArray[Any]:
    """Whether a lead is not to be called, bool."""
    return percentile <= DEPRIORITIZED_UP_TO
