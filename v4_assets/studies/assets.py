"""The asset with the error rates of the configured policy. Not part of the daily job."""

from base64 import b64encode

import dagster as dg
from pydantic import Field

from v4_assets.config.rollout import Rollout
from v4_assets.dagster_types import MaterializeResult
from v4_assets.names import EVALUATION_GROUP
from v4_assets.studies.assumptions import Assumptions
from v4_assets.studies.odds import as_text, simulate
from v4_assets.studies.odds_chart import png


class Volume(dg.Config):
    """The main assumptions of the odds."""

    leads_per_week: float = Field(default=Assumptions.leads_per_week, gt=0, description="Newly contacted leads a week.")
    base_rate: float = Field(default=Assumptions.base_rate, gt=0, lt=1, description="Share of them that converts.")


def policy_odds(rollout: Rollout) -> dg.AssetsDefinition:
    """The asset `policy_odds`: operating characteristics of rollout.yaml's policy and of the guide's letter."""

    @dg.asset(
        group_name=EVALUATION_GROUP,
        kinds={"numpy"},
        description="How often chance alone rolls a healthy version back, and how soon a fall is caught: simulated for "
        "the policy of rollout.yaml and for the guide's letter, at the volume of the run's config.",
    )
    def policy_odds(config: Volume) -> MaterializeResult:
        assumptions = Assumptions(
            leads_per_week=config.leads_per_week,
            base_rate=config.base_rate,
            outcome_window_days=rollout.outcome_window_days,
        )
        odds = simulate(assumptions, rollout.policy, rollout.evaluation)
        configured = odds.rules[0]
        chart = b64encode(png(odds)).decode()
        return dg.MaterializeResult(
            metadata={
                "odds": dg.MetadataValue.md(f"```\n{as_text(odds)}\n```"),
                "chart": dg.MetadataValue.md(f"![odds](data:image/png;base64,{chart})"),
                **{f"false_rollback_{weeks}_weeks": share for weeks, share in configured.together.false.items()},
                **{f"caught_{weeks}_weeks": share for weeks, share in configured.together.caught.items()},
                "true_promotion": configured.promotion.true,
                "false_promotion": configured.promotion.false,
            }
        )

    return policy_odds
