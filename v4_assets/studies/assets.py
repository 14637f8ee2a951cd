"""The asset with the error rates of the configured policy. Not part of the daily job."""

from base64 import b64encode
from dataclasses import replace

import dagster as dg
import numpy as np
from pydantic import Field

from v4_assets import tables
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.daily import MaterializeResult
from v4_assets.errors import PolicyError
from v4_assets.evaluation.assets import compared
from v4_assets.evaluation.evaluator import Evaluator
from v4_assets.evaluation.lead_flow import LEAST_CONVERSIONS, Measured, measure
from v4_assets.names import EVALUATION_GROUP
from v4_assets.partitions import Day
from v4_assets.store import Store
from v4_assets.studies.assumptions import Assumptions
from v4_assets.studies.odds import simulate
from v4_assets.studies.odds_report import as_text, png


class Volume(dg.Config):
    """The main assumptions of the odds."""

    leads_per_week: float = Field(default=Assumptions.leads_per_week, gt=0, description="Newly contacted leads a week.")
    base_rate: float = Field(default=Assumptions.base_rate, gt=0, lt=1, description="Share of them that converts.")
    covered_share: float = Field(
        default=Assumptions.covered_share, gt=0, le=1, description="Of these, those called after their first score."
    )
    histories: int = Field(default=Assumptions.histories, gt=0, description="Simulated; more take longer.")
    from_data: bool = Field(
        default=False, description="Measure volume, base rate, covered share and timing on the warehouse instead."
    )


def policy_odds(rollout: Rollout) -> dg.AssetsDefinition:
    """The asset `policy_odds`: operating characteristics of rollout.yaml's policy and of the guide's letter."""

    @dg.asset(
        group_name=EVALUATION_GROUP,
        kinds={"numpy"},
        description="How often chance alone rolls a healthy version back, and how soon a fall is caught: simulated for "
        "the policy of rollout.yaml and for the guide's letter, at the volume of the run's config.",
    )
    def policy_odds(
        config: Volume, store: dg.ResourceParam[Store], clock: dg.ResourceParam[Clock]
    ) -> MaterializeResult:
        assumptions = Assumptions(
            leads_per_week=config.leads_per_week,
            base_rate=config.base_rate,
            covered_share=config.covered_share,
            histories=config.histories,
            outcome_window_days=rollout.outcome_window_days,
        )
        if config.from_data:
            assumptions = measured(store, rollout, clock, assumptions)
        odds = simulate(assumptions, rollout.policy, rollout.evaluation)
        configured = odds.rules[0]
        chart = b64encode(png(odds)).decode()
        return dg.MaterializeResult(
            metadata={
                "odds": dg.MetadataValue.md(f"```\n{as_text(odds)}\n```"),
                "chart": dg.MetadataValue.md(f"![odds](data:image/png;base64,{chart})"),
                **{f"false_rollback_{weeks}_weeks": share for weeks, share in configured.together.false.items()},
                **{f"announced_{weeks}_weeks": share for weeks, share in odds.warning.caught.items()},
                **{f"caught_{weeks}_weeks": share for weeks, share in configured.together.caught.items()},
                "true_promotion": configured.promotion.true,
                "false_promotion": configured.promotion.false,
            }
        )

    return policy_odds


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
