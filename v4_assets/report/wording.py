"""How the written report says things: dates, free text, tables, the names of criteria. Pure."""

import re
from collections.abc import Sequence
from datetime import date, datetime

from v4_assets.production import decision
from v4_assets.production.decision import Gate

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
