"""The charts of the report, as PNG and as SVG that takes its colours from the page. The only module that draws."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from html import escape
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from v4_assets.configuration.rollout_policy import Policy
from v4_assets.evaluation.evidence import Evidence
from v4_assets.record.deployments import SWITCHES, Event

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#3b6fb6", "#c2571f", "#3d8750", "#8a5fae")
"""Of the versions in the order of their names; told apart by people who see few colours, too."""
MARKERS = ("o", "s", "^", "D")
INK, QUIET, GRID = "#333333", "#595959", "#d9d9d9"
ROLES = {
    **{colour: f"version-{number}" for number, colour in enumerate(COLOURS)},
    INK: "ink",
    QUIET: "quiet",
    GRID: "grid",
}
"""Colour to the custom property by which a page may say otherwise: `--version-0`."""


@dataclass(frozen=True)
class Chart:
    """One chart, drawn."""

    png: bytes
    """For Markdown: on white."""
    svg: str
    """For the page: on nothing, its colours `var(--…)`, its text text."""
    alt: str
    """What it shows, with its numbers."""


def lift_by_decile(deciles: Sequence[Mapping[str, Any]], caption: str) -> Chart:
    """Conversion by decile with intervals. `deciles`: rows of v4_lift_by_decile of one day, question and ranking."""
    figure, axes = _figure()
    versions = sorted({row["version"] for row in deciles})
    said = []
    for number, version in enumerate(versions):
        rows = sorted((row for row in deciles if row["version"] == version), key=lambda row: row["decile"])
        rows = [row for row in rows if row["conversion_rate"] is not None]
        x = [row["decile"] + (number - (len(versions) - 1) / 2) * 0.36 for row in rows]
        y = [100 * row["conversion_rate"] for row in rows]
        spans = [
            [100 * max(0.0, row["conversion_rate"] - row["conversion_rate_low"]) for row in rows],
            [100 * max(0.0, row["conversion_rate_high"] - row["conversion_rate"]) for row in rows],
        ]
        axes.bar(x, y, width=0.34, color=COLOURS[number % len(COLOURS)], label=version)
        axes.errorbar(x, y, yerr=spans, fmt="none", color=INK, ecolor=INK, elinewidth=0.8, capsize=2)
        said.append(f"{version} from decile 1 to 10: {', '.join(f'{rate:.1f}' for rate in y)} %")
    axes.set_xticks(range(1, 11))
    axes.set_xlabel("decile, 10 = top")
    axes.set_ylabel("converts, %")
    if axes.has_data():
        _legend(axes)
    return _drawn(figure, f"{caption}. {'; '.join(said) or 'No decile has a rate'}.")


def lift_over_time(evidence: Sequence[Evidence], events: Sequence[Event], policy: Policy) -> Chart:
    """Top-decile lift of every version by day, the thresholds, and what happened when."""
    figure, axes = _figure()
    rows = [row for row in evidence if row.question == "rollback" and row.lift is not None]
    said = []
    for number, version in enumerate(sorted({row.version for row in rows})):
        own = sorted((row for row in rows if row.version == version), key=lambda row: row.prediction_date)
        days, lifts = [row.prediction_date for row in own], [row.lift or 0.0 for row in own]
        look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        axes.plot(days, lifts, markersize=3.5, linewidth=1.6, label=version, **look)  # type: ignore[arg-type] # matplotlib takes dates
        spanned = [row for row in own if row.lift_low is not None and row.lift_high is not None]
        axes.fill_between(
            [row.prediction_date for row in spanned],  # type: ignore[arg-type] # matplotlib takes dates
            [row.lift_low or 0.0 for row in spanned],
            [row.lift_high or 0.0 for row in spanned],
            color=look["color"],
            alpha=0.14,
            linewidth=0,
        )
        said.append(f"{version}: {lifts[0]:.2f} on {days[0]}, {lifts[-1]:.2f} on {days[-1]}")
    promote, roll_back = policy.promotion.lift_at_least, policy.rollback.lift_below
    _line(axes, promote, "promote at")
    _line(axes, roll_back, "roll back\nbelow")
    said += _mark(axes, events, min((row.prediction_date for row in rows), default=None))
    axes.set_ylabel("top-decile lift")
    if rows:
        _legend(axes)
    _short_dates(axes)
    lines = f"Promotion asks for {promote:g}, below {roll_back:g} it is rolled back"
    return _drawn(figure, f"Top-decile lift by day. {'; '.join(said) or 'Nothing was measured'}. {lines}.")


def _mark(axes: "Axes", events: Sequence[Event], since: date | None) -> list[str]:
    """A line for every switch since then. Returns them in words."""
    shown = [event for event in events if event.event in SWITCHES and since and event.day >= since]
    for event in shown:
        what = event.event.replace("_started", "")
        axes.axvline(event.day, color=QUIET, linewidth=1, linestyle=":")  # type: ignore[arg-type] # matplotlib takes dates
        place = {"xycoords": ("data", "axes fraction"), "rotation": 90, "va": "top", "ha": "right"}
        axes.annotate(f" {what} ", (event.day, 1), fontsize=8, color=QUIET, **place)  # type: ignore[arg-type] # the same
    return [f"{event.event.replace('_started', '')} of {event.version} on {event.day}" for event in shown]


def _line(axes: "Axes", height: float, label: str) -> None:
    axes.axhline(height, color=QUIET, linewidth=1, linestyle="--")
    look = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 8, "color": QUIET}
    axes.annotate(f"{label} {height:g}", (1.01, height), **look)  # type: ignore[arg-type] # mixed keywords


def _legend(axes: "Axes") -> None:
    """Above the axes, where it hides nothing; at the left, which a phone shows first."""
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=9, labelcolor=INK)


def _short_dates(axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter  # noqa: PLC0415 # paid by those who draw

    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call] # matplotlib leaves it untyped
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DateFormatter("%d %b"))  # type: ignore[no-untyped-call] # the same


def _figure() -> "tuple[Figure, Axes]":
    # Half a second that only those pay who draw. No backend of pyplot is chosen, so nothing global changes.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 # paid by those who draw
    from matplotlib.figure import Figure  # noqa: PLC0415 # paid by those who draw

    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=9, left=False)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _drawn(figure: "Figure", alt: str) -> Chart:
    import matplotlib as mpl  # noqa: PLC0415 # paid by those who draw

    pixels, text = BytesIO(), StringIO()
    figure.savefig(pixels, format="png", dpi=110)
    # Text stays text, and ids are the same for the same chart.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Chart(pixels.getvalue(), for_page(text.getvalue(), alt), alt)


def for_page(svg: str, alt: str) -> str:
    """The drawing as an element of an HTML page: nothing of the file around it, ids of its own, the page's colours."""
    own = f"c{sha256(alt.encode()).hexdigest()[:8]}-"
    body = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL
    )
    body = re.sub(r' id="', f' id="{own}', body)
    body = re.sub(r"(url\(#|xlink:href=\"#)", lambda found: found[1].replace("xlink:", "") + own, body)
    for colour, role in ROLES.items():
        body = body.replace(colour, f"var(--{role}, {colour})")
    size = re.search(r'viewBox="([^"]+)"', body)
    assert size is not None
    opening = f'<svg class="chart" role="img" viewBox="{size[1]}" aria-label="{escape(alt)}">'
    return opening + re.sub(r"^<svg[^>]*>", "", body)
