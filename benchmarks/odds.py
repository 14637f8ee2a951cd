"""The tables of docs/odds.md, each row simulated: the one place from which the odds are quoted.

python -m benchmarks.odds [--histories N] [--table NAME]   all of them take about fifteen minutes of one core
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks import published
from v4_assets.config.rollout import read_rollout
from v4_assets.evaluation.model_strength import BASELINE, Strength
from v4_assets.project_files import PROJECT
from v4_assets.studies.assumptions import Assumptions
from v4_assets.studies.odds import CAUGHT_WITHIN, headline, odds_of, rules_of, simulate, warning_odds

PAGE = PROJECT / "docs" / "odds.md"
HISTORIES = 8_000
LOW = 0.61
"""Covered share at which a base rate of 3.92 % leaves 2.39 % of the covered leads."""
VOLUMES = (300, 350, 450, 1_000, 3_000, 10_000)

Row = tuple[str, ...]


def tables(histories: int) -> dict[str, Callable[[], str]]:
    """Name of a table of the page to what simulates it and gives its Markdown."""
    rollout = read_rollout(PROJECT / "rollout.yaml")
    policy, evaluation = rollout.policy, rollout.evaluation
    low = Assumptions(outcome_window_days=rollout.outcome_window_days, histories=histories, covered_share=LOW)
    full = replace(low, covered_share=1.0)
    configured, written, weekly, daily = rules_of(policy, evaluation, low)

    def rollback(given: Assumptions, rule: Any = configured) -> Row:
        odds = odds_of(given, rule)
        found = odds.together
        return (
            _shares(found.false),
            _shares(found.caught),
            f"{_weeks(found.median_weeks)}, {_weeks(found.late_weeks)}",
        )

    def warning(given: Assumptions) -> Row:
        odds = warning_odds(given, policy)
        return (_shares(odds.false), _shares(odds.caught), _shares(odds.equal), f"{odds.histories:,}")

    def volumes() -> Iterable[Row]:
        for base in (full, low):
            for leads in VOLUMES:
                yield (f"{leads:,}", f"{100 * base.covered_base:.2f} %", *rollback(replace(base, leads_per_week=leads)))

    def lines() -> Iterable[Row]:
        yield ("scaled to covered leads", *rollback(low))
        yield ("5 % as written", *rollback(low, written))

    def criteria() -> Iterable[Row]:
        for name, one in odds_of(full, configured).criteria.items():
            yield (f"`{name}`", _shares(one.false), _shares(one.caught))

    def promotion() -> Iterable[Row]:
        for base in (full, low):
            for leads in VOLUMES:
                odds = odds_of(replace(base, leads_per_week=leads), configured)
                verdicts = f"{odds.for_promotion.cohort_days}, {_percent(odds.for_promotion.verdicts)} %"
                shares = (f"{_percent(odds.promotion.true)} %", f"{_percent(odds.promotion.false)} %")
                yield (f"{leads:,}", f"{100 * base.covered_base:.2f} %", *shares, verdicts)

    def treatments() -> Iterable[Row]:
        for name, change in TREATMENTS.items():
            given = replace(full, **change)
            odds, warned = odds_of(given, configured), warning_odds(given, policy)
            yield (
                name,
                _shares(odds.together.false),
                _shares(odds.together.caught),
                f"{_percent(odds.promotion.false)} %",
                _shares(warned.false),
                _shares(warned.caught),
            )

    def warnings() -> Iterable[Row]:
        for base in (0.0392, 0.0239, 0.0195, 0.0145):
            yield ("350", f"{100 * base:.2f} %", *warning(replace(full, base_rate=base)))
        yield ("350, uneven", "2.39 %", *warning(replace(low, uneven=True)))
        for leads in (1_000, 3_000):
            yield (f"{leads:,}", "3.92 %", *warning(replace(full, leads_per_week=leads)))

    def falls() -> Iterable[Row]:
        for name, strength in (("1.75, AUC 0.60", Strength(1.75, 0.60)), ("1.51, AUC 0.599", BASELINE)):
            given = replace(full, fallen=strength)
            # The warning is tuned to the fall of rollout.yaml, whatever the real one is.
            yield (name, _shares(odds_of(given, configured).together.caught))

    def weak() -> Iterable[Row]:
        for name, raised in published.weak_alarms(rollout, published.assumed(rollout)).items():
            yield (name, _shares({week: raised[week] / 100 for week in CAUGHT_WITHIN}))

    def outside() -> Iterable[Row]:
        for row in published.rows(rollout, published.assumed(rollout)):
            if row.outside:
                yield (row.name, f"{row.published:g}", f"{row.found:.1f}", row.explained)

    def letter() -> Iterable[Row]:
        for leads in (350, 1_000, 3_000, 10_000):
            week, day = (odds_of(replace(full, leads_per_week=leads), rule) for rule in (weekly, daily))
            false = (f"{_percent(one.together.false[12])} %" for one in (week, day))
            yield (f"{leads:,}", *false, f"{_percent(week.promotion.false)} %")

    def model() -> Iterable[Row]:
        odds = simulate(low, policy, evaluation)
        figures = headline(odds.rules[0], odds.warning)
        for name, (least, most) in (odds.model_error or {}).items():
            yield (name, f"{_percent(figures[name])} %", f"{_percent(least)} to {_percent(most)} %")

    weeks = "false rollback in 12 / 26 weeks"
    caught = "fall caught in 12 / 16 / 20 / 26 weeks"
    made: dict[str, tuple[Row, Callable[[], Iterable[Row]]]] = {
        "volumes": (("leads a week", "covered base", weeks, caught, "median, 95th percentile"), volumes),
        "lines": (("line at 350 a week, 2.39 %", weeks, caught, "median, 95th percentile"), lines),
        "criteria": (("criterion at 350 a week, 3.92 %", weeks, caught), criteria),
        "promotion": (
            ("leads a week", "covered base", "a challenger of 2.03", "of 1.5", "cohort in days, closes with a verdict"),
            promotion,
        ),
        "treatments": (
            ("at 350 a week, 3.92 %", weeks, caught, "a challenger of 1.5 promoted", "false warning in 12 / 26",
             "fall announced in 12 / 16 / 20 / 26"),
            treatments,
        ),
        "warnings": (
            ("leads a week", "covered base", "false in 12 / 26 weeks", "fall announced in 12 / 16 / 20 / 26 weeks",
             "raised for a version of 1.51 in 12 / 26", "histories"),
            warnings,
        ),
        "weak": (("at 350 a week, 3.92 %", "raised in 12 / 16 / 20 / 26 weeks"), weak),
        "falls": (("the candidate falls to", caught), falls),
        "letter": (
            ("leads a week", "week by week: false rollback in 12 weeks", "every day: false rollback in 12 weeks",
             "week by week: a challenger of 1.5 promoted"),
            letter,
        ),
        "model": (("figure at 350 a week, 2.39 %", "as assumed", "range over other models"), model),
        "outside": (("figure, in percent", "there", "here", "why"), outside),
    }  # fmt: skip
    return {name: partial(_table, head, rows) for name, (head, rows) in made.items()}


TREATMENTS: Mapping[str, Mapping[str, Any]] = {
    "neutral": {},
    "effort × 1.3 at the top, × 1 at the bottom": {"top_effort": 1.3},
    "effort × 1.3, × 0.5": {"top_effort": 1.3, "bottom_effort": 0.5},
    "effort × 1.3, × 0 (never called)": {"top_effort": 1.3, "bottom_effort": 0.0},
    "leads are the best 20 % of the live version's list": {"listed_share": 0.2},
}


def filled(page: str, name: str, table: str) -> str:
    """The page with one table replaced. Raises ValueError where the page has no place, or several, for it."""
    place = re.compile(rf"(<!-- odds: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    replaced, count = place.subn(lambda match: f"{match[1]}\n{table}\n{match[2]}", page)
    if count != 1:
        raise ValueError(f"The page has {count} places for the table {name}, expected 1.")
    return replaced


def _table(head: Row, rows: Callable[[], Iterable[Row]]) -> str:
    lines = [head, ("---",) * len(head), *rows()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shares(found: Mapping[int, float]) -> str:
    return f"{' / '.join(_percent(share) for share in found.values())} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if 0 < share < 0.1 else f"{100 * share:.0f}"


def _weeks(week: int | None) -> str:
    return "> 26" if week is None else str(week)


def main() -> None:
    """Write the tables of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=HISTORIES)
    parser.add_argument("--table", action="append", help="Write this one alone; may be given several times.")
    asked = parser.parse_args()
    found = tables(asked.histories)
    for name in asked.table or found:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), name, found[name]()), encoding="utf-8")
        print(f"{name} written to {PAGE.relative_to(PROJECT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
