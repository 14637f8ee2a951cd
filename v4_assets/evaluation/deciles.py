"""Deciles of a cohort: their leads, their conversion, and the difference between two rankings. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.evaluation.intervals import Interval, bonett_price_lift_difference, wilson

TOP = 10


@dataclass(frozen=True)
class Ranked:
    """One way of ranking the cohort: how much of each lead lies in each decile, shape (10, n)."""

    deciles: NDArray[Any]
    converted: NDArray[Any]

    @property
    def conversions(self) -> float:
        """Those of the top decile."""
        return float(self.deciles[TOP - 1] @ self.converted)

    @property
    def lift(self) -> float | None:
        """Of the top decile; None without conversions."""
        conversions = self.converted.sum()
        return float(10 * self.conversions / conversions) if conversions else None

    def only_here(self, other: "Ranked") -> float:
        """Conversions in this top decile and not in the other's."""
        return float(np.maximum(self.deciles[TOP - 1] - other.deciles[TOP - 1], 0.0) @ self.converted)


def difference(own: Ranked, other: Ranked, level: float) -> Interval | None:
    """Lift of the top decile minus that of another ranking of the same leads."""
    leads, conversions = len(own.converted), int(own.converted.sum())
    return bonett_price_lift_difference(
        own.only_here(other), other.only_here(own), conversions, leads, leads / 10, level
    )


def decile_rows(deciles: NDArray[Any], converted: NDArray[Any], level: float) -> list[dict[str, Any]]:
    """Leads, conversions, rate with Wilson's interval and lift of each decile; `deciles` (10, n) says who is in it."""
    base = float(converted.mean()) if len(converted) else 0.0
    rows = []
    for number, share in enumerate(deciles, start=1):
        leads, conversions = float(share.sum()), float(share @ converted)
        rate = wilson(min(conversions, leads), leads, level)
        rows.append(
            {
                "decile": number,
                "leads": leads,
                "conversions": conversions,
                "conversion_rate": rate.estimate if rate else None,
                **ends("conversion_rate", rate),
                "lift": rate.estimate / base if rate and base > 0 else None,
            }
        )
    return rows


def top_change(deciles: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Share of one ranking's top decile that is not in the other's, 0..1; both (10, n). None without leads."""
    top, others = deciles[TOP - 1], other[TOP - 1]
    return float(np.maximum(top - others, 0.0).sum() / top.sum()) if len(top) else None


def top_change_by_chance(strata: NDArray[Any]) -> float | None:
    """About the share of a pooled top decile that ranking within `strata` (n,) would change by chance alone.

    A stratum of m among n leads has m / 10 of the top by its own ranking, and by the pooled one a hypergeometric number
    of that mean; half of what they differ by in absolute value, by the normal approximation sd * sqrt(2 / pi) each, is
    exchanged.
    """
    leads = len(strata)
    _, sizes = np.unique(strata, return_counts=True)
    spread = np.sqrt(sizes * 0.1 * 0.9 * (leads - sizes) / max(leads - 1, 1))
    return float(min(1.0, np.sqrt(2 / np.pi) * spread.sum() / 2 / (leads / 10))) if leads else None


def ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    """The interval's ends as columns NAME_low and NAME_high; NULL without one."""
    return {f"{name}_low": interval.low if interval else None, f"{name}_high": interval.high if interval else None}
