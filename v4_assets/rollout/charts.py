"""The charts of the report, as PNG. The only module of the report that draws."""

from collections.abc import Sequence
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING, Any

from v4_assets.deployments import SWITCHES, Event
from v4_assets.evaluation.evidence import Evidence
from v4_assets.rollout_policy import Policy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#3b6fb6", "#d1662b", "#4c9a5f", "#8a5fae")
"""Of the versions in the order of their names; told apart by people who see few colours, too."""


def lift_by_decile(deciles: Sequence[dict[str, Any]], caption: str) -> bytes:
    """Conversion by decile with intervals. `deciles`: rows of v4_lift_by_decile of one day, question and ranking."""
    figure, axes = _figure()
    versions = sorted({row["version"] for row in deciles})
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
        axes.errorbar(x, y, yerr=spans, fmt="none", ecolor="#444444", elinewidth=0.8, capsize=2)
    axes.set_xticks(range(1, 11))
    axes.set_xlabel("decile, 10 = top")
    axes.set_ylabel("converts, %")
    axes.set_title(caption, fontsize=10)
    if axes.has_data():
        axes.legend(frameon=False)
    return _png(figure)


def lift_over_time(evidence: Sequence[Evidence], events: Sequence[Event], policy: Policy) -> bytes:
    """Top-decile lift of every version by day, the thresholds, and what happened when."""
    figure, axes = _figure()
    rows = [row for row in evidence if row.question == "rollback" and row.lift is not None]
    for number, version in enumerate(sorted({row.version for row in rows})):
        own = sorted((row for row in rows if row.version == version), key=lambda row: row.prediction_date)
        days: list[date] = [row.prediction_date for row in own]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(days, [row.lift for row in own], color=colour, marker="o", markersize=3, label=version)  # type: ignore[arg-type] # matplotlib takes dates
        axes.fill_between(
            days,  # type: ignore[arg-type] # matplotlib takes dates
            [row.lift_low or 0.0 for row in own],
            [row.lift_high or 0.0 for row in own],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    _line(axes, policy.promotion.lift_at_least, "promote at")
    _line(axes, policy.rollback.lift_below, "roll back below")
    shown = [event for event in events if event.event in SWITCHES and rows]
    for event in shown:
        if event.day >= min(row.prediction_date for row in rows):
            axes.axvline(event.day, color="#888888", linewidth=1, linestyle=":")  # type: ignore[arg-type] # matplotlib takes dates
            axes.annotate(
                event.event.replace("_started", ""), (event.day, axes.get_ylim()[1]), fontsize=8, rotation=90, va="top"
            )
    axes.set_ylabel("top-decile lift")
    if rows:
        axes.legend(frameon=False)
    figure.autofmt_xdate()
    return _png(figure)


def _line(axes: "Axes", height: float, label: str) -> None:
    axes.axhline(height, color="#666666", linewidth=1, linestyle="--")
    axes.annotate(f"{label} {height:g}", (0.01, height), xycoords=("axes fraction", "data"), fontsize=8, va="bottom")


def _figure() -> "tuple[Figure, Axes]":
    # Half a second that only those pay who draw. No backend of pyplot is chosen, so nothing global changes.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 # paid by those who draw
    from matplotlib.figure import Figure  # noqa: PLC0415 # paid by those who draw

    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: "Figure") -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
