"""What the demo's stories share: two sales teams, calendars of what happens to them, the texts of a morning's events.

Calibrated sample data, not the firm's. Both teams work in worlds as large as the one the shipped models were trained
on, and contact thousands of leads a week, so that one or two weeks of contacts hold enough conversions to judge by.
V4.1.0's true top-decile lift is about 2.4 in both and V4.0.0's about 1.5: the mean of the leads' own probabilities to
convert in the decile, over their mean among all.
"""

import textwrap
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from v4_assets import tables
from v4_assets.evaluation.evidence import Evidence, Question
from v4_assets.operations.local_runs import Outcome
from v4_assets.production.decision import Action, Decision
from v4_assets.sample.story_home import Morning
from v4_assets.sample.world_spec import Regime, WorldSpec

SCALE, SIGNAL = 0.1, 1.2

FALL = date(2025, 12, 13)
"""Of the leads contacted from this day on, recent movers convert less than others instead of more. The outcomes show it
only 44 days later."""
MOVERS_AFTER_THE_FALL = -0.4
"""V4.1.0's true lift falls to about 1.05, V4.0.0's stays above 1.3. At 0 it would fall to 1.2 only, which
nearly twice as many worlds would not show at two week-closes."""
ROLLOUT_WORLD = WorldSpec(
    scale=SCALE,
    leads_per_week=4_000,
    seed=38,
    first_contact=date(2025, 10, 27),
    through=date(2026, 2, 9),
    signal=SIGNAL,
    regimes=(Regime(starts=FALL, mover_lift=MOVERS_AFTER_THE_FALL),),
)
"""Of the seeds 1 to 60, 87 % promote on PROMOTION, none convicts before the fall, 62 % convict on ROLLBACK; the others
do so in a later week. Seed 38 is one whose estimates lie near the truth."""

MARKET_BASE_RATE = 0.016
MARKET_WORLD = WorldSpec(
    scale=SCALE,
    leads_per_week=5_000,
    seed=18,
    first_contact=date(2025, 11, 3),
    through=date(2026, 1, 27),
    signal=SIGNAL,
    regimes=(Regime(starts=date(2025, 11, 3), base_rate=MARKET_BASE_RATE),),
)
"""Everybody converts at two fifths of the usual rate: V4.1.0's top decile truly at 3.9 %, V4.0.0's at 2.5 %. In 83 % of
the seeds 1 to 30 chance does not explain on any of the judged days that the former misses 5 %."""


def days(first: date, count: int) -> tuple[date, ...]:
    """The given number of days from `first` on."""
    return tuple(first + timedelta(days=offset) for offset in range(count))


# The rollout. A cohort of a day ends with the contacts of 44 days before it and reaches back 7 to 10 days; a lead
# enters with a score of one to three days after its contact. So the promotion needs the scores from seven weeks before,
# and the leads contacted after 27 December are in no evaluated cohort: the days until the live week, and those between
# the Sundays after it, need not be run.
ROLLOUT_SCORED = (date(2025, 11, 13), date(2025, 12, 28))
ROLLOUT_JUDGED = date(2026, 1, 4)
"""The Sunday before the live week, judged afterwards: the first of the two week-closes a promotion asks for."""
SIDE_BY_SIDE = days(date(2026, 1, 5), 7)
PROMOTION = date(2026, 1, 12)
WEDNESDAYS = (date(2026, 1, 14), date(2026, 1, 21), date(2026, 1, 28))
"""Scored live between the Sundays, until the early warning is raised: all leads but those contacted on a Wednesday have
a score within three days of their contact then, so that their calls vote."""
HEALTHY_SUNDAYS = (date(2026, 1, 18), date(2026, 1, 25))
FALLEN_SUNDAYS = (date(2026, 2, 1), date(2026, 2, 8))
ROLLBACK = date(2026, 2, 9)

# The falling market. With so few conversions a cohort reaches back about two weeks.
MARKET_SCORED = (date(2025, 11, 21), date(2025, 12, 14))
MARKET_PROMOTION = date(2026, 1, 12)
MARKET_SUNDAYS = (date(2026, 1, 18), date(2026, 1, 25))
MARKET_MONDAY = date(2026, 1, 26)

# The silent column: the market team's next morning.
SILENT_DAY = date(2026, 1, 27)
SILENT_SOURCE, SILENT_COLUMN = tables.CONTACTS, "PRIMARY_FIRM_START_DATE"


WIDTH, INDENT = 116, 16
SHORT, LONG = 230, 460
"""Length to which a reason is cut; Dagster, `v4 status` and `v4 history` show all of it."""
DID: Mapping[Action, str] = {
    Action.HOLD: "Nothing is changed.",
    Action.ASK: "A person is asked.",
    Action.PROMOTE: "PROMOTED.",
    Action.ROLLBACK: "ROLLED BACK.",
    Action.SUNSET: "ARCHIVED.",
}


def chapter(title: str, text: str) -> str:
    """A heading, and what it is about."""
    return f"\n{title}\n{'=' * len(title)}\n{textwrap.fill(text, WIDTH)}\n"


def entry(day: date | str, text: str) -> str:
    """A line of the timeline; a day is named by its weekday, too."""
    label = f"{day:%a %Y-%m-%d}" if isinstance(day, date) else day
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=label.ljust(INDENT),
        subsequent_indent=" " * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def more(text: str) -> str:
    """What else there is to say of the same day."""
    return entry("", text)


def decided(morning: Morning) -> str:
    """What the sensor did and why, in short when it held."""
    decision = morning.decision
    return f"{DID[decision.action]} {in_short(decision.reason, LONG if morning.acted else SHORT)}"


def gates(decision: Decision) -> str:
    """The figures of the decision, each with its threshold."""
    measured = [gate for gate in decision.gates if gate.actual is not None and gate.threshold is not None]
    return "; ".join(f"{gate.name} {gate.actual:.3g} (line {gate.threshold:g})" for gate in measured)


def in_short(text: str, length: int = SHORT) -> str:
    """The beginning of a long text."""
    return textwrap.shorten(text, length, placeholder=" …")


def figures(rows: Iterable[Evidence], question: Question, versions: Iterable[str], window_days: int) -> str:
    """The day's cohort in words: who was judged, and how the versions' first tenths did. "" without evidence."""
    mine = {row.version: row for row in rows if row.question == question}
    compared = [mine[version] for version in versions if version in mine]
    if not compared:
        return ""
    one = compared[0]
    tops = ", ".join(
        f"{row.version}'s {_percent(row.top_decile_conversion)} (lift {row.lift:.2f})"
        for row in compared
        if row.lift is not None and row.top_decile_conversion is not None
    )
    share = f" ({_percent(one.base_rate)})" if one.base_rate is not None else ""
    return (
        f"Of {one.leads:,} leads contacted {one.cohort_from} to {one.cohort_to}, {one.conversions}{share} had a call "
        f"within {window_days} days. Of the tenth that each ranks first: {tops or 'unknown'}."
    )


def troubles(outcome: Outcome) -> list[str]:
    """Checks that did not pass, each once for all assets of which it says the same, and steps that failed without one.

    Gates are left out: the decision shows them.
    """
    failed: dict[tuple[str, str, str], list[str]] = {}
    for one in outcome.checks_failed:
        if one.asset != tables.LIFT_COMPARISON:
            failed.setdefault((one.severity, one.check, one.description), []).append(one.asset)
    lines = [f"{severity} {check} of {', '.join(assets)}: {text}" for (severity, check, text), assets in failed.items()]
    stopped = any(severity == "ERROR" for severity, _, _ in failed)
    return [in_short(text) for text in [*lines, *(() if stopped else outcome.errors)]]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
