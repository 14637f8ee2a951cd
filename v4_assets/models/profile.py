"""Distributions of numeric columns: histograms, and the distance between two of them. Pure.

A profile is taken on encoded features, so categories and numbers are treated alike: bins are closed above, the edges of
a number are its training deciles, those of a category its codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

SMALLEST_SHARE = 1e-4
"""Stands for an empty bin in the population stability index, which is infinite otherwise."""


@dataclass(frozen=True)
class Histogram:
    """Shares of rows in the bins (-inf, e0], (e0, e1], …, (en, inf)."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    def counts(self, values: NDArray[Any]) -> NDArray[Any]:
        """Rows of `values` in each bin, int64, shape (edges + 1,). NaN is not counted."""
        values = values[~np.isnan(values)]
        return np.bincount(np.searchsorted(self.edges, values, side="left"), minlength=len(self.edges) + 1)


@dataclass(frozen=True)
class Profile:
    """How the features and the score were distributed in training."""

    rows: int
    features: Mapping[str, Histogram]
    score: Histogram
    distinct_scores: int

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """A profile as `to_json` writes it."""

        def histogram(entry: Mapping[str, Any]) -> Histogram:
            return Histogram(tuple(entry["edges"]), tuple(entry["shares"]))

        return cls(
            rows=content["rows"],
            features={name: histogram(entry) for name, entry in content["features"].items()},
            score=histogram(content["score"]),
            distinct_scores=content["distinct_scores"],
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for profile.json."""

        def plain(histogram: Histogram) -> dict[str, list[float]]:
            return {"edges": list(histogram.edges), "shares": list(histogram.shares)}

        return {
            "rows": self.rows,
            "features": {name: plain(histogram) for name, histogram in self.features.items()},
            "score": plain(self.score),
            "distinct_scores": self.distinct_scores,
        }


def profile_of(names: Sequence[str], matrix: NDArray[Any], scores: NDArray[Any], *, bins: int = 10) -> Profile:
    """The profile of encoded rows, shape (rows, len(names)), and their scores, shape (rows,)."""
    return Profile(
        rows=len(matrix),
        features={name: histogram_of(matrix[:, position], bins) for position, name in enumerate(names)},
        score=histogram_of(scores, bins),
        distinct_scores=len(np.unique(scores)),
    )


def histogram_of(values: NDArray[Any], bins: int = 10) -> Histogram:
    """At most `bins` bins of about equal counts; fewer distinct values than bins get a bin each."""
    values = values[~np.isnan(values)].astype(np.float64)
    distinct = np.unique(values)
    if len(distinct) <= bins:
        edges = distinct[:-1]
    else:
        edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf"))
        edges = edges[edges < distinct[-1]]
    empty = Histogram(tuple(float(edge) for edge in edges), ())
    counts = empty.counts(values)
    return Histogram(empty.edges, tuple(float(share) for share in counts / max(len(values), 1)))


def psi(expected: Sequence[float], counts: NDArray[Any]) -> float | None:
    """Population stability index of `counts` against `expected` shares: sum of (a - e) ln(a / e). None without rows.

    Siddiqi (2006), "Credit Risk Scorecards"; by convention 0.1 is a moderate shift, 0.25 a large one.
    """
    if counts.sum() == 0:
        return None
    before = np.maximum(np.asarray(expected), SMALLEST_SHARE)
    after = np.maximum(counts / counts.sum(), SMALLEST_SHARE)
    return float(np.sum((after - before) * np.log(after / before)))
