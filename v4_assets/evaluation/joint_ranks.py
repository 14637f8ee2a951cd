"""Where conversions rank under two versions: a joint distribution with given lifts and AUCs. Pure.

A rank is a share of the leads from the bottom, in (0, 1). Leads have normal scores under both versions, correlated; a
version's conversions have the density exp(b z + c z²) of its normal score z, where b and c give its lift and its AUC.
Of all joint distributions with these two margins it is the one nearest to that of the leads (iterative proportional
fitting: Deming and Stephan 1940; Csiszár 1975). Who is called and who becomes a lead weigh its cells.
"""

from dataclasses import dataclass
from functools import cache
from math import erf, sqrt
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from v4_assets.evaluation.model_strength import TOP, Strength

Shape = Literal["smooth", "step"]
Live = Literal["candidate", "baseline"]

CELLS = 200
MIDDLES = (np.arange(CELLS) + 0.5) / CELLS
NORMAL = np.array([NormalDist().inv_cdf(float(middle)) for middle in MIDDLES])
EVEN = np.full(CELLS, 1 / CELLS)
FITTING_ROUNDS, SOLVING_ROUNDS = 60, 60
PRECISION = 1e-9


@dataclass(frozen=True)
class Treatment:
    """How the live version decides which leads there are and which of them are called. The defaults are neutral."""

    top_effort: float = 1.0
    """Conversion of the live version's top decile relative to what it would be without being called first."""
    bottom_effort: float = 1.0
    """The same of the bottom fifth; 0: never called."""
    listed_share: float = 1.0
    """Leads are this best share of the live version's own list; 1: whoever becomes a lead does so for other reasons."""
    list_correlation: float = 0.9
    """Of the live version's scores on the list and at contact."""


NEUTRAL = Treatment()


@dataclass(frozen=True)
class Ranks:
    """Joint distribution of the conversions' ranks."""

    cells: NDArray[Any]
    """Shape (CELLS, CELLS), candidate by baseline; sums to 1."""
    own_edges: NDArray[Any]
    """Ranks at which the candidate's cells begin and end, shape (CELLS + 1,)."""
    their_edges: NDArray[Any]
    conversions: float
    """Conversions for each one there would be without the treatment, by the lead."""

    @property
    def own_top(self) -> NDArray[Any]:
        """Of each of the candidate's cells, the share in the top decile, shape (CELLS,)."""
        return _share_above(self.own_edges)

    @property
    def their_top(self) -> NDArray[Any]:
        """The same of the baseline's."""
        return _share_above(self.their_edges)

    @property
    def middles(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Ranks in the middle of each version's cells, shapes (CELLS,)."""
        return (self.own_edges[:-1] + self.own_edges[1:]) / 2, (self.their_edges[:-1] + self.their_edges[1:]) / 2

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """Cells that conversions fall into, as positions in the flattened `cells`; int, shape (count,)."""
        reached = np.cumsum(self.cells.ravel())
        drawn = np.searchsorted(reached, rng.random(count) * reached[-1])
        return np.asarray(np.minimum(drawn, CELLS**2 - 1))


def joint(
    own: Strength,
    baseline: Strength,
    base_rate: float,
    *,
    correlation: float,
    shape: Shape = "smooth",
    live: Live = "candidate",
    treatment: Treatment = NEUTRAL,
) -> Ranks:
    """Ranks of conversions of a version and the baseline, as the treatment by the live one lets them be measured.

    `base_rate` is the share of leads that converts without the treatment. Raises ValueError for an impossible strength.
    """
    leads = _of_leads(correlation)
    cells = _fitted(leads, margin(own, base_rate, shape), margin(baseline, base_rate, shape))
    along = (slice(None), None) if live == "candidate" else (None, slice(None))
    kept = _listed(treatment)[along] * np.ones_like(leads)
    measured = cells * kept * _effort(treatment, leads * kept, live)[along]
    leads = leads * kept
    own_edges, their_edges = (_edges(leads.sum(axis=axis)) for axis in (1, 0))
    return Ranks(measured / measured.sum(), own_edges, their_edges, float(measured.sum() / leads.sum()))


@cache
def margin(strength: Strength, base_rate: float, shape: Shape) -> NDArray[Any]:
    """Share of the conversions in each of CELLS equal cells of rank. Raises ValueError for an impossible strength."""
    power = strength.power(base_rate)
    if shape == "step":
        edges = np.arange(CELLS + 1) / CELLS
        below = (1 - strength.top) * (np.minimum(edges, 1 - TOP) / (1 - TOP)) ** power
        return np.asarray(np.diff(below + strength.top * np.maximum(edges - (1 - TOP), 0) / TOP))
    return _smooth(strength, base_rate)


def _smooth(strength: Strength, base_rate: float) -> NDArray[Any]:
    """Newton's method on b and c; the step is halved until it brings lift and AUC nearer."""
    top = MIDDLES > 1 - TOP
    wanted = np.array([strength.top, strength.auc * (1 - base_rate) + base_rate / 2])

    def density(found: NDArray[Any]) -> NDArray[Any]:
        exponent = found[0] * NORMAL + found[1] * NORMAL**2
        weights = np.exp(exponent - exponent.max())
        return np.asarray(weights / weights.sum())

    def missed(found: NDArray[Any]) -> NDArray[Any]:
        weights = density(found)
        return np.asarray(np.array([weights[top].sum(), weights @ MIDDLES]) - wanted)

    found = np.zeros(2)
    for _ in range(SOLVING_ROUNDS):
        error = missed(found)
        if np.abs(error).max() < PRECISION:
            return density(found)
        weights = density(found)
        powers, aims = np.array([NORMAL, NORMAL**2]), np.array([top, MIDDLES], dtype=float)
        slopes = (aims * weights) @ powers.T - np.outer(aims @ weights, powers @ weights)
        step = np.linalg.lstsq(slopes, -error, rcond=None)[0]
        step *= min(1.0, 1.0 / max(np.abs(step).max(), 1e-12))
        while np.abs(step).max() > PRECISION and np.abs(missed(found + step)).max() >= np.abs(error).max():
            step = step / 2
        found = found + step
    raise ValueError(f"No smooth ranking has a top-decile lift of {strength.lift} and an AUC of {strength.auc}.")


@cache
def _of_leads(correlation: float) -> NDArray[Any]:
    """Joint distribution of all leads' ranks: normal scores of this correlation."""
    own, theirs, r = NORMAL[:, None], NORMAL[None, :], correlation
    exponent = -(r * r * (own**2 + theirs**2) - 2 * r * own * theirs) / (2 * (1 - r * r))
    return _fitted(np.exp(exponent - exponent.max()), EVEN, EVEN)


def _fitted(cells: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    for _ in range(FITTING_ROUNDS):
        cells = cells * (rows / cells.sum(axis=1))[:, None]
        cells = cells * (columns / cells.sum(axis=0))[None, :]
    return cells


def _listed(treatment: Treatment) -> NDArray[Any]:
    """Share of each cell that is listed and so becomes a lead, shape (CELLS,)."""
    if treatment.listed_share >= 1:
        return np.ones(CELLS)
    border, r = NormalDist().inv_cdf(1 - treatment.listed_share), treatment.list_correlation
    return np.array([_normal((r * score - border) / sqrt(1 - r * r)) for score in NORMAL])


def _effort(treatment: Treatment, leads: NDArray[Any], live: Live) -> NDArray[Any]:
    """How much more each cell of the live version converts, shape (CELLS,)."""
    edges = _edges(leads.sum(axis=1 if live == "candidate" else 0))
    top, bottom = _share_above(edges), 1 - _share_above(edges, 0.2)
    return 1 + top * (treatment.top_effort - 1) + bottom * (treatment.bottom_effort - 1)


def _edges(margin_of_leads: NDArray[Any]) -> NDArray[Any]:
    reached = np.concatenate([[0.0], np.cumsum(margin_of_leads)])
    return np.asarray(reached / reached[-1])


def _share_above(edges: NDArray[Any], border: float = 1 - TOP) -> NDArray[Any]:
    low, high = edges[:-1], edges[1:]
    return np.asarray(np.clip((high - border) / np.maximum(high - low, 1e-300), 0.0, 1.0))


def _normal(value: float) -> float:
    """Distribution function of the normal distribution."""
    return (1 + erf(value / sqrt(2))) / 2
