"""Departures that a hand-run system stopped counting: the date that explains its counts. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_DAYS = 365
MIN_EXPLAINED = 0.5
"""Share of the differing cells that one date must explain."""


@dataclass(frozen=True)
class Departures:
    """Inferred departures of the two years before a day; both arrays have shape (n,)."""

    firms: NDArray[Any]
    """int64, the firm that was left."""
    days: NDArray[Any]
    """int64, ordinals of date."""


@dataclass(frozen=True)
class Frozen:
    """A date from which on no departure reached the counts."""

    last_day: date
    window_moves: bool
    """True: the counts end on last_day and begin 365 days before the day; False: they were made on last_day."""
    counts: NDArray[Any]
    """float64, shape (n,): departures from each lead's firm under it; 0 without a firm."""

    def __str__(self) -> str:
        if self.window_moves:
            return f"departures are frozen: none after {self.last_day} is counted"
        return f"departures are frozen: they are counted as of {self.last_day}"


def frozen(
    day: date, departures: Departures, firms: NDArray[Any], theirs: NDArray[Any], differs: NDArray[Any]
) -> Frozen | None:
    """The date that explains the most differing cells of the departures from each lead's firm, if it explains enough.

    `firms` (float64, NaN without one), `theirs` (float64, the counts) and `differs` (bool) have shape (n,).
    """
    asked = np.flatnonzero(differs & ~np.isnan(firms))
    if not len(asked):
        return None
    end = day.toordinal()
    known, at = np.unique(firms[asked].astype(np.int64), return_inverse=True)
    kept = np.isin(departures.firms, known)
    of, days = np.searchsorted(known, departures.firms[kept]), departures.days[kept]
    best, found = 0, None
    for last in range(end - WINDOW_DAYS, end):
        for moves in (True, False):
            within = _within(days, end, last, window_moves=moves)
            explained = int((np.bincount(of[within], minlength=len(known))[at] == theirs[asked]).sum())
            if explained > best:
                best, found = explained, (last, moves)
    if found is None or best < MIN_EXPLAINED * int(np.sum(differs)):
        return None
    last, moves = found
    counts = _counts(departures, firms, _within(departures.days, end, last, window_moves=moves))
    return Frozen(date.fromordinal(last), moves, counts)


def earlier(day: date) -> date:
    """The day whose inferred departures are those of the year before the day's own window."""
    return day - timedelta(days=WINDOW_DAYS)


def _within(days: NDArray[Any], end: int, last: int, *, window_moves: bool) -> NDArray[Any]:
    """Which departures count: [end - 365, last], or [last - 365, last) as on that day itself."""
    low, high = (end - WINDOW_DAYS, last + 1) if window_moves else (last - WINDOW_DAYS, last)
    within: NDArray[Any] = (days >= low) & (days < high)
    return within


def _counts(departures: Departures, firms: NDArray[Any], within: NDArray[Any]) -> NDArray[Any]:
    counted: NDArray[Any] = np.zeros(len(firms))
    has_firm = ~np.isnan(firms)
    known, at = np.unique(firms[has_firm].astype(np.int64), return_inverse=True)
    kept = within & np.isin(departures.firms, known)
    counted[has_firm] = np.bincount(np.searchsorted(known, departures.firms[kept]), minlength=len(known))[at]
    return counted
