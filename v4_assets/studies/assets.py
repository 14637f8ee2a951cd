"""The asset with the error rates of the configured policy. Not part of the daily job."""

from base64 import b64encode

import dagster as dg
from pydantic import Field

from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.daily import MaterializeResult
from v4_assets.names import EVALUATION_GROUP
from v4_assets.store import Store
from v4_assets.studies.assumptions import Assumptions
from v4_assets.studies.from_data import measured
from v4_assets.studies.odds import simulate
from v4_assets.studies.odds_chart import png
from v4_assets.studies.odds_text import as_text


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
