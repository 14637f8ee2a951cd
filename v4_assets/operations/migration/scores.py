"""Scores of the same leads from two systems: how alike they rank, which deciles move, which call flags flip. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.errors import SettingsError
from v4_assets.evaluation.metrics import midranks
from v4_assets.scores.scoring import deciles, deprioritized, percentiles

TOP = 10
MOVES = ("0", "1", "2", "3 or more")
SCORE_NAMES = ("v4_score", "score")
PERCENTILE_NAMES = ("v4_percentile", "v4_score_percentile", "percentile")
FLAG_NAMES = ("v4_deprioritize", "deprioritize")
"""What hand-run tables call a score and what follows from it."""


@dataclass(frozen=True)
class Served:
    """What one system served for some leads; arrays of shape (n,)."""

    leads: pa.Array
    """Ids of 18 characters, each once."""
    score: NDArray[Any]
    """float64, NaN without one."""
    percentile: NDArray[Any] | None = None
    """float64, 1..100 or 0..99, 100 or 99 the best; None when the system served none."""
    deprioritize: NDArray[Any] | None = None
    """bool; None when the system served none."""


@dataclass(frozen=True)
class ScoreDifference:
    """Two systems' scores of the leads that both have."""

    leads: int
    only_theirs: int
    only_ours: int
    rank_correlation: float | None
    """Spearman's; None where one side has the same score for every lead."""
    largest_difference: float
    equal: int
    """Leads whose scores differ by no more than `tolerance`."""
    tolerance: float
    moved: tuple[int, ...]
    """Leads by the number of deciles they move: as MOVES."""
    as_served: bool
    """Whether their deciles are those they served; False: ranked here, over the leads that both have."""
    enters_top: int
    leaves_top: int
    """Leads in our top decile and not in theirs, and the reverse."""
    calls_stop: int
    """Called until now and not called by our scores."""
    calls_begin: int

    @property
    def moved_share(self) -> float:
        """Share of the leads in another decile."""
        return (sum(self.moved[1:]) / self.leads) if self.leads else 0.0


def served(rows: pa.Table, leads: pa.Array) -> Served | None:
    """What a table of theirs served, by its column names in lower case; None without a score.

    Raises SettingsError for a column that holds no numbers.
    """
    names = [_first(rows, names) for names in (SCORE_NAMES, PERCENTILE_NAMES, FLAG_NAMES)]
    score, percentile, flag = names
    if score is None:
        return None
    return Served(
        leads,
        _numbers(rows, score),
        _numbers(rows, percentile) if percentile else None,
        np.nan_to_num(_numbers(rows, flag)).astype(np.bool_) if flag else None,
    )


def compare(ours: Served, theirs: Served, tie_break: NDArray[Any], tolerance: float) -> ScoreDifference:
    """Both sides' leads with a score. Without percentiles of theirs, both sides are ranked here, over these leads.

    `tie_break` has the shape of our leads and orders their equal scores.
    """
    ours_at, theirs_at, scored = _shared(ours, theirs)
    one, other = ours.score[ours_at], theirs.score[theirs_at]
    order = tie_break[ours_at]
    if theirs.percentile is None or ours.percentile is None:
        ranks = percentiles(one, order), percentiles(other, order)
    else:
        ranks = ours.percentile[ours_at], _from_one(theirs.percentile)[theirs_at]
    # A lead without a percentile is in no decile, which is as far from any as it can be.
    mine, their_deciles = (np.nan_to_num(deciles(rank.astype(np.float64)), nan=-TOP) for rank in ranks)
    flags, their_flags = (deprioritized(rank) for rank in ranks)
    if theirs.deprioritize is not None and ours.deprioritize is not None:
        flags, their_flags = ours.deprioritize[ours_at], theirs.deprioritize[theirs_at]
    steps = np.minimum(np.abs(mine - their_deciles), len(MOVES) - 1).astype(np.int64)
    off = np.abs(one - other)
    return ScoreDifference(
        leads=len(one),
        only_theirs=scored - len(one),
        only_ours=len(ours.score) - len(one),
        rank_correlation=_spearman(one, other),
        largest_difference=float(off.max(initial=0.0)),
        equal=int((off <= tolerance).sum()),
        tolerance=tolerance,
        moved=tuple(int(count) for count in np.bincount(steps, minlength=len(MOVES))),
        as_served=theirs.percentile is not None,
        enters_top=int(((mine == TOP) & (their_deciles != TOP)).sum()),
        leaves_top=int(((mine != TOP) & (their_deciles == TOP)).sum()),
        calls_stop=int((flags & ~their_flags).sum()),
        calls_begin=int((~flags & their_flags).sum()),
    )


def _shared(ours: Served, theirs: Served) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Positions of the leads that both score, in the same order; and how many they score."""
    usable = ~np.isnan(theirs.score)
    places = pc.index_in(theirs.leads, value_set=ours.leads)
    both = usable & np.asarray(pc.is_valid(places).to_numpy(zero_copy_only=False))
    theirs_at = np.flatnonzero(both)
    ours_at = places.take(pa.array(theirs_at)).to_numpy(zero_copy_only=False).astype(np.int64)
    return ours_at, theirs_at, int(usable.sum())


def _from_one(percentile: NDArray[Any]) -> NDArray[Any]:
    """Percentiles as 1..100, where 0..99 were served."""
    return percentile + 1 if len(percentile) and np.nanmin(percentile) < 1 else percentile


def _spearman(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    ranks = midranks(one), midranks(other)
    if len(one) < len(ranks) or any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _first(rows: pa.Table, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in rows.column_names), None)


def _numbers(rows: pa.Table, name: str) -> NDArray[Any]:
    try:
        numbers = pc.cast(rows[name], pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SettingsError(
            f"{name} is {rows[name].type} and holds what is no number ({error}): cast it in a view of your own and "
            "name the view with --scores"
        ) from error
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
