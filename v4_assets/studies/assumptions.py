"""What a study assumes of the leads and the versions. Pure, and without NumPy: the command line shows the defaults."""

from dataclasses import dataclass
from typing import Literal

from v4_assets.evaluation.model_strength import BASELINE, FALLEN, HEALTHY, TOP, WEAK, Strength

__all__ = ["BASELINE", "FALLEN", "HEALTHY", "TOP", "UNEVEN_MONTHS", "UNEVEN_WEEKS", "WEAK", "Assumptions", "Strength"]

UNEVEN_WEEKS = ((0.0, 2), (0.25, 153), (0.5, 283), (0.75, 506), (0.95, 850), (1.0, 1437))
"""Quantiles of the leads contacted a week, as measured from February 2024 to October 2025: mean 345, sd 269."""
UNEVEN_MONTHS = ((0.0, 0.7), (1.0, 4.6))
"""Range of the share that converts, by month of contact, in percent; taken to be even within it."""
MEASURED = "measured at the firm"

Quantiles = tuple[tuple[float, float], ...]
"""(share, value) of a distribution; scaled to the assumed mean when it is used."""


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Assumptions about the leads and the versions."""

    leads_per_week: float = 350.0
    """Newly contacted, covered by a first score in time."""
    base_rate: float = 0.0392
    """Share of them that converts, the day of contact included."""
    covered_share: float = 0.61
    """Of the conversions, those called after the lead's first score: only these can judge a ranking."""
    booked_by: Quantiles | None = None
    """(days after contact, share of the calls after that of contact booked by then); None: as measured at the firm."""
    uneven: bool = False
    """Weeks and months vary as measured at the firm; otherwise all are alike."""
    weekly_leads: Quantiles | None = None
    """Distribution of the weekly volume, where `uneven`; None: as measured at the firm."""
    healthy: Strength = HEALTHY
    """The candidate as it should be."""
    fallen: Strength = FALLEN
    """The candidate after its fall."""
    weak: Strength = WEAK
    """A challenger that must not be promoted."""
    baseline: Strength = BASELINE
    correlation: float = 0.6
    """Of the two versions' scores."""
    shape: Literal["smooth", "step"] = "smooth"
    """How conversions rank within the top decile: `ranks.joint`."""
    top_effort: float = 1.0
    """Conversion of the live version's top decile, relative to a top decile that is called like all others."""
    bottom_effort: float = 1.0
    """The same of its bottom fifth; 0: never called."""
    listed_share: float = 1.0
    """Leads are this best share of the live version's own list; 1: they come from elsewhere."""
    list_correlation: float = 0.9
    """Of the live version's scores on the list and at contact."""
    outcome_window_days: int
    """Days after contact within which a lead converts: `outcome_window_days` of rollout.yaml."""
    histories: int = 2000
    seed: int = 7
    source: str = "figures of the documentation"
    """Where volume, base rate, covered share and timing come from."""

    @property
    def covered_base(self) -> float:
        """Share of the covered leads that converts after their first score."""
        return self.base_rate * self.covered_share

    @property
    def is_neutral(self) -> bool:
        """The live version decides neither who is called nor who becomes a lead."""
        return self.top_effort == self.bottom_effort == 1 and self.listed_share >= 1
