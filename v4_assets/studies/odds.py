"""Operating characteristics of a policy at a given volume: false rollbacks, and time to detect a fall. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np

from v4_assets.arrays import Numbers
from v4_assets.config.rollout_policy import Evaluation, Policy
from v4_assets.production.decision import ROLLBACK_GATES
from v4_assets.studies.assumptions import Assumptions, Strength
from v4_assets.studies.odds_rules import (
    FALL_DAY,
    NEVER,
    WATCHED_WEEKS,
    Rule,
    convictions,
    literal,
    promotions,
    trial,
    watched,
)

__all__ = [
    "Assumptions",
    "Odds",
    "PromotionOdds",
    "RollbackOdds",
    "RuleOdds",
    "Strength",
    "as_dict",
    "as_text",
    "simulate",
]

FALSE_WITHIN = (12, WATCHED_WEEKS)
CAUGHT_WITHIN = (12, 16, 20, WATCHED_WEEKS)


@dataclass(frozen=True)
class RollbackOdds:
    """Shares of histories, 0..1, by a single criterion or by all together."""

    false: Mapping[int, float]
    """Weeks after promotion to the share of healthy versions that were rolled back by then."""
    caught: Mapping[int, float]
    """Weeks after the fall to the share of fallen versions that were rolled back by then."""
    median_weeks: int | None
    """Completed weeks from the fall to the rollback; None when that share is not caught in CAUGHT_WITHIN[-1] weeks."""
    late_weeks: int | None
    """The 95th percentile."""


@dataclass(frozen=True)
class PromotionOdds:
    """Shares of challengers, 0..1, promoted before the promotion expires. Their history is backfilled."""

    true: float
    false: float
    median_weeks: int | None
    """Completed weeks from adoption to the promotion of a healthy one, of those promoted."""


@dataclass(frozen=True)
class RuleOdds:
    """The operating characteristics of one rule."""

    rule: str
    together: RollbackOdds
    criteria: Mapping[str, RollbackOdds]
    promotion: PromotionOdds
    cohort_days: int
    """Length of the rollback cohort that is expected."""


@dataclass(frozen=True)
class Odds:
    """The odds of every requested rule, under the same assumptions."""

    assumptions: Assumptions
    rules: tuple[RuleOdds, ...]


def simulate(assumptions: Assumptions, policy: Policy, evaluation: Evaluation) -> Odds:
    """Odds of the policy as configured and of the guide's letter. Raises ValueError for impossible assumptions."""
    rules = (Rule("as configured", policy, evaluation), *literal(policy, evaluation))
    return Odds(assumptions, tuple(odds_of(assumptions, rule) for rule in rules))


def odds_of(assumptions: Assumptions, rule: Rule) -> RuleOdds:
    """The odds of one rule; the same assumptions give every rule the same histories."""
    healthy = convictions(watched(assumptions, rule, assumptions.healthy), rule)
    fallen = convictions(watched(assumptions, rule, assumptions.healthy, assumptions.fallen), rule)
    by_gate = {name: _rollback(healthy[name], fallen[name]) for name in ROLLBACK_GATES}
    together = _rollback(_earliest(healthy), _earliest(fallen))
    earned = promotions(trial(assumptions, rule, assumptions.healthy), rule)
    unearned = promotions(trial(assumptions, rule, assumptions.weak), rule)
    promoted = earned[earned < NEVER]
    daily = assumptions.leads_per_week / 7 * assumptions.base_rate
    length = ceil(rule.evaluation.min_conversions.rollback / daily)
    return RuleOdds(
        rule.name,
        together,
        by_gate,
        PromotionOdds(
            true=float((earned < NEVER).mean()),
            false=float((unearned < NEVER).mean()),
            median_weeks=int(np.median(promoted)) // 7 if len(promoted) else None,
        ),
        min(max(length, rule.evaluation.min_days), rule.evaluation.max_days),
    )


def _earliest(convicted: Mapping[str, Numbers]) -> Numbers:
    earliest: Numbers = np.min([convicted[name] for name in ROLLBACK_GATES], axis=0)
    return earliest


def _rollback(healthy: Numbers, fallen: Numbers) -> RollbackOdds:
    since_fall = fallen - FALL_DAY
    middle, late = (_completed_weeks(since_fall, share) for share in (0.5, 0.95))
    return RollbackOdds(
        false={weeks: float((healthy <= 7 * weeks).mean()) for weeks in FALSE_WITHIN},
        caught={weeks: float((since_fall <= 7 * weeks).mean()) for weeks in CAUGHT_WITHIN},
        median_weeks=middle,
        late_weeks=late,
    )


def _completed_weeks(days: Numbers, share: float) -> int | None:
    day = int(np.quantile(days, share, method="higher"))
    return day // 7 if day <= 7 * CAUGHT_WITHIN[-1] else None


def as_dict(odds: Odds) -> dict[str, Any]:
    """Plain values, for JSON."""
    return asdict(odds)


def as_text(odds: Odds) -> str:
    """The odds as text."""
    given = odds.assumptions
    lines = [
        f"{given.leads_per_week:,.0f} leads a week of which {100 * given.base_rate:.2f} % convert; "
        f"{given.histories:,} simulated histories, so a share may be off by {_error(given.histories):.1f} points.",
        f"Healthy: lift {given.healthy.lift:g}, AUC {given.healthy.auc:g}. Fallen: {given.fallen.lift:g}, "
        f"{given.fallen.auc:g}. Weak challenger: {given.weak.lift:g}, {given.weak.auc:g}. "
        f"Baseline: {given.baseline.lift:g}, {given.baseline.auc:g}.",
    ]
    for rule in odds.rules:
        lines += ["", f"{rule.rule} (cohorts of about {rule.cohort_days} days)"]
        lines.append(f"  {'':24}{'false rollback':>16}{'fall caught within weeks':>38}{'weeks to catch':>18}")
        weeks = " ".join(f"{week:>8}" for week in CAUGHT_WITHIN)
        lines.append(
            f"  {'':24}{' '.join(f'{week:>5} wk' for week in FALSE_WITHIN):>16}  {weeks:>36}{'median, 95 %':>18}"
        )
        lines += [_line(name, one) for name, one in {**rule.criteria, "together": rule.together}.items()]
        promoted = rule.promotion
        median = f", in {promoted.median_weeks} weeks at the median" if promoted.median_weeks is not None else ""
        lines.append(
            f"  Promoted before it expires: {_percent(promoted.true)} of healthy challengers{median}; "
            f"{_percent(promoted.false)} of weak ones."
        )
    lines += [
        "",
        f"Weeks to catch count from the fall; it cannot be seen before its first leads mature, "
        f"{given.outcome_window_days + 1} days later. What is caught earlier is caught by chance.",
        f"Promotions are on backfilled history; on live scores alone the first verdict comes "
        f"{given.outcome_window_days + 1} days plus a cohort later.",
    ]
    return "\n".join(lines)


def _line(name: str, odds: RollbackOdds) -> str:
    false = " ".join(f"{_percent(odds.false[week]):>8}" for week in FALSE_WITHIN)
    caught = " ".join(f"{_percent(odds.caught[week]):>8}" for week in CAUGHT_WITHIN)
    never = f"> {WATCHED_WEEKS}"
    middle, late = (never if week is None else str(week) for week in (odds.median_weeks, odds.late_weeks))
    return f"  {name:24}{false:>16}  {caught:>36}{f'{middle}, {late}':>18}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _error(histories: int) -> float:
    """Two standard errors of a share of one half, in percentage points."""
    return 100 / float(np.sqrt(histories))
