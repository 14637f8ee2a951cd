"""Rules applied to simulated histories: the day on which each would roll back, or promote. Pure.

The verdicts are the gates' own (`criteria.judge`, intervals.py); only weeks and days are counted on arrays here.
Simulated days are grouped into weeks of `policy.weeks`: as every day is evaluated, a week closes on its last day,
whichever weekday that is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.config.rollout_policy import Evaluation, Policy
from v4_assets.evaluation.early_warning import FIRST_CALL, Stretch, Weights, booked_by, simulated
from v4_assets.evaluation.intervals import (
    lift_bounds,
    lift_difference_bounds,
    logit_auc_bounds,
    one_sided,
    wilson_bounds,
)
from v4_assets.evaluation.joint_ranks import Live, Ranks, Treatment, joint
from v4_assets.production.criteria import judge
from v4_assets.production.decision import AUC, ROLLBACK_GATES, TOP_DECILE_CONVERSION, TOP_DECILE_LIFT, Verdict
from v4_assets.studies.assumptions import TOP, UNEVEN_MONTHS, UNEVEN_WEEKS, Assumptions, Quantiles, Strength
from v4_assets.studies.simulation import MONTH_DAYS, Sums, cohorts, converted, draw, leads_by_day

WATCHED_WEEKS = 26
FALL_DAY = 3
"""A fall begins in the middle of a week: with the leads contacted on its fourth day, 0 being the first."""
NEVER = 10**6


@dataclass(frozen=True)
class Rule:
    """A policy whose odds are simulated."""

    name: str
    policy: Policy
    evaluation: Evaluation
    every_day: bool = False
    """Criteria that need a single failing week are evaluated every day instead of at week-closes."""

    def conversion_line(self, covered_share: float) -> float:
        """The line of the top decile's conversion, for covered leads unless the policy wants the literal one."""
        line = self.policy.rollback.top_decile_conversion_below
        return line * covered_share if self.policy.rollback.conversion_line == "covered" else line


def literal(policy: Policy, evaluation: Evaluation) -> tuple[Rule, Rule]:
    """The guide's letter, by point estimates: of single weeks; and every day, of the cohorts of `evaluation`."""
    running = policy.rollback.weeks_running.model_copy(update={TOP_DECILE_LIFT: 2, AUC: 1, TOP_DECILE_CONVERSION: 1})
    change = {
        "judge_by": "estimate",
        "weeks_running": running,
        "on_champion_also_failing": "rollback",
        "conversion_line": "literal",
    }
    rollback = policy.rollback.model_copy(update=change)
    promotion = policy.promotion.model_copy(update={"weeks_running": 1})
    letter = policy.model_copy(update={"rollback": rollback, "promotion": promotion})
    least = evaluation.min_conversions.model_copy(update={"promotion": 0, "rollback": 0})
    weekly = evaluation.model_copy(update={"min_conversions": least})
    return (
        Rule("the guide's letter, week by week", letter, weekly),
        Rule("the guide's letter, every day", letter, evaluation, every_day=True),
    )


@dataclass(frozen=True)
class Evaluations:
    """Verdicts on a version, shapes (histories, evaluations); one column per evaluated day."""

    verdicts: Mapping[str, NDArray[Any]]
    cohorts: Sums


def evaluate(days: Sums, ends: NDArray[Any], rule: Rule, covered_share: float, needed: int) -> Evaluations:
    """The rollback criteria on the cohorts of `needed` conversions that end with the columns `ends` of contact days."""
    asked, limits = rule.policy.rollback, rule.evaluation
    found = cohorts(days, ends, needed, limits.min_days, limits.max_days)
    x, m, n = found.top, found.conversions, found.leads
    level = one_sided(asked.confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        figures = {
            TOP_DECILE_LIFT: (x / m / TOP, lift_bounds(x, m, n, TOP * n, level)[1], asked.lift_below),
            AUC: (found.auc(), logit_auc_bounds(found.auc(), found.auc_se(), level)[1], asked.auc_below),
            TOP_DECILE_CONVERSION: (
                np.where(m > 0, x / (TOP * n), np.nan),
                wilson_bounds(x, TOP * n, level)[1],
                rule.conversion_line(covered_share),
            ),
        }
    by_estimate = asked.judge_by == "estimate"
    verdicts = {
        name: judge(estimate, estimate if by_estimate else upper, line)
        for name, (estimate, upper, line) in figures.items()
    }
    if not by_estimate:
        short = m < needed
        verdicts = {name: np.where(short, Verdict.INCONCLUSIVE, one) for name, one in verdicts.items()}
    if asked.on_champion_also_failing == "hold_and_alert":
        market = (verdicts[TOP_DECILE_CONVERSION] == Verdict.FAIL) & (found.baseline_top < x)
        verdicts[TOP_DECILE_CONVERSION] = np.where(market, Verdict.INCONCLUSIVE, verdicts[TOP_DECILE_CONVERSION])
    return Evaluations(verdicts, found)


def watched(assumptions: Assumptions, rule: Rule, *strengths: Strength) -> Evaluations:
    """Every day of WATCHED_WEEKS weeks from the day after a week has ended; a second strength begins on FALL_DAY."""
    needed = rule.evaluation.min_conversions.rollback
    before = _reach(assumptions, needed, rule.evaluation)
    lag = assumptions.outcome_window_days + 1 + rule.evaluation.label_lag_days
    total = before + lag + 7 * WATCHED_WEEKS
    spans = [total] if len(strengths) == 1 else [before + lag + FALL_DAY, 7 * WATCHED_WEEKS - FALL_DAY]
    days = _drawn(assumptions, _stretches(assumptions, strengths, spans, "candidate"))
    return evaluate(days, before + np.arange(7 * WATCHED_WEEKS), rule, assumptions.covered_share, needed)


def warned(
    assumptions: Assumptions, histories: int, seed: int, *strengths: Strength, weeks: int = WATCHED_WEEKS
) -> NDArray[Any]:
    """The early warning's sum at the close of each week from the promotion, shape (histories, weeks)."""
    spans = [7 * weeks] if len(strengths) == 1 else [FALL_DAY, 7 * weeks - FALL_DAY]
    return warning_sums(assumptions, histories, seed, _stretches(assumptions, strengths, spans, "candidate"))


def warning_sums(assumptions: Assumptions, histories: int, seed: int, stretches: list[Stretch]) -> NDArray[Any]:
    """The same of any stretches of days from the promotion, shape (histories, weeks)."""
    rng, given = np.random.default_rng(seed), assumptions
    leads, rates = _volumes(rng, given, histories, sum(stretch.days for stretch in stretches))
    conversions = converted(rng, histories, leads, rates, stretches)
    weights = Weights(given.healthy, given.fallen, given.baseline, given.covered_base)
    delays = booked_by(given.booked_by or FIRST_CALL, given.outcome_window_days)
    return simulated(rng, weights, conversions, stretches, delays)


def convictions(evaluations: Evaluations, rule: Rule) -> dict[str, NDArray[Any]]:
    """Gate to the day, counted from the first evaluation, on which it rolls each history back; NEVER if it does not."""
    made = {}
    for name in ROLLBACK_GATES:
        failing: NDArray[Any] = np.asarray(evaluations.verdicts[name] == Verdict.FAIL)
        weeks: int = getattr(rule.policy.rollback.weeks_running, name)
        if rule.every_day and weeks == 1:
            made[name] = np.where(failing.any(axis=1), failing.argmax(axis=1), NEVER)
            continue
        weekly: NDArray[Any] = np.lib.stride_tricks.sliding_window_view(failing[:, 6::7], weeks, axis=1)
        running: NDArray[Any] = np.asarray(weekly.all(axis=-1))
        # A week closes on its last day and convicts on the day after it.
        made[name] = np.where(running.any(axis=1), 7 * (running.argmax(axis=1) + weeks), NEVER)
    return made


@dataclass(frozen=True)
class Trial:
    """A challenger in parallel, one column a day: from `earlier` days before the adoption to its expiry."""

    earlier: int
    judged: Evaluations
    """On the cohorts that a promotion is asked on."""


def trial(assumptions: Assumptions, rule: Rule, strength: Strength) -> Trial:
    """Every day on which a challenger may be promoted, and the weeks before, over backfilled history."""
    asked, limits = rule.policy.promotion, rule.evaluation
    needed = limits.min_conversions.promotion
    earlier, last = 7 * asked.weeks_running, 7 * asked.expires_after_weeks
    before = _reach(assumptions, needed, limits)
    lag = assumptions.outcome_window_days + 1 + limits.label_lag_days
    total = before + earlier + lag + last + 1
    days = _drawn(assumptions, _stretches(assumptions, (strength,), [total], "baseline"))
    ends = before + np.arange(earlier + last + 1)
    return Trial(earlier, evaluate(days, ends, rule, assumptions.covered_share, needed))


def promotions(tried: Trial, rule: Rule) -> NDArray[Any]:
    """Day, counted from the adoption, on which each challenger is promoted; NEVER where it is not."""
    asked, earlier = rule.policy.promotion, tried.earlier
    found = tried.judged.cohorts
    x, m, n = found.top, found.conversions, found.leads
    own, theirs = x - found.both_top, found.baseline_top - found.both_top
    level = one_sided(asked.confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        lift = judge(x / m / TOP, lift_bounds(x, m, n, TOP * n, level)[1], asked.lift_at_least)
        ahead = judge((own - theirs) / m, lift_difference_bounds(own, theirs, m, n, TOP * n, level)[1], 0.0)
    earned = (lift == Verdict.PASS) & (m >= rule.evaluation.min_conversions.promotion)
    good = earned & (ahead == Verdict.PASS)
    for name in (AUC, TOP_DECILE_CONVERSION):
        good &= tried.judged.verdicts[name] == Verdict.PASS
    day = np.arange(earlier, good.shape[1])
    closing = day - day % 7 - 1
    for week in range(asked.weeks_running):
        good[:, day] &= earned[:, closing - 7 * week]
    # A day is live from its morning on, so that the seventh live day is the sixth after the adoption.
    first = asked.min_parallel_days - 1
    good = good[:, earlier + first :]
    return np.where(good.any(axis=1), good.argmax(axis=1) + first, NEVER)


def _reach(assumptions: Assumptions, conversions: int, limits: Evaluation) -> int:
    """Days of contact that hold the longest cohort there will be, in whole weeks."""
    daily = assumptions.leads_per_week / 7 * assumptions.covered_base
    likely = ceil(2 * conversions / daily) + 28 if daily > 0 and not assumptions.uneven else limits.max_days
    return 7 * ceil(max(min(limits.max_days, likely), limits.min_days) / 7)


def _stretches(assumptions: Assumptions, strengths: Sequence[Strength], spans: list[int], live: Live) -> list[Stretch]:
    return [Stretch(ranks(assumptions, strength, live), span) for strength, span in zip(strengths, spans, strict=True)]


@cache
def ranks(assumptions: Assumptions, strength: Strength, live: Live) -> Ranks:
    """Where conversions rank that are measured while the version `live` is."""
    given = assumptions
    treatment = Treatment(given.top_effort, given.bottom_effort, given.listed_share, given.list_correlation)

    def of(one: Strength) -> Ranks:
        return joint(
            one,
            given.baseline,
            given.covered_base,
            correlation=given.correlation,
            shape=given.shape,
            live=live,
            treatment=treatment,
        )

    # The base rate is measured while the live version is as it should be, treatment included.
    usual, found = of(given.healthy if live == "candidate" else given.baseline), of(strength)
    return replace(found, conversions=found.conversions / usual.conversions)


def _drawn(assumptions: Assumptions, stretches: list[Stretch]) -> Sums:
    rng, days = np.random.default_rng(assumptions.seed), sum(stretch.days for stretch in stretches)
    leads, rates = _volumes(rng, assumptions, assumptions.histories, days)
    return draw(rng, assumptions.histories, leads, rates, stretches)


def _volumes(
    rng: np.random.Generator, assumptions: Assumptions, histories: int, days: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Leads by day of contact, and the share of them that converts."""
    weekly, rate = assumptions.leads_per_week, assumptions.covered_base
    if not assumptions.uneven:
        return leads_by_day(rng, histories, days, weekly, None), np.full(days, rate)
    leads = leads_by_day(rng, histories, days, weekly, _sample(assumptions.weekly_leads or UNEVEN_WEEKS, weekly))
    months = rng.choice(_sample(UNEVEN_MONTHS, rate), size=(histories, -(-days // MONTH_DAYS)))
    return leads, np.repeat(months, MONTH_DAYS, axis=1)[:, :days]


def _sample(quantiles: Quantiles, mean: float) -> NDArray[Any]:
    """A thousand values of a distribution, scaled to a mean."""
    shares, values = zip(*quantiles, strict=True)
    found = np.interp((np.arange(1000) + 0.5) / 1000, shares, values)
    return np.asarray(found * mean / found.mean())
