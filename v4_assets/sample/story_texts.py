"""Texts of the demo: the events of a morning, for a head of sales. Pure."""

import textwrap
from collections.abc import Iterable, Mapping
from datetime import date

from v4_assets import tables
from v4_assets.evaluation.evidence import Evidence, Question
from v4_assets.operations.local_runs import Outcome
from v4_assets.production.decision import Action, Decision
from v4_assets.sample.story_home import Morning

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
