"""Parameters of a sample world, and its days. Calibrated sample data, not the firm's.

Dates are int32 days since 1970-01-01, stamps int64 microseconds since then, UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

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


Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Text = NDArray[np.str_]

NO_DAY = -(2**31)
"""A null date."""
NO_STAMP = -(2**63)
"""A null stamp."""

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = date(1970, 1, 1)
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


def day_number(day: date) -> int:
    return (day - EPOCH).days


def new_york_stamp(day: Ints, second_of_day: Ints) -> Ints:
    """Stamps of New York wall-clock seconds (from 03:00 on, when the day's offset is settled) on New York days."""
    known, where = np.unique(day, return_inverse=True)
    midnights = np.array([_midnight_as_of_noon(int(number)) for number in known], dtype=np.int64)
    return np.asarray(midnights[where] + second_of_day.astype(np.int64) * SECOND_US)


def _midnight_as_of_noon(number: int) -> int:
    noon = datetime.combine(EPOCH + timedelta(days=number), time(12), tzinfo=NEW_YORK).astimezone(UTC)
    return (int(noon.timestamp()) - 12 * 3600) * SECOND_US


def month_number(day: Ints) -> Ints:
    """Months since 1970-01; a difference of two is BigQuery's DATE_DIFF(..., MONTH)."""
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def months_before(day: Ints, months: int) -> Ints:
    """BigQuery's DATE_SUB(day, INTERVAL months MONTH): a day past the month's end becomes its last day."""
    month = day.astype("datetime64[D]").astype("datetime64[M]")
    day_of_month = day - month.astype("datetime64[D]").astype(np.int64)
    target = month - np.timedelta64(months, "M")
    last = (target + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64) - 1
    return np.asarray(np.minimum(target.astype("datetime64[D]").astype(np.int64) + day_of_month, last))


def last_day_within_a_year(event: Ints) -> Ints:
    """The last day D with `event` in [D - 12 months, D)."""
    later = months_before(event, -12)
    return np.asarray(np.where(months_before(later + 1, 12) <= event, later + 1, later))
