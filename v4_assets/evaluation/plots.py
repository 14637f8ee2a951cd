"""What a day's comparison looks like: lift by decile, lift over the weeks, scores of the day; Markdown images. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from v4_assets.evaluation.evidence import Evidence
from v4_assets.evaluation.svg import COLOURS, Chart, as_image

Numbers = np.ndarray[Any, np.dtype[Any]]

BINS = 50
"""Of scores, over [0, 1]."""
GROUP_WIDTH = 0.8
DATES_SHOWN = 7


def lift_by_decile(rows: Sequence[Mapping[str, Any]], level: float) -> str | None:
    """Lift of every decile with its interval; None without conversions.

    `rows` are those of v4_lift_by_decile of one day, question and ranking. The interval is that of the decile's
    conversion over the cohort's base rate, whose own uncertainty is left out: all deciles share it.
    """
    bases = _base_rates(rows)
    told = [row for row in rows if bases[row["version"]] and row["conversion_rate"] is not None]
    if not told:
        return None
    lifts = {
        (row["version"], row["decile"]): tuple(
            row[f"conversion_rate{end}"] / bases[row["version"]] for end in ("", "_low", "_high")
        )
        for row in told
    }
    versions = sorted({version for version, _ in lifts})
    highest = max(high for _, _, high in lifts.values())
    chart = Chart("Lift by decile", (0.4, 10.6), (0.0, highest * 1.05))
    width = GROUP_WIDTH / len(versions)
    for (version, decile), (lift, low, high) in lifts.items():
        number = versions.index(version)
        x = 11 - decile + (number - (len(versions) - 1) / 2) * width
        chart.bar(x, width * 0.94, lift, COLOURS[number % len(COLOURS)])
        chart.span(x, low, high)
    chart.rule(1.0, "")
    places = [(11.0 - decile, str(decile)) for decile in range(1, 11)]
    tops = ", ".join(f"{version} {lifts[version, 10][0]:.2f}" for version in versions if (version, 10) in lifts)
    label = f"decile, 10 = called first; {level:.0%} intervals; 1 = average"
    return as_image(chart.svg(places, label, "lift", versions), f"Lift by decile. Top decile: {tops}")


def lift_over_weeks(
    evidence: Sequence[Evidence], lines: Mapping[str, float], happened: Sequence[tuple[date, str]]
) -> str | None:
    """Top-decile lift of every version by day with its interval; None when nothing was measured.

    `lines` are the thresholds by what they mean, `happened` what was done to production and when.
    """
    rows = [row for row in evidence if row.question == "rollback" and row.lift is not None]
    if not rows:
        return None
    first, last = min(row.prediction_date for row in rows), max(row.prediction_date for row in rows)
    # A single day would have no width.
    shown = (first - timedelta(days=1), last + timedelta(days=1))
    top = max(*(row.lift_high or row.lift or 0.0 for row in rows), *lines.values())
    chart = Chart("Top-decile lift over the weeks", (_number(shown[0]), _number(shown[1])), (0.0, top * 1.05))
    versions = sorted({row.version for row in rows})
    for number, version in enumerate(versions):
        own = sorted((row for row in rows if row.version == version), key=lambda row: row.prediction_date)
        _version(chart, own, COLOURS[number % len(COLOURS)])
    for label, line in lines.items():
        chart.rule(line, f"{label} {line:g}")
    for day, label in happened:
        if first <= day <= last:
            chart.mark(_number(day), label)
    latest = ", ".join(f"{row.version} {row.lift:.2f}" for row in rows if row.prediction_date == last)
    picture = chart.svg(_dates(first, last), "day of evaluation", "lift", versions)
    return as_image(picture, f"Lift from {first} to {last}. On {last}: {latest}")


def scores_of_day(scores: Mapping[str, Numbers], day: date) -> str | None:
    """How each version's scores of the day are distributed; None when there are none. `scores`: float, shape (n,)."""
    known = {version: values[~np.isnan(values)] for version, values in sorted(scores.items())}
    shares = {
        version: 100 * np.histogram(values, bins=BINS, range=(0.0, 1.0))[0] / len(values)
        for version, values in known.items()
        if len(values)
    }
    if not shares:
        return None
    highest = max(float(heights.max()) for heights in shares.values())
    chart = Chart(f"Scores of {day}", (0.0, 1.0), (0.0, highest * 1.05))
    for number, heights in enumerate(shares.values()):
        for place, height in enumerate(heights):
            if height:
                chart.bar((place + 0.5) / BINS, 1 / BINS, float(height), COLOURS[number % len(COLOURS)], opacity=0.55)
    places = [(tenth / 10, f"{tenth / 10:g}") for tenth in range(11)]
    medians = ", ".join(f"{version} {np.median(known[version]):.2f}" for version in shares)
    return as_image(chart.svg(places, "score", "% of leads", shares), f"Scores of {day}. Medians: {medians}")


def _version(chart: Chart, rows: Sequence[Evidence], colour: str) -> None:
    held = [row for row in rows if row.lift_low is not None and row.lift_high is not None]
    days = [_number(row.prediction_date) for row in held]
    low = list(zip(days, (row.lift_low or 0.0 for row in held), strict=True))
    high = list(zip(days, (row.lift_high or 0.0 for row in held), strict=True))
    chart.band(low, high, colour)
    chart.line([(_number(row.prediction_date), row.lift or 0.0) for row in rows], colour)


def _base_rates(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Version to the conversion rate of its whole cohort, 0 without leads."""
    rates = {}
    for version in {row["version"] for row in rows}:
        own = [row for row in rows if row["version"] == version]
        leads = sum(row["leads"] for row in own)
        rates[version] = sum(row["conversions"] for row in own) / leads if leads else 0.0
    return rates


def _number(day: date) -> float:
    return float(day.toordinal())


def _dates(first: date, last: date) -> list[tuple[float, str]]:
    """A few days to be written below the axis, evenly apart."""
    step = max(1, -(-((last - first).days) // (DATES_SHOWN - 1)))
    days = [first + timedelta(days=offset) for offset in range(0, (last - first).days + 1, step)]
    return [(_number(day), f"{day:%-d %b}") for day in days]
