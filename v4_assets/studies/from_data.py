"""The assumptions of a study, measured on the matured leads of the warehouse."""

from dataclasses import replace

import numpy as np

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.errors import PolicyError
from v4_assets.evaluation.assets import compared
from v4_assets.evaluation.lead_flow import LEAST_CONVERSIONS, Measured, measure
from v4_assets.evaluation.read import Evaluator
from v4_assets.partitions import Day
from v4_assets.store import Store
from v4_assets.studies.assumptions import Assumptions

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
LEAST_WEEKS = 4
"""Whole weeks from which a distribution of the weekly volume is taken."""


def measured(store: Store, rollout: Rollout, clock: Clock, assumptions: Assumptions) -> Assumptions:
    """The assumptions with volume, base rate, covered share and timing as measured.

    Raises PolicyError when too few conversions have matured.
    """
    found = of_warehouse(store, rollout, clock)
    share, base = found.covered_share, found.covered_base
    if not found.is_enough or share is None or base is None or not found.conversions:
        raise PolicyError(
            f"{found.conversions + found.before_scored} conversions of leads contacted {found.first} to {found.last} "
            f"have matured, at least {LEAST_CONVERSIONS} are needed. Leave out --from-data, or backfill more days."
        )
    weekly = found.weekly_leads
    uneven = len(weekly) >= LEAST_WEEKS
    return replace(
        assumptions,
        leads_per_week=found.leads_per_week,
        base_rate=base / share,
        covered_share=share,
        booked_by=found.booked_by,
        uneven=uneven,
        weekly_leads=tuple(zip(QUANTILES, np.quantile(weekly, QUANTILES).tolist(), strict=True)) if uneven else None,
        source=f"{found.leads:,} covered leads contacted {found.first} to {found.last}, {found.conversions:,} of which "
        "converted",
    )


def of_warehouse(store: Store, rollout: Rollout, clock: Clock) -> Measured:
    """Of the longest cohort of the last day with outcomes. Raises PolicyError where there is none."""
    with store.session():
        name = store.catalogue[tables.LEAD_OUTCOMES].name
        days = [day for table, day in store.latest_writes(rollout.first_day, clock.today()) if table == name]
        if not days:
            raise PolicyError("lead_outcomes was never written, so nothing can be measured. Run `v4 run` first.")
        day, events = Day(max(days), clock), store.events()
        evaluator = Evaluator.of(store, rollout, day, compared(rollout, events, day.date), events)
        found, _ = evaluator.leads_of(evaluator.whole)
        return measure(found, evaluator.whole, rollout.outcome_window_days)
