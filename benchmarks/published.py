"""The odds beside those of an independent simulation: every figure it published, and which are further off than chance.

python -m benchmarks.published [--histories N]   takes three minutes of a core; exits with 1 for a row without a reason
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from v4_assets.config.rollout import Rollout, read_rollout
from v4_assets.evaluation.model_strength import Strength
from v4_assets.project_files import PROJECT
from v4_assets.studies.assumptions import Assumptions
from v4_assets.studies.odds import WarningOdds, odds_of, rules_of, warning_odds
from v4_assets.studies.odds_rules import Rule, convictions, warned, watched

TOLERANCE = 4.0
"""Percentage points: two simulations of 2,000 histories differ by up to 3 by chance."""
LOW = 0.61
"""Covered share that leaves a base of 2.39 % of 3.92 %."""
SHAPE = "ranks are even within the top decile there"
WEAKENED = Strength(1.75, 0.60)
TREATED = "one figure for three treatments; a weaker one raises the challenger's measured lift less"


@dataclass(frozen=True)
class Row:
    """One figure, in percent."""

    name: str
    published: float
    found: float
    explained: str = ""
    """Why it may be further off than chance; empty: it may not."""

    @property
    def outside(self) -> bool:
        """Further off than TOLERANCE."""
        return abs(self.found - self.published) > TOLERANCE


def rows(rollout: Rollout, given: Assumptions) -> Iterator[Row]:
    """Every published figure. `given` has a covered share of 1 and 350 leads a week."""
    low = replace(given, covered_share=LOW)
    yield from _rollbacks("350, 3.92 %", rollout, given, (5.3, 11.4), (20, 62, 91, 98), (76, 6))
    wide = replace(given, leads_per_week=1_000)
    yield from _rollbacks("1,000, 3.92 %", rollout, wide, (4.1, 10.9), (85, 98, 99.5, 99.8), (89, 6))
    written = odds_of(low, _rule(rollout, low, written=True))
    yield from _named("350, 2.39 %, 5 % as written: false", written.together.false, (13.9, 23.8))
    yield Row("350, 2.39 %, 5 % as written: caught by 16", 46, _percent(written.together.caught[16]))
    yield Row("350, 2.39 %, 5 % as written: promoted", 58, _percent(written.promotion.true))
    scaled = odds_of(low, _rule(rollout, low))
    yield from _named("350, 2.39 %, scaled: false", scaled.together.false, (4.3, 7.8))
    yield Row("350, 2.39 %, scaled: caught by 16", 27, _percent(scaled.together.caught[16]))
    yield from _treated(rollout, given)
    listed = odds_of(replace(given, listed_share=0.2), _rule(rollout, given))
    yield from _named("the live version's list: false", listed.together.false, (44, 65))
    yield from _warnings(rollout, given)


def _rollbacks(
    name: str,
    rollout: Rollout,
    given: Assumptions,
    false: tuple[float, ...],
    caught: tuple[float, ...],
    promoted: tuple[float, float],
) -> Iterator[Row]:
    odds = odds_of(given, _rule(rollout, given))
    yield from _named(f"{name}: false", odds.together.false, false)
    yield from _named(f"{name}: caught", odds.together.caught, caught)
    yield Row(f"{name}: a challenger of 2.03 promoted", promoted[0], _percent(odds.promotion.true))
    yield Row(f"{name}: a challenger of 1.5 promoted", promoted[1], _percent(odds.promotion.false))


def _treated(rollout: Rollout, given: Assumptions) -> Iterator[Row]:
    for bottom, caught in ((0.0, (0.6, 11)), (0.5, (3, 28)), (1.0, (27, 81))):
        odds = odds_of(replace(given, top_effort=1.3, bottom_effort=bottom), _rule(rollout, given))
        name = f"effort × 1.3, × {bottom:g}"
        for week, share in zip((16, 26), caught, strict=True):
            yield Row(f"{name}: caught by {week}", share, _percent(odds.together.caught[week]))
        why = TREATED if bottom else ""
        yield Row(f"{name}: a challenger of 1.5 promoted", 25.5, _percent(odds.promotion.false), why)


def _warnings(rollout: Rollout, given: Assumptions) -> Iterator[Row]:
    """By ranks that are even within the top decile, as published; then by the smooth ones of `v4 odds`."""
    published: dict[str, tuple[dict[str, Any], float, tuple[float, ...]]] = {
        "3.92 %": ({}, 12, (89, 97, 99)),
        "2.39 %": ({"covered_share": LOW}, 12, (76, 89, 96)),
        "2.39 %, uneven": ({"covered_share": LOW, "uneven": True}, 12, (71, 86, 93)),
        "1.95 %": ({"base_rate": 0.0195}, 14, (71, 86, 94)),
        "1.45 %": ({"base_rate": 0.0145}, 15, (59, 77, 88)),
    }
    for name, (change, false, caught) in published.items():
        for shape, why in (("step", ""), ("smooth", SHAPE)):
            odds = warning_odds(replace(given, **{**change, "shape": shape}), rollout.policy)
            yield from _warned(f"warning, {name}, {shape}", odds, false, caught, why)
    rule, border = _rule(rollout, given), warning_odds(given, rollout.policy).threshold
    reached = warned(given, given.histories, given.seed, WEAKENED) > border
    back = np.min(list(convictions(watched(given, rule, WEAKENED), rule).values()), axis=0)
    for week, raised, rolled in ((12, 20, 25), (26, 44, 44)):
        yield Row(f"warning, a lift of 1.75: raised by {week}", raised, _percent(reached[:, :week].any(axis=1).mean()))
        yield Row(f"a lift of 1.75: rolled back by {week}", rolled, _percent((back <= 7 * week).mean()))


def _warned(name: str, odds: WarningOdds, false: float, caught: tuple[float, ...], why: str) -> Iterator[Row]:
    yield Row(f"{name}: false by 26", false, _percent(odds.false[26]), why)
    for week, share in zip((12, 16, 20), caught, strict=True):
        yield Row(f"{name}: announced by {week}", share, _percent(odds.caught[week]), why)


def _named(name: str, found: Mapping[int, float], published: tuple[float, ...]) -> Iterator[Row]:
    for (week, share), one in zip(found.items(), published, strict=True):
        yield Row(f"{name} by {week}", one, _percent(share))


def _rule(rollout: Rollout, given: Assumptions, *, written: bool = False) -> Rule:
    return rules_of(rollout.policy, rollout.evaluation, given)[1 if written else 0]


def _percent(share: float) -> float:
    return 100 * share


def main() -> None:
    """Print every row, and exit with 1 where one is outside without a reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=2_000)
    rollout = read_rollout(PROJECT / "rollout.yaml")
    given = Assumptions(
        outcome_window_days=rollout.outcome_window_days,
        histories=parser.parse_args().histories,
        seed=11,
        covered_share=1.0,
    )
    print("| figure | published | found | off | outside |\n| --- | --- | --- | --- | --- |")
    unexplained = 0
    for row in rows(rollout, given):
        mark = (row.explained or "unexplained") if row.outside else ""
        unexplained += row.outside and not row.explained
        off = row.found - row.published
        print(f"| {row.name} | {row.published:g} % | {row.found:.1f} % | {off:+.1f} | {mark} |", flush=True)
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
