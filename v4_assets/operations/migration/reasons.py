"""Why cells of a feature differ, as far as the rows of both sides say: each gets the first reason that fits. Pure.

One reason is a date on which a hand-run system stopped counting departures.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.models.contract import Feature, Flags
from v4_assets.models.expected_features import Cells

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


NULL_AGAINST_ZERO = "NULL against 0"
NULL_AGAINST_UNKNOWN = "NULL against the value that means not known"
OTHER_ADVISOR = "the CRD is read as another advisor's on one side, or as none"
FIRM_WITHOUT_ID = "a firm without an id: a registration with a start but no company id"
UNEXPLAINED = "not explained"
DEPARTURES, VELOCITY = "firm_departures_corrected", "bleeding_velocity_encoded"
OF_THE_LEAD = frozenset({"has_email", "has_linkedin"})
"""Features that no advisor decides."""
OF_THE_FIRM = frozenset(
    {
        *("has_firm_data", "firm_rep_count_at_contact", "firm_net_change_12mo", "firm_stability_tier"),
        *("tenure_months", "tenure_bucket", "experience_years", "experience_bucket", "is_experience_missing"),
        *("is_wirehouse", "is_broker_protocol", "mobility_x_heavy_bleeding", "short_tenure_x_high_mobility"),
        *(DEPARTURES, VELOCITY),
    }
)
"""Features that the current firm decides."""
SAME_OFFSET_SHARE, SAME_OFFSET_CELLS = 0.9, 5
DECIMALS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Facts:
    """What is known about the compared leads beside their features; bool arrays of shape (n,)."""

    other_advisor: Flags
    """Their advisor is another one than ours."""
    firm_without_id: Flags
    frozen: Frozen | None = None
    frozen_leads: Flags | None = None
    """Leads whose count of departures is theirs under `frozen`, and another one than ours."""


def reasons(feature: Feature, found: Cells, facts: Facts) -> dict[str, int]:
    """Reason to number of differing cells, most first, the unexplained last; the numbers add up to all of them."""
    left = found.differs.copy()
    counted: dict[str, int] = {}
    for reason, fits in _candidates(feature, found, facts, left):
        explained = left & fits
        if explained.any():
            counted[reason] = int(explained.sum())
            left &= ~explained
    ordered = dict(sorted(counted.items(), key=lambda item: -item[1]))
    return ordered | ({UNEXPLAINED: int(left.sum())} if left.any() else {})


def _candidates(feature: Feature, found: Cells, facts: Facts, left: Flags) -> Iterator[tuple[str, Flags]]:
    """What the cells themselves show comes before what is known of the lead.

    `left` are the cells without a reason so far: it shrinks while the candidates are asked for.
    """
    yield NULL_AGAINST_ZERO, found.null_against_zero
    yield NULL_AGAINST_UNKNOWN, _null_against_unknown(feature, found)
    are_numbers = not found.are_words and not feature.categories
    if are_numbers:
        yield from _rounded(found)
    if feature.name not in OF_THE_LEAD:
        yield OTHER_ADVISOR, facts.other_advisor
    if feature.name in OF_THE_FIRM:
        yield FIRM_WITHOUT_ID, facts.firm_without_id
    if facts.frozen and facts.frozen_leads is not None and feature.name in (DEPARTURES, VELOCITY):
        yield str(facts.frozen), facts.frozen_leads
    if are_numbers:
        yield from _one_offset(found, left)


def _null_against_unknown(feature: Feature, found: Cells) -> Flags:
    if feature.missing is None:
        return np.zeros(len(found.differs), dtype=np.bool_)
    if found.are_words:
        ours, theirs = (column.cast(pa.string()) for column in (found.ours, found.theirs))
        return _one_is_null(ours, theirs, str(feature.missing)) | _one_is_null(theirs, ours, str(feature.missing))
    unknown = feature.categories.index(str(feature.missing)) if feature.categories else float(feature.missing)
    one, other = found.numbers
    fits: Flags = (np.isnan(one) & (other == unknown)) | (np.isnan(other) & (one == unknown))
    return fits


def _one_is_null(one: pa.Array, other: pa.Array, unknown: str) -> Flags:
    fits = pc.and_(pc.is_null(one), pc.fill_null(pc.equal(other, unknown), False))
    return np.asarray(fits.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _rounded(found: Cells) -> Iterator[tuple[str, Flags]]:
    """Their number is ours with fewer decimals, whichever way a half was rounded."""
    ours, theirs = found.numbers
    for decimals in DECIMALS:
        half, close = 0.5 * 10.0**-decimals, 10.0 ** -(decimals + 6)
        is_short = np.abs(np.round(theirs, decimals) - theirs) < close
        yield f"rounded to {decimals} decimals", is_short & (np.abs(ours - theirs) <= half + close)


def _one_offset(found: Cells, left: Flags) -> Iterator[tuple[str, Flags]]:
    """Nearly all remaining cells differ by the same number, as they do when made for another day."""
    ours, theirs = found.numbers
    if len(np.unique(ours[~np.isnan(ours)])) <= len((0, 1)):
        return  # flags can only differ by one
    offsets: NDArray[Any] = np.round(theirs - ours, 6)
    values, sizes = np.unique(offsets[left & ~np.isnan(offsets)], return_counts=True)
    if len(sizes) and sizes.max() >= max(SAME_OFFSET_CELLS, SAME_OFFSET_SHARE * int(left.sum())):
        offset = float(values[sizes.argmax()])
        yield f"each differs by {offset:+g}", offsets == offset
