"""Parameters of a sample world. Calibrated sample data, not the firm's."""

from dataclasses import dataclass
from datetime import date

import numpy as np

ADVISORS_AT_FULL_SCALE = 788_154
HISTORY_ROWS_AT_FULL_SCALE = 2_204_074
FIRMS_AT_FULL_SCALE = 45_233
OPEN_LEADS_AT_FULL_SCALE = 50_925
LEADS_NEVER_CONTACTED_AT_FULL_SCALE = 68_000


@dataclass(frozen=True)
class Regime:
    """The market for leads contacted on `starts` (New York date) or later, until the next regime starts."""

    starts: date
    base_rate: float | None = None
    """Share of contacted leads that convert; None keeps the drifting base rate."""
    mover_lift: float = 1.0
    """Multiplies the log-effect of everything that only V4.1 sees; 0 takes its own signal away."""
    shared_lift: float = 1.0
    """Multiplies the log-effect of everything that both versions see."""


@dataclass(frozen=True)
class WorldSpec:
    """Equal specs give byte-identical worlds."""

    scale: float = 0.05
    """1.0 is production size: 788,154 advisors, 2,204,074 history rows, 45,233 firms, ~50,925 open scored leads."""
    leads_per_week: int = 350
    """Leads newly contacted per week from `first_contact` to `through`, whatever the scale."""
    seed: int = 7
    first_contact: date = date(2024, 2, 1)
    through: date = date(2026, 1, 18)
    """Last New York date of the world; nothing later is known."""
    regimes: tuple[Regime, ...] = ()
    signal: float = 1.0
    """Multiplies the log-effect of what only V4.1 sees, in every regime: 1 is the documented strength."""

    def __post_init__(self) -> None:
        if self.scale <= 0 or self.leads_per_week < 0:
            raise ValueError(
                f"scale is {self.scale} and leads_per_week is {self.leads_per_week}: "
                "expected a positive scale and a non-negative number of leads."
            )
        if self.first_contact > self.through:
            raise ValueError(f"first_contact {self.first_contact} lies after through {self.through}: move one of them.")
        starts = [regime.starts for regime in self.regimes]
        if starts != sorted(set(starts)):
            raise ValueError(f"regimes start on {starts}: expected strictly ascending dates.")

    def scaled(self, count_at_full_scale: int, at_least: int = 0) -> int:
        """A production-size count at this world's scale."""
        return max(at_least, round(count_at_full_scale * self.scale))

    def rng(self, part: str) -> np.random.Generator:
        """The random stream of one part of the world; no part's draws disturb another's."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, *part.encode()])))
