"""From scores to percentile, decile and the not-to-call flag, in a strict order. Pure.

Equal scores are ordered by a salted hash of the lead id, never by the id itself, which tracks the lead's age. The order
is only needed where a tie lies across a percentile's border, so everything else is read off the sorted scores.
"""

from typing import Any

import numpy as np

DEPRIORITIZED_UP_TO = 20
"""Percentiles that are not called."""

Numbers = np.ndarray[Any, np.dtype[Any]]


def percentiles(scores: Numbers, tie_break: Numbers) -> Numbers:
    """Percentile of every lead, int64 in 1..100: ceil(100 * rank / n), rank 1 = lowest score, n = highest.

    Among equal scores the smaller `tie_break` ranks lower. Both arrays have shape (n,); NaN scores raise ValueError.
    """
    count = len(scores)
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    if np.isnan(scores).any():
        raise ValueError("A score is NaN; only numbers can be ranked.")
    ordered = np.sort(scores)
    # The highest rank of percentiles 1..99; rank r belongs to the first percentile whose highest rank is >= r.
    highest = count * np.arange(1, 100) // 100
    borders = ordered[np.maximum(highest, 1) - 1]
    borders[highest == 0] = -np.inf
    result: Numbers = np.searchsorted(borders, scores, side="left") + 1
    # A score equal to a border may lie on either side of it: only these leads are put in their strict order.
    at_border = np.flatnonzero(np.isin(scores, np.unique(borders)))
    within = at_border[np.lexsort((tie_break[at_border], scores[at_border]))]
    tied_scores = scores[within]
    below = np.searchsorted(ordered, tied_scores, side="left")
    first_of_group = np.searchsorted(tied_scores, tied_scores, side="left")
    rank = below + np.arange(len(within)) - first_of_group + 1
    result[within] = np.searchsorted(highest, rank, side="left") + 1
    return result


def deciles(percentile: Numbers) -> Numbers:
    """ceil(percentile / 10): 10 = top, 1 = bottom."""
    return -(-percentile // 10)


def deprioritized(percentile: Numbers) -> Numbers:
    """Whether a lead is not to be called, bool."""
    return percentile <= DEPRIORITIZED_UP_TO
