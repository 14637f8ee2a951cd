"""The odds beside those of an independent simulation: every figure it published, and which are further off than chance.

python -m benchmarks.published [--histories N]   takes three minutes of a core; exits with 1 for a row without a reason
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.config.rollout import Rollout, read_rollout
from v4_assets.evaluation.early_warning import Stretch
from v4_assets.evaluation.model_strength import BASELINE, FALLEN, HEALTHY, Strength
from v4_assets.project_files import PROJECT
from v4_assets.studies.assumptions import Assumptions
from v4_assets.studies.odds import WarningOdds, odds_of, rules_of, warning_odds
from v4_assets.studies.odds_rules import (
    FALL_DAY,
    WATCHED_WEEKS,
    Rule,
    convictions,
    ranks,
    warned,
    warning_sums,
    watched,
)

TOLERANCE = 4.0
"""Percentage points: two simulations of 2,000 histories differ by up to 3 by chance."""
LOW = 0.61
"""Covered share that leaves a base of 2.39 % of 3.92 %."""
HISTORIES = 2_000
SHAPE = (
    "there ranks are even within the top decile, as a vote assumes them; here they are smooth, and a vote sees less of "
    "the fall. With even ranks it is the same here"
)
WEAKENED = Strength(1.75, 0.60)
TREATED = (
    "there 24 to 27 % for three treatments together, here one for each: a weaker treatment raises the challenger's "
    "measured lift less"
)
LISTED = (
    "there the challenger loses nothing to the list; here its scores are correlated with the live version's, and it "
    "loses most of what they share. With scores that are not correlated it is the same here"
)


@dataclass(frozen=True)
class Row:
    """One figure, in percent or, of an AUC, in hundredths."""

    name: str
    published: float
    found: float
    explained: str = ""
    """Why it may be further off than chance; empty: it may not."""
    tolerance: float = TOLERANCE

    @property
    def outside(self) -> bool:
        """Further off than chance explains."""
        return abs(self.found - self.published) > self.tolerance


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
    fewer = replace(low, leads_per_week=300)
    few = odds_of(fewer, _rule(rollout, fewer, written=True))
    yield Row("300, 2.39 %, 5 % as written: promoted", 15, _percent(few.promotion.true))
    yield from _treated(rollout, given)
    listed = odds_of(replace(given, listed_share=0.2), _rule(rollout, given))
    yield from _named("the live version's list: false", listed.together.false, (44, 65))
    for correlation, why in ((given.correlation, LISTED), (0.0, "")):
        name = f"the live version's list: AUC of an equal challenger (correlation {correlation:g}) minus the live one's"
        ahead = _challenger_ahead(replace(given, listed_share=0.2, correlation=correlation))
        yield Row(f"{name}, in hundredths", 3.1, ahead, why, tolerance=1.0)
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
    wide = replace(given, leads_per_week=1_000)
    raised = _alarmed(rollout, wide, warned(wide, given.histories, given.seed, HEALTHY, FALLEN))
    yield Row("warning, 1,000, 3.92 %: announced by 8", 95, raised[8])
    rule, found = _rule(rollout, given), weak_alarms(rollout, given)
    back = np.min(list(convictions(watched(given, rule, WEAKENED), rule).values()), axis=0)
    for week, weaker, rolled, swinging in ((12, 20, 25, 9.5), (26, 44, 44, 22)):
        yield Row(f"warning, a lift of 1.75: raised by {week}", weaker, found[WEAKER][week])
        yield Row(f"a lift of 1.75: rolled back by {week}", rolled, _percent((back <= 7 * week).mean()))
        yield Row(f"warning, every other week as the baseline: raised by {week}", swinging, found[SWINGING][week])
    yield Row("warning, both versions' AUC falls by 0.07: raised by 16", 50, found[BOTH_FALL][16])


WEAKER = "a lift of 1.75 and an AUC of 0.60 from the promotion on"
SWINGING = "in every other week it ranks like V4.0.0"
BOTH_FALL = "both versions fall, each by 0.07 of AUC"


def weak_alarms(rollout: Rollout, given: Assumptions) -> dict[str, dict[int, float]]:
    """What the early warning is weak against, to the percentage of histories in which it is raised by each week."""
    healthy, other = (ranks(given, one, "candidate") for one in (HEALTHY, BASELINE))
    fallen = ranks(replace(given, baseline=Strength(0.9, 0.53)), FALLEN, "candidate")
    days = 7 * WATCHED_WEEKS
    stretches = {
        WEAKER: [Stretch(ranks(given, WEAKENED, "candidate"), days)],
        SWINGING: [Stretch(one, 7) for one in (healthy, other) * (WATCHED_WEEKS // 2)],
        BOTH_FALL: [Stretch(healthy, FALL_DAY), Stretch(fallen, days - FALL_DAY)],
    }
    return {
        name: _alarmed(rollout, given, warning_sums(given, given.histories, given.seed, found))
        for name, found in stretches.items()
    }


def _alarmed(rollout: Rollout, given: Assumptions, sums: NDArray[Any]) -> dict[int, float]:
    """Week from the promotion to the percentage of histories that have alarmed by its close."""
    above = sums > warning_odds(given, rollout.policy).threshold
    return {week: _percent(above[:, :week].any(axis=1).mean()) for week in range(1, above.shape[1] + 1)}


def _challenger_ahead(given: Assumptions) -> float:
    """AUC of a challenger as good as the live version minus the live version's, on what becomes a lead, in hundredths.

    Half of the base rate in either AUC is the same and drops out.
    """
    found = ranks(replace(given, baseline=HEALTHY), HEALTHY, "candidate")
    live, challenger = (
        found.cells.sum(axis=axis) @ middles for axis, middles in zip((1, 0), found.middles, strict=True)
    )
    return _percent((challenger - live) / (1 - given.covered_base))


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


def assumed(rollout: Rollout, histories: int = HISTORIES) -> Assumptions:
    """What every row is simulated from."""
    window = rollout.outcome_window_days
    return Assumptions(outcome_window_days=window, histories=histories, seed=11, covered_share=1.0)


def main() -> None:
    """Print every row, and exit with 1 where one is outside without a reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=HISTORIES)
    rollout = read_rollout(PROJECT / "rollout.yaml")
    given = assumed(rollout, parser.parse_args().histories)
    print("| figure | published | found | off | outside |\n| --- | --- | --- | --- | --- |")
    unexplained = 0
    for row in rows(rollout, given):
        mark = (row.explained or "unexplained") if row.outside else ""
        unexplained += row.outside and not row.explained
        off = row.found - row.published
        print(f"| {row.name} | {row.published:g} | {row.found:.1f} | {off:+.1f} | {mark} |", flush=True)
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
