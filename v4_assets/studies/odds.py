"""Operating characteristics of a policy at a given volume: false rollbacks, and time to detect a fall. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.config.rollout_policy import Evaluation, Policy
from v4_assets.evaluation.early_warning import CALIBRATED_WEEKS, threshold
from v4_assets.production.decision import ROLLBACK_GATES
from v4_assets.studies.assumptions import Assumptions
from v4_assets.studies.odds_rules import (
    FALL_DAY,
    NEVER,
    WATCHED_WEEKS,
    Rule,
    convictions,
    literal,
    promotions,
    trial,
    warned,
    watched,
)

FALSE_WITHIN = (12, WATCHED_WEEKS)
CAUGHT_WITHIN = (12, 16, 20, WATCHED_WEEKS)
MOST_VOTES = 4_000_000
"""Simulated booked calls at most; a large volume gets fewer histories of the early warning."""
FEWER = 4
"""Each other model is simulated with this part of the histories."""
CALIBRATED_ON = 5
"""Histories the threshold is calibrated on, for each one that it is then tried on."""


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
class Capacity:
    """What the volume can carry, by the question a cohort is sized for."""

    cohort_days: int
    """Expected length of the cohort."""
    verdicts: float
    """Share of week-closes, 0..1, at which the cohort of a healthy version holds enough conversions for a verdict."""


@dataclass(frozen=True)
class RuleOdds:
    """The operating characteristics of one rule."""

    rule: str
    together: RollbackOdds
    criteria: Mapping[str, RollbackOdds]
    promotion: PromotionOdds
    for_rollback: Capacity
    for_promotion: Capacity


@dataclass(frozen=True)
class WarningOdds:
    """The early warning on booked calls: shares of histories, 0..1, in which it has been raised."""

    threshold: float
    """Calibrated on neutral data of this volume, base rate and timing."""
    false: Mapping[int, float]
    caught: Mapping[int, float]
    equal: Mapping[int, float]
    """Weeks after promotion to the share of candidates no better than the baseline for which it was raised."""
    histories: int


@dataclass(frozen=True)
class Odds:
    """The odds of every requested rule, under the same assumptions."""

    assumptions: Assumptions
    rules: tuple[RuleOdds, ...]
    warning: WarningOdds
    model_error: "Mapping[str, tuple[float, float]] | None" = None
    """Figure of the configured rule to its range over other models of scores, correlation, timing and base rate."""
    neutral: "Odds | None" = None
    """The same without treatment by the live version, where one is assumed."""


def simulate(assumptions: Assumptions, policy: Policy, evaluation: Evaluation, *, model_error: bool = True) -> Odds:
    """Odds of the policy as configured and of the guide's letter. Raises ValueError for impossible assumptions.

    `model_error` repeats the configured rule under MODELS, which takes several times as long.
    """
    configured, *letters = rules_of(policy, evaluation, assumptions)
    found = Odds(
        assumptions,
        tuple(odds_of(assumptions, rule) for rule in (configured, *letters)),
        warning_odds(assumptions, policy),
    )
    if model_error:
        found = replace(found, model_error=_ranges(found, configured))
    if assumptions.is_neutral:
        return found
    beside = replace(assumptions, top_effort=1.0, bottom_effort=1.0, listed_share=1.0)
    return replace(found, neutral=Odds(beside, (odds_of(beside, configured),), warning_odds(beside, policy)))


def rules_of(policy: Policy, evaluation: Evaluation, assumptions: Assumptions) -> tuple[Rule, ...]:
    """The configured policy, the same by the line as written where that differs, and the guide's letter."""
    configured = Rule("as configured", policy, evaluation)
    by_line = policy.rollback.model_copy(update={"conversion_line": "literal"})
    written = Rule("with the conversion line as written", policy.model_copy(update={"rollback": by_line}), evaluation)
    scaled = policy.rollback.conversion_line == "covered" and assumptions.covered_share < 1
    return (configured, *([written] if scaled else []), *literal(policy, evaluation))


def odds_of(assumptions: Assumptions, rule: Rule) -> RuleOdds:
    """The odds of one rule; the same assumptions give every rule the same histories."""
    looks = watched(assumptions, rule, assumptions.healthy)
    healthy = convictions(looks, rule)
    fallen = convictions(watched(assumptions, rule, assumptions.healthy, assumptions.fallen), rule)
    by_gate = {name: _rollback(healthy[name], fallen[name]) for name in ROLLBACK_GATES}
    tried = trial(assumptions, rule, assumptions.healthy)
    earned, unearned = promotions(tried, rule), promotions(trial(assumptions, rule, assumptions.weak), rule)
    promoted = earned[earned < NEVER]
    needed = rule.evaluation.min_conversions
    return RuleOdds(
        rule.name,
        _rollback(_earliest(healthy), _earliest(fallen)),
        by_gate,
        PromotionOdds(
            true=float((earned < NEVER).mean()),
            false=float((unearned < NEVER).mean()),
            median_weeks=int(np.median(promoted)) // 7 if len(promoted) else None,
        ),
        _capacity(assumptions, rule, needed.rollback, looks.cohorts.conversions[:, 6::7]),
        _capacity(assumptions, rule, needed.promotion, tried.judged.cohorts.conversions[:, 6::7]),
    )


def _capacity(assumptions: Assumptions, rule: Rule, needed: int, conversions: NDArray[Any]) -> Capacity:
    limits, daily = rule.evaluation, assumptions.leads_per_week / 7 * assumptions.covered_base
    length = min(max(ceil(needed / daily), limits.min_days), limits.max_days)
    return Capacity(length, float((conversions >= needed).mean()))


def warning_odds(assumptions: Assumptions, policy: Policy) -> WarningOdds:
    """The early warning's odds; its threshold is calibrated on neutral histories, as a promotion does it."""
    given, seed = assumptions, assumptions.seed
    weekly = given.leads_per_week * given.covered_base
    histories = max(min(given.histories, int(MOST_VOTES / (weekly * WATCHED_WEEKS * CALIBRATED_ON))), 100)
    neutral = replace(given, top_effort=1.0, bottom_effort=1.0, listed_share=1.0)
    calibration = warned(neutral, CALIBRATED_ON * histories, seed + 1, given.healthy, weeks=CALIBRATED_WEEKS)
    border = threshold(calibration, policy.early_warning.false_alarms)
    healthy = _raised(warned(given, histories, seed + 2, given.healthy), border)
    fallen = _raised(warned(given, histories, seed + 3, given.healthy, given.fallen), border)
    equal = _raised(warned(given, histories, seed + 4, given.baseline), border)
    return WarningOdds(
        border,
        false={weeks: float((healthy <= 7 * weeks).mean()) for weeks in FALSE_WITHIN},
        caught={weeks: float((fallen - FALL_DAY <= 7 * weeks).mean()) for weeks in CAUGHT_WITHIN},
        equal={weeks: float((equal <= 7 * weeks).mean()) for weeks in FALSE_WITHIN},
        histories=histories,
    )


def _raised(reached: NDArray[Any], border: float) -> NDArray[Any]:
    """Day, counted from the promotion, of the week-close at which each history alarms; NEVER where it does not."""
    alarmed = reached > border
    return np.where(alarmed.any(axis=1), 7 * (alarmed.argmax(axis=1) + 1), NEVER)


SLOW_CALLS = ((0, 0.0), (3, 0.12), (7, 0.36), (14, 0.66), (21, 0.83), (28, 0.92), (35, 0.97), (43, 1.0))
"""Timing of the model-error study: a mean of about 13 days from contact to call."""
MODELS: Mapping[str, Mapping[str, Any]] = {
    "scores flat within the top decile": {"shape": "step"},
    "versions less correlated": {"correlation": 0.4},
    "versions more correlated": {"correlation": 0.8},
    "calls booked later": {"booked_by": SLOW_CALLS},
    "a base rate lower by a tenth": {"base_rate": 0.9},
    "a base rate higher by a tenth": {"base_rate": 1.1},
    "uneven weeks and months": {"uneven": True},
}
"""Other models that the data do not rule out. The base rate is a factor of the assumed one."""


def headline(rule: RuleOdds, warning: WarningOdds) -> dict[str, float]:
    """The figures that are quoted, by name."""
    return {
        **{f"false rollback within {week} weeks": share for week, share in rule.together.false.items()},
        **{f"fall caught within {week} weeks": share for week, share in rule.together.caught.items()},
        **{f"false early warning within {week} weeks": share for week, share in warning.false.items()},
        **{f"fall announced within {week} weeks": share for week, share in warning.caught.items()},
        "healthy challenger promoted": rule.promotion.true,
        "weak challenger promoted": rule.promotion.false,
    }


def _ranges(found: Odds, rule: Rule) -> dict[str, tuple[float, float]]:
    given = replace(found.assumptions, histories=max(found.assumptions.histories // FEWER, 100))
    figures = [headline(found.rules[0], found.warning)]
    for change in MODELS.values():
        factor = change.get("base_rate")
        other = replace(given, **change) if factor is None else replace(given, base_rate=given.base_rate * factor)
        figures.append(headline(odds_of(other, rule), warning_odds(other, rule.policy)))
    return {name: (min(one[name] for one in figures), max(one[name] for one in figures)) for name in figures[0]}


def _earliest(convicted: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    earliest: NDArray[Any] = np.min([convicted[name] for name in ROLLBACK_GATES], axis=0)
    return earliest


def _rollback(healthy: NDArray[Any], fallen: NDArray[Any]) -> RollbackOdds:
    since_fall = fallen - FALL_DAY
    middle, late = (_completed_weeks(since_fall, share) for share in (0.5, 0.95))
    return RollbackOdds(
        false={weeks: float((healthy <= 7 * weeks).mean()) for weeks in FALSE_WITHIN},
        caught={weeks: float((since_fall <= 7 * weeks).mean()) for weeks in CAUGHT_WITHIN},
        median_weeks=middle,
        late_weeks=late,
    )


def _completed_weeks(days: NDArray[Any], share: float) -> int | None:
    day = int(np.quantile(days, share, method="higher"))
    return day // 7 if day <= 7 * CAUGHT_WITHIN[-1] else None


def as_dict(odds: Odds) -> dict[str, Any]:
    """Plain values, for JSON."""
    return asdict(odds)
