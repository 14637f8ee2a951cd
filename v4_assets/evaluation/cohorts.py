"""The cohort of a day: the leads that versions are compared on, and the excluded ones with the reason. Pure.

Days are New York dates, in arrays as datetime64[D] with NaT for none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.config.rollout_policy import Evaluation
from v4_assets.errors import V4Error

FIRST_SCORE_DAYS = 3
"""Latest first score of a covered lead, in days after contact; later ones would bias the cohort to survivors."""
LATE_DAYS = 14
"""Days for which the cohort of a week-close is held against calls that become known after it."""
SPARE = timedelta(days=7)
"""Days read in addition to those expected to suffice, for converted leads that are not covered."""


@dataclass(frozen=True)
class Reach:
    """The days of contact a cohort is drawn from, both ends included."""

    first: date
    last: date

    @property
    def first_scored(self) -> date:
        """The first day on which one of its leads may have its first score."""
        return self.first + timedelta(days=1)

    @property
    def last_scored(self) -> date:
        """The last such day."""
        return self.last + timedelta(days=FIRST_SCORE_DAYS)

    @property
    def params(self) -> dict[str, object]:
        """The parameters the cohort's SQL is bound with."""
        return {
            "first_contact": self.first,
            "last_contact": self.last,
            "first_scored": self.first_scored,
            "last_scored": self.last_scored,
        }


def last_matured(day: date, window_days: int, evaluation: Evaluation) -> date:
    """The last day of contact whose outcomes are known on `day`: `window_days` have passed, and the label's lag."""
    return day - timedelta(days=window_days + 1 + evaluation.label_lag_days)


def widest(day: date, window_days: int, evaluation: Evaluation) -> Reach:
    """The longest cohort that may be judged on `day`."""
    last = last_matured(day, window_days, evaluation)
    return Reach(last - timedelta(days=evaluation.max_days - 1), last)


def first_contact(
    reach: Reach, contacted_on: NDArray[Any], converted: NDArray[Any], minimum: int, min_days: int
) -> date:
    """First day of a cohort that ends with `reach`: at least `min_days` back, and early enough to hold `minimum`
    conversions, but not beyond `reach` nor before the first lead.

    `contacted_on` (n,) and `converted` (n,) bool are of the leads that may be in it.
    """
    inside = (contacted_on >= np.datetime64(reach.first)) & (contacted_on <= np.datetime64(reach.last))
    conversion_days = np.sort(contacted_on[inside & converted])[::-1]
    shortest = max(reach.first, reach.last - timedelta(days=min_days - 1))
    if minimum <= 0 or not inside.any():
        return shortest
    enough = conversion_days[minimum - 1] if minimum <= len(conversion_days) else contacted_on[inside].min()
    furthest: date = enough.item()
    return min(shortest, furthest)


@dataclass(frozen=True)
class Entries:
    """All leads that may enter a cohort, one row each: shapes (n,)."""

    contacted_on: NDArray[Any]
    called_on: NDArray[Any]
    """NaT where no call is known."""
    converted: NDArray[Any]
    """bool: called within the outcome window, counted from the frozen day of contact."""
    covered: NDArray[Any]
    """bool: first scored in time by every version and before any call."""
    before_scored: NDArray[Any]
    """bool: called, but before it could first be scored."""
    before_contact: NDArray[Any]
    """bool: called on a day before that of contact."""
    scored_on: NDArray[Any]
    """The day of the first score by every version; NaT without one."""
    rows: Mapping[str, NDArray[Any]]
    """Version to the row of its scores that holds a lead's first; -1 without one."""


@dataclass(frozen=True)
class Cohort:
    """The covered leads contacted on certain days, shapes (n,), and how many others were contacted then."""

    reach: Reach
    contacted_on: NDArray[Any]
    scored_on: NDArray[Any]
    converted: NDArray[Any]
    rows: Mapping[str, NDArray[Any]]
    """Version to the row of its scores that holds a lead's first."""
    uncovered: int
    converted_before_scored: int
    called_before_contact: int
    silent_days: int = 0
    """Days of contact left out, as calls that should have been recorded after them were not."""


def entries(
    leads: pa.Table, scores: Mapping[str, pa.Table], scored_days: Collection[date], window_days: int
) -> Entries:
    """The covered leads. `leads` is cohort_leads, `scores` each version's cohort_scores; `scored_days` are the days
    with scores of every version.

    A lead's first score is the one of the first day, 1 to 3 days after contact, on which every version scored it.
    """
    _verify_single(leads["lead_id"])
    contacted, called = days_of(leads["contacted_on"]), days_of(leads["called_on"])
    positions = {version: _positions(leads["lead_id"], contacted, table) for version, table in scores.items()}
    jointly = np.logical_and.reduce([position >= 0 for position in positions.values()])
    is_scored, first = jointly.any(axis=1), jointly.argmax(axis=1)
    every = np.arange(len(contacted))
    scored_on = np.where(is_scored, contacted + (first + 1).astype("timedelta64[D]"), np.datetime64("NaT", "D"))
    could_be = np.where(is_scored, scored_on, _first_possible(contacted, scored_days))
    return Entries(
        contacted_on=contacted,
        called_on=called,
        converted=converted_within(contacted, called, window_days),
        covered=is_scored & ~(called < scored_on),
        before_scored=(called >= contacted) & (called < could_be),
        before_contact=called < contacted,
        scored_on=scored_on,
        rows={version: np.where(is_scored, position[every, first], -1) for version, position in positions.items()},
    )


def likely_reach(leads: pa.Table, whole: Reach, window_days: int, minimum: int, min_days: int) -> Reach:
    """The part of `whole` that most likely holds `minimum` conversions of covered leads; `leads` is cohort_leads.

    Coverage is only known once the scores are read; this estimates how far back to read them.
    """
    contacted, called = days_of(leads["contacted_on"]), days_of(leads["called_on"])
    listed = leads["is_listed"].to_numpy()
    converted = converted_within(contacted, called, window_days) & listed
    first = first_contact(whole, contacted[listed], converted[listed], minimum, min_days)
    return Reach(max(whole.first, first - SPARE), whole.last)


def cohort(entries: Entries, reach: Reach, silent: Collection[date] = ()) -> Cohort:
    """The covered leads contacted within `reach`; the others are counted by the reason of exclusion.

    `silent` are days of contact that `entries` were taken `without`.
    """
    inside = (entries.contacted_on >= np.datetime64(reach.first)) & (entries.contacted_on <= np.datetime64(reach.last))
    taken, left = inside & entries.covered, inside & ~entries.covered
    return Cohort(
        reach=reach,
        contacted_on=entries.contacted_on[taken],
        scored_on=entries.scored_on[taken],
        converted=entries.converted[taken],
        rows={version: rows[taken] for version, rows in entries.rows.items()},
        uncovered=int(np.sum(left & ~entries.before_scored & ~entries.before_contact)),
        converted_before_scored=int(np.sum(left & entries.before_scored)),
        called_before_contact=int(np.sum(left & entries.before_contact)),
        silent_days=sum(reach.first <= day <= reach.last for day in silent),
    )


def without(entries: Entries, silent: Collection[date]) -> Entries:
    """The entries of the other days of contact."""
    kept = ~np.isin(entries.contacted_on, np.array(sorted(silent), dtype="datetime64[D]"))
    arrays = {field.name: getattr(entries, field.name) for field in fields(entries) if field.name != "rows"}
    rows = {version: one[kept] for version, one in entries.rows.items()}
    return Entries(**{name: one[kept] for name, one in arrays.items()}, rows=rows)


def longest_silence(call_days: Collection[date], first: date, last: date) -> int:
    """Longest run of days from `first` to `last`, both included, that are not among `call_days`."""
    inside = sorted(day for day in set(call_days) if first <= day <= last)
    borders = [first - timedelta(days=1), *inside, last + timedelta(days=1)]
    return max((later - earlier).days - 1 for earlier, later in pairwise(borders))


def _verify_single(lead_ids: pa.ChunkedArray) -> None:
    """Raise V4Error for a lead that is there twice: it would be covered once and uncovered once."""
    counts = pc.value_counts(lead_ids)
    twice = [str(row["values"]) for row in counts.to_pylist() if row["counts"] > 1] if len(lead_ids) else []
    if twice:
        raise V4Error(
            f"{len(twice)} leads of the cohort have more than one row, the first is {min(twice)}; expected one. "
            "Remove the double rows of lead_outcomes or scored_leads, or run the day again."
        )


def days_of(column: pa.ChunkedArray) -> NDArray[Any]:
    """A DATE column as datetime64[D], NaT for NULL."""
    days: NDArray[Any] = pc.cast(column, pa.date32()).to_numpy().astype("datetime64[D]")
    return days


def converted_within(contacted: NDArray[Any], called: NDArray[Any], window_days: int) -> NDArray[Any]:
    """Called 0 to `window_days` days after contact, bool; comparisons with NaT are False."""
    converted: NDArray[Any] = (called >= contacted) & (called <= contacted + np.timedelta64(window_days, "D"))
    return converted


def _positions(lead_ids: pa.ChunkedArray, contacted: NDArray[Any], scores: pa.Table) -> NDArray[Any]:
    """Row of `scores` for each lead, 1 to 3 days after its contact; shape (n, 3), -1 where there is none."""
    found: NDArray[Any] = np.full((len(contacted), FIRST_SCORE_DAYS), -1, dtype=np.int64)
    lead = pc.fill_null(pc.index_in(scores["lead_id"], value_set=lead_ids.combine_chunks()), -1).to_numpy()
    # A lead contacted again has scores by its second contact as well; those do not count.
    same = (lead >= 0) & (days_of(scores["contacted_on"]) == taken_days(contacted, lead))
    rows = np.flatnonzero(same)
    age = (days_of(scores["scored_on"])[rows] - contacted[lead[rows]]).astype(int)
    found[lead[rows], age - 1] = rows
    return found


def taken_days(days: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """days[rows]; NaT, which equals nothing, where a row is -1."""
    taken: NDArray[Any] = np.append(days, np.datetime64("NaT", "D"))[rows]
    return taken


def _first_possible(contacted: NDArray[Any], scored_days: Collection[date]) -> NDArray[Any]:
    """The first day, 1 to 3 days after contact, that has scores; the day after contact when none has."""
    known = np.array(sorted(scored_days), dtype="datetime64[D]")
    possible = contacted + np.timedelta64(1, "D")
    for age in range(FIRST_SCORE_DAYS, 0, -1):
        day = contacted + np.timedelta64(age, "D")
        possible = np.where(np.isin(day, known), day, possible)
    return possible
