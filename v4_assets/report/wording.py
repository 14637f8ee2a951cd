"""How the written report says things: dates, free text, tables, the names of criteria, the last sync. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from v4_assets.production import decision
from v4_assets.production.decision import Gate
from v4_assets.production.recorded_syncs import Sync

_MARKUP = re.compile(r"[\\<>\[\]*&~]|(?<![^\W_])_|_(?![^\W_])")
LABELS = {
    decision.TOP_DECILE_LIFT: ("top-decile lift", "{:.2f}"),
    decision.AUC: ("AUC", "{:.3f}"),
    decision.TOP_DECILE_CONVERSION: ("conversion of the top decile", "{:.1%}"),
    decision.PROMOTION_LIFT: ("top-decile lift for a promotion", "{:.2f}"),
    decision.NOT_BEHIND_BASELINE: ("lift minus the champion's", "{:+.2f}"),
    decision.PROMOTION_AUC: ("AUC for a promotion", "{:.3f}"),
    decision.PROMOTION_CONVERSION: ("conversion of the top decile for a promotion", "{:.1%}"),
    decision.MODEL_TEST_METRICS: ("the model's own tests", "{:g}"),
    decision.LIVE_PARALLEL_DAYS: ("days side by side", "{:.0f}"),
}
"""Gate to what people call it, and how its figures are written."""


def day(one: date, *, weekday: bool = False, year: bool = True) -> str:
    """9 February 2026, or Monday 9 February 2026."""
    return f"{one:%A} " * weekday + f"{one.day} {one:%B}" + f" {one.year}" * year


def moment(there: datetime) -> str:
    """9 February 2026, 08:00 in New York, the instant in New York time."""
    return f"{day(there.date())}, {there:%H:%M} in New York"


def count(number: int, one: str) -> str:
    """1 lead, 2 leads."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def line(gate: Gate) -> str:
    """The gate's threshold as people write it."""
    return "–" if gate.threshold is None else _short(gate.name, gate.threshold)


def figure(gate: Gate) -> str:
    """What the gate found, as people write it."""
    return "–" if gate.actual is None else LABELS[gate.name][1].format(gate.actual)


def label(gate: Gate) -> str:
    """What people call the gate."""
    return LABELS[gate.name][0]


def _short(name: str, value: float) -> str:
    return f"{100 * value:.3g}%" if "%" in LABELS[name][1] else f"{value:g}"


def free(text: str) -> str:
    """User text as one line of Markdown that shows exactly that text. Code in backticks stays code."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return _MARKUP.sub(r"\\\g<0>", "'".join(parts))
    return "`".join(part if number % 2 else _MARKUP.sub(r"\\\g<0>", part) for number, part in enumerate(parts))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""

    def written(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([written(head), written(["---"] * len(head)), *(written(row) for row in rows)])


DRY_RUN = "dry-run"
"""How the name of a target begins that sends nothing."""
COUNTS = ("sent", "confirmed", "pending", "failed", "quarantined")


def in_a_line(sync: Sync | None) -> str:
    """The last sync in a sentence."""
    if sync is None or sync.at is None:
        return "No sync is on record."
    if sync.target.startswith(DRY_RUN):
        return f"Dry run: nothing is sent. Last compared at {moment(sync.at)}."
    if sync.owed:
        return f"{sync.version or 'The live version'} is owed since {moment(sync.at)}: {sync.owed.rstrip('.')}."
    carries = f"has {sync.version}'s scores of {moment(sync.at)}"
    if sync.sent_at is None:
        return f"It {carries}; nothing had to be sent."
    refused = sync.failed + sync.quarantined
    bad = f", {refused:,} refused" if refused else ", none refused"
    waiting = f", {sync.pending:,} pending" if sync.pending else ""
    return f"It {carries}; {count(sync.sent, 'lead')} sent last{bad}{waiting}."


def as_section(sync: Sync | None, checks: Mapping[str, str]) -> str:
    """When, what, how many, and the checks of the run's own sync, by name."""
    parts = ["## Salesforce"]
    if sync and sync.at:
        rows = [["last compared", moment(sync.at)], ["target", sync.target], ["version", sync.version]]
        if sync.sent_at:
            rows.append(["rows last sent", moment(sync.sent_at)])
            rows += [[name, f"{getattr(sync, name):,}"] for name in COUNTS]
        rows += [["held back", f"{sync.kept_back:,}"], ["not in the org", f"{sync.absent:,}"]]
        rows += [["repaired", f"{sync.repaired:,}"], ["delivered", free(f"no: {sync.owed}") if sync.owed else "yes"]]
        parts.append(table(["last sync", "on record"], rows))
    else:
        parts.append("No sync is on record.")
    if checks:
        parts.append(table(["check", "said"], [[name, free(said)] for name, said in checks.items()]))
    return "\n\n".join(parts)
