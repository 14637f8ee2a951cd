"""The votes of booked calls, and the early warning's sum over the weeks. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.evaluation.early_warning import REFERENCE_DAYS, Weights

SAME_DAY = "called on the day of contact or before"
UNSCORED = "no score in time"
BEFORE_SCORE = "called before its first score"
LATE = "called after the outcome window"
EARLIER = "first scored before the watch"
AFTERWARDS = "first score computed afterwards"
SAME_ADVISOR = "not the advisor's first call"


@dataclass(frozen=True)
class Ranked:
    """Calls among the covered leads first scored in the days up to their own first score, shapes (k,)."""

    leads: NDArray[Any]
    own_below: NDArray[Any]
    own_equal: NDArray[Any]
    baseline_below: NDArray[Any]
    baseline_equal: NDArray[Any]

    @property
    def own_rank(self) -> NDArray[Any]:
        """Share of the leads that the candidate ranks lower, ties by half."""
        return np.asarray((self.own_below + self.own_equal / 2) / self.leads)

    @property
    def baseline_rank(self) -> NDArray[Any]:
        """The same of the baseline."""
        return np.asarray((self.baseline_below + self.baseline_equal / 2) / self.leads)

    def votes(self, weights: Weights) -> NDArray[Any]:
        """Shape (k,)."""
        return weights.votes(self.own_below, self.own_equal, self.baseline_below, self.baseline_equal, self.leads)


def ranked(calls: NDArray[Any], scored_on: NDArray[Any], own: NDArray[Any], baseline: NDArray[Any]) -> Ranked:
    """Rank the leads at the positions `calls` (k,). The other arrays (n,) are of all covered leads, in any order."""
    order = np.argsort(scored_on, kind="stable")
    days = scored_on[order]
    found = np.zeros((5, len(calls)))
    for day in np.unique(scored_on[calls]):
        first = np.searchsorted(days, day - np.timedelta64(REFERENCE_DAYS - 1, "D"), side="left")
        last = np.searchsorted(days, day, side="right")
        mine = np.flatnonzero(scored_on[calls] == day)
        found[0, mine] = last - first
        for row, scores in ((1, own), (3, baseline)):
            among = np.sort(scores[order[first:last]])
            below = np.searchsorted(among, scores[calls[mine]], side="left")
            found[row, mine] = below
            found[row + 1, mine] = np.searchsorted(among, scores[calls[mine]], side="right") - below
    return Ranked(*found)


def mean_square(calls: Ranked) -> float | None:
    """Mean square of the difference of the calls' ranks; None without calls that have others to be ranked among."""
    found = (calls.own_rank - calls.baseline_rank)[calls.leads > 1]
    return float((found**2).mean()) if len(found) else None


@dataclass(frozen=True)
class Close:
    """The early warning at the close of one week."""

    day: date
    """Last day of the week."""
    total: float
    """The sum, S."""
    votes: int
    excluded: int
    """Calls that were counted and do not vote."""


@dataclass(frozen=True)
class Warning:
    """The early warning of a watch."""

    threshold: float
    since: date
    """The sum began at 0 on this day: the promotion, an upgrade, or the acknowledgement of an alarm."""
    closes: tuple[Close, ...]
    """Oldest first; weeks that have ended, with at least one counted day."""
    reasons: Mapping[str, int]
    """Why calls do not vote, and how many."""

    @property
    def alarm(self) -> Close | None:
        """The first close above the threshold since the sum began; one suffices."""
        return next((close for close in self.closes if close.total > self.threshold), None)

    @property
    def latest(self) -> Close | None:
        """The latest close."""
        return self.closes[-1] if self.closes else None

    def sentence(self, version: str) -> str:
        """What it says."""
        latest = self.latest
        if latest is None:
            return f"No week of {version}'s watch has closed yet; calls are counted from {self.since} on."
        votes = sum(close.votes for close in self.closes)
        state = f"{latest.total:.2f} at the close of {latest.day}, threshold {self.threshold:.2f}, {votes} calls"
        if self.alarm is None:
            return f"The booked calls look like the model that was measured: {state}."
        return (
            f"The booked calls look more like a fallen {version} than like the one that was measured, first at "
            f"the close of {self.alarm.day}: {state}. It rolls nothing back; `v4 acknowledge` ends it."
        )


def course(
    rows: Iterable[Mapping[str, Any]], *, threshold: float, since: date, ends: Mapping[date, date], today: date
) -> Warning:
    """The sum over the weeks. `ends` is the last day of the week of each counted day; weeks that end after `today` are
    left out, and so are rows counted on `since` or before. Another artifact of the candidate begins at 0 again.
    """
    counted = sorted((row for row in rows if row["prediction_date"] > since), key=lambda row: row["prediction_date"])
    by_week: dict[date, list[Mapping[str, Any]]] = {}
    for row in counted:
        by_week.setdefault(ends[row["prediction_date"]], []).append(row)
    weeks = [(end, by_week[end]) for end in sorted(by_week) if end <= today]
    totals, model = _totals(weeks)
    closes = tuple(
        Close(end, float(total), sum(row["excluded"] is None for row in found), sum(map(_excluded, found)))
        for (end, found), total in zip(weeks, totals, strict=True)
    )
    begun = [close for close, one in zip(closes, model, strict=True) if one == (model[-1] if model else None)]
    reasons: dict[str, int] = {}
    for row in counted:
        if row["excluded"]:
            reasons[row["excluded"]] = reasons.get(row["excluded"], 0) + 1
    return Warning(threshold, since, tuple(begun), dict(sorted(reasons.items())))


def _excluded(row: Mapping[str, Any]) -> bool:
    return row["excluded"] is not None


def _totals(weeks: Sequence[tuple[date, Sequence[Mapping[str, Any]]]]) -> tuple[list[float], list[str | None]]:
    """The sum at each close, and the artifact that the week's votes are about."""
    totals: list[float] = []
    models: list[str | None] = []
    for _, found in weeks:
        voting = [row for row in found if row["excluded"] is None]
        before = models[-1] if models else None
        model = voting[-1]["bundle_sha256"] if voting else before
        begins = not totals or (before is not None and model != before)
        total = sum(row["vote"] for row in voting if row["bundle_sha256"] == model)
        totals.append(float(total if begins else max(totals[-1], 0.0) + total))
        models.append(model)
    return totals, [models[-1] if one is None and models else one for one in models]
