"""The charts of a comparison: for Dagster's pages and the reports as PNG, for the rollout page as SVG in its colours.

Dagster keeps what an asset shows for every day, so a PNG is reduced to the few colours that it has.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from v4_assets.config.rollout_policy import Policy
from v4_assets.evaluation.call_votes import Warning
from v4_assets.evaluation.evidence import Evidence
from v4_assets.production.events import SWITCHES, Event
from v4_assets.report.chart_colours import COLOURS, GRID, INK, QUIET, for_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D")
COLOURS_KEPT = 64
MARGINS = {"left": 0.095, "right": 0.985, "bottom": 0.145, "top": 0.89}
"""Of the axes, as shares of the figure: room for labels and a legend. To have matplotlib measure the texts
instead takes as long as drawing."""
DASHES = {"promote at": "--", "roll back below": "-.", "alert above": "--"}
"""Line style of a threshold, by the words that name it in the legend."""
DATED = 0.96
"""Right margin where dates are below the axes: the last may be centred on their end."""
BINS = 50
"""Of scores, over [0, 1]."""


@dataclass(frozen=True)
class Chart:
    """One chart, drawn."""

    alt: str
    """What it shows, with its numbers."""
    figure: "Figure" = field(compare=False)

    @cached_property
    def png(self) -> bytes:
        """For Markdown: on white, about 10 kB."""
        from PIL import Image  # noqa: PLC0415 # paid by those who draw

        canvas, small = self.figure.canvas, BytesIO()
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[attr-defined] # of the Agg canvas of _figure
        drawn = Image.fromarray(pixels).convert("RGB")
        # Half the time that Pillow's own choice takes; large areas keep their exact colour.
        drawn.quantize(COLOURS_KEPT, Image.Quantize.MAXCOVERAGE).save(small, format="png", optimize=True)
        return small.getvalue()

    @property
    def svg(self) -> str:
        """For the page: on nothing, its colours `var(--…)`, its text text."""
        import matplotlib as mpl  # noqa: PLC0415 # paid by those who draw

        text = StringIO()
        # Text stays text, and ids are the same for the same chart.
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.alt}):
            self.figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return for_page(text.getvalue(), self.alt)

    @property
    def markdown(self) -> str:
        """The PNG as an image that Markdown carries along."""
        alt = self.alt.replace("[", "(").replace("]", ")").replace("\n", " ")
        return f"![{alt}](data:image/png;base64,{b64encode(self.png).decode()})"


def conversion_by_decile(deciles: Sequence[Mapping[str, Any]], caption: str) -> Chart:
    """Conversion by decile with intervals. `deciles`: rows of v4_lift_by_decile of one day, question and ranking."""
    figure, axes = _figure()
    rates = _by_decile(axes, deciles, {row["version"]: 100.0 for row in deciles})
    axes.set_ylabel("converts, %")
    texts = [
        f"{version} from decile 1 to 10: {', '.join(f'{rate:.1f}' for rate in y)} %" for version, y in rates.items()
    ]
    return Chart(f"{caption}. {'; '.join(texts) or 'No decile has a rate'}.", figure)


def lift_by_decile(deciles: Sequence[Mapping[str, Any]], level: float) -> Chart | None:
    """Lift of every decile with its interval; None without conversions. `deciles` as above.

    The interval is that of the decile's conversion over the cohort's base rate, whose own uncertainty is left out: all
    deciles share it.
    """
    bases = {version: rate for version, rate in _base_rates(deciles).items() if rate}
    if not bases:
        return None
    figure, axes = _figure()
    lifts_of = _by_decile(axes, deciles, {version: 1 / rate for version, rate in bases.items()})
    axes.axhline(1.0, color=QUIET, linewidth=1, linestyle="--")
    axes.set_xlabel(f"decile, 10 = called first; {level:.0%} intervals; 1 = average")
    axes.set_ylabel("lift")
    tops = ", ".join(f"{version} {lifts[-1]:.2f}" for version, lifts in lifts_of.items())
    return Chart(f"Lift by decile. Top decile: {tops}.", figure)


def scores_of_day(scores: Mapping[str, NDArray[Any]], day: date) -> Chart | None:
    """How the scores of a day are distributed, by version: shape (n,), in [0, 1]. None when there are none."""
    known = {version: values[~np.isnan(values)] for version, values in sorted(scores.items())}
    known = {version: values for version, values in known.items() if len(values)}
    if not known:
        return None
    figure, axes = _figure()
    for number, (version, values) in enumerate(known.items()):
        share = np.full(len(values), 100 / len(values))
        style = {"color": COLOURS[number % len(COLOURS)], "alpha": 0.55, "label": version}
        axes.hist(values, bins=BINS, range=(0.0, 1.0), weights=share, **style)  # type: ignore[arg-type] # mixed keywords
    axes.set_xlabel(f"score of {day}")
    axes.set_ylabel("% of leads")
    _legend(axes)
    medians = ", ".join(f"{version} {np.median(values):.2f}" for version, values in known.items())
    return Chart(f"Scores of {day}. Medians: {medians}.", figure)


def _by_decile(
    axes: "Axes", deciles: Sequence[Mapping[str, Any]], scale: Mapping[str, float]
) -> dict[str, list[float]]:
    """Bars of the conversion rates times the version's scale, with intervals. Returns the heights by version."""
    heights: dict[str, list[float]] = {}
    for number, version in enumerate(sorted(scale)):
        rows = sorted((row for row in deciles if row["version"] == version), key=lambda row: row["decile"])
        rows = [row for row in rows if row["conversion_rate"] is not None]
        x = [row["decile"] + (number - (len(scale) - 1) / 2) * 0.36 for row in rows]
        y = [scale[version] * row["conversion_rate"] for row in rows]
        spans = [
            [scale[version] * max(0.0, row["conversion_rate"] - row["conversion_rate_low"]) for row in rows],
            [scale[version] * max(0.0, row["conversion_rate_high"] - row["conversion_rate"]) for row in rows],
        ]
        axes.bar(x, y, width=0.34, color=COLOURS[number % len(COLOURS)], label=version)
        axes.errorbar(x, y, yerr=spans, fmt="none", color=INK, ecolor=INK, elinewidth=0.8, capsize=2)
        heights[version] = y
    axes.set_xticks(range(1, 11))
    axes.set_xlabel("decile, 10 = top")
    if axes.has_data():
        _legend(axes)
    return heights


def _base_rates(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Version to the conversion rate of its whole cohort, 0 without leads."""
    rates = {}
    for version in sorted({row["version"] for row in rows}):
        own = [row for row in rows if row["version"] == version]
        leads = sum(row["leads"] for row in own)
        rates[version] = sum(row["conversions"] for row in own) / leads if leads else 0.0
    return rates


def lift_over_time(evidence: Sequence[Evidence], events: Sequence[Event], policy: Policy) -> Chart:
    """Top-decile lift of every version by day, the thresholds, and what happened when."""
    figure, axes = _figure()
    rows = [row for row in evidence if row.question == "rollback" and row.lift is not None]
    texts = []
    for number, version in enumerate(sorted({row.version for row in rows})):
        own = sorted((row for row in rows if row.version == version), key=lambda row: row.prediction_date)
        days, lifts = [row.prediction_date for row in own], [row.lift or 0.0 for row in own]
        style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        axes.plot(days, lifts, markersize=3.5, linewidth=1.6, label=version, **style)  # type: ignore[arg-type] # matplotlib takes dates
        spanned = [row for row in own if row.lift_low is not None and row.lift_high is not None]
        axes.fill_between(
            [row.prediction_date for row in spanned],  # type: ignore[arg-type] # matplotlib takes dates
            [row.lift_low or 0.0 for row in spanned],
            [row.lift_high or 0.0 for row in spanned],
            color=style["color"],
            alpha=0.14,
            linewidth=0,
        )
        texts.append(f"{version}: {lifts[0]:.2f} on {days[0]}, {lifts[-1]:.2f} on {days[-1]}")
    promote, roll_back = policy.promotion.lift_at_least, policy.rollback.lift_below
    _line(axes, promote, "promote at")
    _line(axes, roll_back, "roll back below")
    texts += _mark(axes, events, min((row.prediction_date for row in rows), default=None))
    axes.set_ylabel("top-decile lift")
    _legend(axes)
    _short_dates(axes)
    lines = f"Promotion asks for {promote:g}, below {roll_back:g} it is rolled back"
    return Chart(f"Top-decile lift by day. {'; '.join(texts) or 'Nothing was measured'}. {lines}.", figure)


def warning_over_weeks(warning: Warning) -> Chart | None:
    """The early warning's sum at each week-close, with its threshold. None before the first close."""
    if not warning.closes:
        return None
    figure, axes = _figure()
    days, totals = [close.day for close in warning.closes], [close.total for close in warning.closes]
    axes.plot(days, totals, color=COLOURS[1], marker="o", markersize=3.5, linewidth=1.6, label="sum")  # type: ignore[arg-type] # matplotlib takes dates
    _line(axes, round(warning.threshold, 2), "alert above")
    axes.set_ylabel("early warning")
    _legend(axes)
    _short_dates(axes)
    votes = sum(close.votes for close in warning.closes)
    found = f"{totals[-1]:.2f} on {days[-1]}, threshold {warning.threshold:.2f}; {votes} booked calls voted"
    return Chart(f"Early warning on booked calls by week: {found}.", figure)


def _mark(axes: "Axes", events: Sequence[Event], since: date | None) -> list[str]:
    """A line for every switch since then. Returns them in words."""
    shown = [event for event in events if event.event in SWITCHES and since and event.day >= since]
    for event in shown:
        what = event.event.replace("_started", "")
        axes.axvline(event.day, color=QUIET, linewidth=1, linestyle=":")  # type: ignore[arg-type] # matplotlib takes dates
        place = {"xycoords": ("data", "axes fraction"), "rotation": 90, "va": "top", "ha": "right"}
        axes.annotate(f" {what} ", (event.day, 1), fontsize=8, color=QUIET, **place)  # type: ignore[arg-type] # the same
    return [f"{event.event.replace('_started', '')} of {event.version} on {event.day}" for event in shown]


def _line(axes: "Axes", height: float, words: str) -> None:
    """A threshold. The legend names it: on a phone, what stands at the right of a chart is seen only by scrolling."""
    axes.axhline(height, color=QUIET, linewidth=1, linestyle=DASHES[words], label=f"{words} {height:g}")


def _legend(axes: "Axes") -> None:
    """Above the axes, where it hides nothing; at the left, which a phone shows first. There is room for six names."""
    spacing = {"ncols": 6, "columnspacing": 1.0, "handlelength": 1.5, "handletextpad": 0.5}
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9, labelcolor=INK, **spacing)


def _short_dates(axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter  # noqa: PLC0415 # paid by those who draw

    axes.get_figure(root=True).subplots_adjust(right=DATED)  # type: ignore[union-attr] # it has one
    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call] # matplotlib leaves it untyped
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DateFormatter("%d %b"))  # type: ignore[no-untyped-call] # the same


def _figure() -> "tuple[Figure, Axes]":
    # Half a second that only those pay who draw. No backend of pyplot is chosen, so nothing global changes.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 # paid by those who draw
    from matplotlib.figure import Figure  # noqa: PLC0415 # paid by those who draw

    figure = Figure(figsize=(7.2, 3.4), dpi=110)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(**MARGINS)
    axes = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=9, left=False)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes
