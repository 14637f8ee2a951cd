"""The odds as text and as a chart, with the error of the simulation and of its model. Pure."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np

from v4_assets.studies.assumptions import Assumptions
from v4_assets.studies.odds import (
    CAUGHT_WITHIN,
    FALSE_WITHIN,
    Capacity,
    Odds,
    RollbackOdds,
    RuleOdds,
    WarningOdds,
    headline,
)
from v4_assets.studies.odds_rules import WATCHED_WEEKS


def as_text(odds: Odds) -> str:
    """The odds as text."""
    lines = [*_assumed(odds.assumptions), *_treatment(odds)]
    for rule in odds.rules:
        lines += ["", *_rule(rule)]
    lines += ["", *_warning(odds.warning)]
    if odds.neutral:
        lines += ["", "The same without effort and list, on neutral data:"]
        lines += [*_rule(odds.neutral.rules[0]), *_warning(odds.neutral.warning)]
    if odds.model_error:
        lines += ["", *_model_error(odds)]
    return "\n".join([*lines, "", *_notes(odds.assumptions)])


def _assumed(given: Assumptions) -> list[str]:
    volume = "weeks and months uneven as measured" if given.uneven else "all weeks alike"
    return [
        f"{given.leads_per_week:,.0f} leads a week ({volume}) of which {100 * given.base_rate:.2f} % convert; "
        f"{100 * given.covered_share:.0f} % of these are called after their first score, so "
        f"{100 * given.covered_base:.2f} % of the covered leads convert. From: {given.source}.",
        f"Healthy: lift {given.healthy.lift:g}, AUC {given.healthy.auc:g}. Fallen: {given.fallen.lift:g}, "
        f"{given.fallen.auc:g}. Weak challenger: {given.weak.lift:g}, {given.weak.auc:g}. "
        f"Baseline: {given.baseline.lift:g}, {given.baseline.auc:g}. "
        f"Correlation of their scores: {given.correlation:g}.",
        f"{given.histories:,} simulated histories: chance moves a share by up to {_error(given.histories):.1f} points.",
    ]


def _treatment(odds: Odds) -> list[str]:
    given, lines = odds.assumptions, []
    if given.top_effort != 1 or given.bottom_effort != 1:
        lines.append(
            f"Assumed effort: the live version's top decile converts {given.top_effort:g} times, its bottom fifth "
            f"{given.bottom_effort:g} times as often as without. It flatters the live version: a fall is caught later, "
            "and challengers that resemble the champion are promoted more often."
        )
    if given.listed_share < 1:
        lines.append(
            f"Assumed list: leads are the best {100 * given.listed_share:.0f} % of the live version's own list "
            f"(correlation {given.list_correlation:g}). Lift and AUC then understate every version, most of all the "
            "live one: healthy versions are rolled back more often."
        )
    return lines


def _rule(rule: RuleOdds) -> list[str]:
    weeks = " ".join(f"{week:>8}" for week in CAUGHT_WITHIN)
    promoted = rule.promotion
    median = f", in {promoted.median_weeks} weeks at the median" if promoted.median_weeks is not None else ""
    return [
        rule.rule,
        f"  Cohorts: {_carried('rollback', rule.for_rollback)}; {_carried('promotion', rule.for_promotion)}.",
        f"  {'':24}{'false rollback':>16}{'fall caught within weeks':>38}{'weeks to catch':>18}",
        f"  {'':24}{' '.join(f'{week:>5} wk' for week in FALSE_WITHIN):>16}  {weeks:>36}{'median, 95 %':>18}",
        *(_line(name, one) for name, one in {**rule.criteria, "together": rule.together}.items()),
        f"  Promoted before it expires: {_percent(promoted.true)} of healthy challengers{median}; "
        f"{_percent(promoted.false)} of weak ones.",
    ]


def _carried(question: str, capacity: Capacity) -> str:
    return f"{question} about {capacity.cohort_days} days, with a verdict at {_percent(capacity.verdicts)} of closes"


def _warning(odds: WarningOdds) -> list[str]:
    return [
        f"Early warning on booked calls (threshold {odds.threshold:.2f}; an alert, never a rollback; "
        f"{odds.histories:,} histories)",
        f"  raised for a healthy version: {_within(odds.false)}",
        f"  raised after a fall: {_within(odds.caught)}",
        f"  raised for a version no better than the baseline: {_within(odds.equal)}",
    ]


def _model_error(odds: Odds) -> list[str]:
    figures = headline(odds.rules[0], odds.warning)
    return [
        "Range of these figures over other scores, correlations, timings, base rates and volumes (as configured):",
        *(
            f"  {name:36}{_percent(figures[name]):>8}   {_percent(low)} to {_percent(high)}"
            for name, (low, high) in (odds.model_error or {}).items()
        ),
    ]


def _notes(given: Assumptions) -> list[str]:
    matured = given.outcome_window_days + 1
    return [
        f"Weeks to catch count from the fall; a verdict cannot see it before its first leads mature, {matured} days "
        "later. What is caught earlier is caught by chance; the early warning does not wait for it.",
        f"Promotions are on backfilled history; on live scores alone the first verdict comes {matured} days plus a "
        "cohort later.",
    ]


def _within(shares: Mapping[int, float]) -> str:
    return ", ".join(f"{_percent(share)} within {week} weeks" for week, share in shares.items())


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


def png(odds: Odds) -> bytes:
    """A PNG: one group of bars per horizon and one line per rule."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    false, caught = figure.subplots(1, 2)
    width = 0.8 / len(odds.rules)
    for number, rule in enumerate(odds.rules):
        places = [group + (number - (len(odds.rules) - 1) / 2) * width for group in range(len(FALSE_WITHIN))]
        bars = false.bar(places, [100 * rule.together.false[weeks] for weeks in FALSE_WITHIN], width, label=rule.rule)
        false.bar_label(bars, fmt="%.0f")
        shares = [100 * rule.together.caught[weeks] for weeks in CAUGHT_WITHIN]
        caught.plot(CAUGHT_WITHIN, shares, marker="o", label=rule.rule)
    announced = [100 * odds.warning.caught[weeks] for weeks in CAUGHT_WITHIN]
    caught.plot(CAUGHT_WITHIN, announced, marker="s", linestyle="--", color="gray", label="early warning (alert only)")
    false.set_xticks(range(len(FALSE_WITHIN)), [f"within {weeks} weeks" for weeks in FALSE_WITHIN])
    false.set(title="A healthy version is rolled back", ylabel="% of histories", ylim=(0, 108))
    caught.set(title="A fall is caught", xlabel="weeks from the fall", ylabel="% of histories", ylim=(0, 108))
    caught.set_xticks(CAUGHT_WITHIN)
    caught.legend(loc="lower right", fontsize="small")
    given = odds.assumptions
    figure.suptitle(
        f"{given.leads_per_week:,.0f} leads a week, {100 * given.covered_base:.2f} % of the covered ones convert"
    )
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
