"""Volume, base rate, covered share and timing, as measured on leads whose outcome is known. Pure."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from v4_assets.evaluation.cohorts import Entries, Reach

LEAST_CONVERSIONS = 100
"""Conversions below which a share of them is shown and decides nothing."""
WEEK_DAYS = 7


@dataclass(frozen=True)
class Measured:
    """Of leads contacted in some days whose outcome window has passed."""

    first: date
    last: date
    leads: int
    """Covered: first scored in time by every compared version, and before any call."""
    conversions: int
    before_scored: int
    """Conversions called before the lead could first be scored."""
    weekly_leads: tuple[int, ...]
    """Covered leads of each whole week, oldest first."""
    delays: tuple[int, ...]
    """Of the covered conversions, how many came 0, 1 … days after contact."""

    @property
    def covered_share(self) -> float | None:
        """Of all conversions, the covered ones, 0..1; None without conversions."""
        every = self.conversions + self.before_scored
        return self.conversions / every if every else None

    @property
    def covered_base(self) -> float | None:
        """Share of the covered leads that converted, 0..1; None without leads."""
        return self.conversions / self.leads if self.leads else None

    @property
    def leads_per_week(self) -> float:
        """Covered leads a week."""
        return self.leads / ((self.last - self.first).days + 1) * WEEK_DAYS

    @property
    def is_enough(self) -> bool:
        """Whether there are enough conversions to measure shares by."""
        return self.conversions + self.before_scored >= LEAST_CONVERSIONS

    @property
    def booked_by(self) -> tuple[tuple[float, float], ...]:
        """(days after contact, share of the covered conversions booked by then)."""
        reached = np.cumsum(self.delays) / max(sum(self.delays), 1)
        return tuple((float(day), float(share)) for day, share in enumerate(reached))


def measure(found: Entries, reach: Reach, window_days: int) -> Measured:
    """Of the entries contacted within `reach`, which begins no earlier than the first covered one.

    Leads that no version scored in time are in neither count: a lost feed changes no share.
    """
    # Leads contacted before the first scored day have no part in the volume.
    scored = found.contacted_on[found.covered]
    earliest = scored.min().item() if len(scored) else reach.first
    first = max(reach.first, earliest)
    inside = (found.contacted_on >= np.datetime64(first)) & (found.contacted_on <= np.datetime64(reach.last))
    covered, before = inside & found.covered, inside & found.before_scored
    converted = covered & found.converted
    age = (found.called_on[converted] - found.contacted_on[converted]).astype(int)
    back = (np.datetime64(reach.last) - found.contacted_on[covered]).astype(int) // WEEK_DAYS
    whole = ((reach.last - first).days + 1) // WEEK_DAYS
    return Measured(
        first,
        reach.last,
        leads=int(covered.sum()),
        conversions=int(converted.sum()),
        before_scored=int(before.sum()),
        weekly_leads=tuple(np.bincount(back[back < whole], minlength=whole)[::-1].tolist()),
        delays=tuple(np.bincount(age, minlength=window_days + 1).tolist()),
    )
