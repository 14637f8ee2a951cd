"""A small chart drawn as SVG text: a few kilobytes, sharp at any size, without a drawing library. Pure.

Dagster keeps what an asset shows for every day, so a chart there must be small and must cost nothing to draw.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 40, 40
COLOURS = ("#3b6fb6", "#d1662b", "#4c9a5f", "#8a5fae")
"""Of the versions in the order of their names; told apart by people who see few colours, too."""
INK, FAINT = "#333333", "#dddddd"
STEPS = (1, 2, 2.5, 5, 10)

Point = tuple[float, float]


@dataclass
class Chart:
    """One pair of axes. Figures are in the data's units; `x` and `y` are the ranges shown."""

    title: str
    x: tuple[float, float]
    y: tuple[float, float]
    parts: list[str] = field(default_factory=list)

    def line(self, points: Sequence[Point], colour: str) -> None:
        """A line through the points, with a dot at each."""
        self._add(f'<polyline points="{self._path(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in points:
            self._add(f'<circle cx="{self._x(x)}" cy="{self._y(y)}" r="2.5" fill="{colour}"/>')

    def band(self, low: Sequence[Point], high: Sequence[Point], colour: str) -> None:
        """What lies between two lines over the same x."""
        self._add(f'<polygon points="{self._path([*low, *reversed(high)])}" fill="{colour}" fill-opacity="0.15"/>')

    def bar(self, x: float, width: float, height: float, colour: str, opacity: float = 1.0) -> None:
        """From 0 up to `height`, centred on `x`."""
        left, top, bottom = self._x(x - width / 2), self._y(height), self._y(0.0)
        size = f'width="{_short(self._x(x + width / 2) - left)}" height="{_short(max(bottom - top, 0.0))}"'
        self._add(f'<rect x="{left}" y="{top}" {size} fill="{colour}" fill-opacity="{opacity:g}"/>')

    def span(self, x: float, low: float, high: float) -> None:
        """An interval, upright."""
        self._stroke(self._x(x), self._y(low), self._x(x), self._y(high), INK, 1.2)
        for end in (low, high):
            self._stroke(self._x(x) - 3, self._y(end), self._x(x) + 3, self._y(end), INK, 1.2)

    def rule(self, y: float, label: str) -> None:
        """A line across at `y`, as a threshold."""
        self._stroke(LEFT, self._y(y), WIDTH - RIGHT, self._y(y), "#666666", 1.2, dash=True)
        self._text(LEFT + 4, self._y(y) - 4, label, size=11)

    def mark(self, x: float, label: str) -> None:
        """A line upright at `x`, as something that happened."""
        at = self._x(x)
        self._stroke(at, TOP, at, HEIGHT - BOTTOM, "#888888", 1.2, dash=True)
        self._add(
            f'<text x="{at - 4}" y="{TOP + 2}" font-size="11" fill="{INK}" text-anchor="end" '
            f'transform="rotate(-90 {at - 4} {TOP + 2})">{escape(label)}</text>'
        )

    def svg(self, x_ticks: Iterable[tuple[float, str]], x_label: str, y_label: str, legend: Iterable[str]) -> str:
        """The whole picture. `legend` names the series in the order of COLOURS."""
        grid = Chart(self.title, self.x, self.y)
        for tick in ticks(*self.y):
            grid._stroke(LEFT, grid._y(tick), WIDTH - RIGHT, grid._y(tick), FAINT, 1)
            grid._text(LEFT - 6, grid._y(tick) + 4, f"{tick:g}", anchor="end", size=11)
        for place, text in x_ticks:
            grid._text(grid._x(place), HEIGHT - BOTTOM + 16, text, anchor="middle", size=11)
        grid._stroke(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, INK, 1)
        grid._text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label, anchor="middle", size=11)
        grid._text(LEFT - 40, TOP - 8, y_label, size=11)
        grid._text((LEFT + WIDTH - RIGHT) / 2, 16, self.title, anchor="middle", size=14)
        for number, name in enumerate(legend):
            left = LEFT + 40 + 90 * number
            grid._text(left, TOP - 8, f"■ {name}", size=12, colour=COLOURS[number % len(COLOURS)])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="sans-serif"><rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
            f"{''.join(grid.parts)}{''.join(self.parts)}</svg>"
        )

    def _add(self, part: str) -> None:
        self.parts.append(part)

    def _text(self, x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = INK) -> None:
        place = f'x="{_short(x)}" y="{_short(y)}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
        # A white edge keeps words legible where a line crosses them.
        edge = 'stroke="#ffffff" stroke-width="3" paint-order="stroke"'
        self._add(f"<text {place} {edge}>{escape(text)}</text>")

    def _stroke(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float, *, dash: bool = False
    ) -> None:
        ends = f'x1="{_short(x1)}" y1="{_short(y1)}" x2="{_short(x2)}" y2="{_short(y2)}"'
        dashes = ' stroke-dasharray="5 4"' if dash else ""
        self._add(f'<line {ends} stroke="{colour}" stroke-width="{width:g}"{dashes}/>')

    def _path(self, points: Iterable[Point]) -> str:
        return " ".join(f"{self._x(x)},{self._y(y)}" for x, y in points)

    def _x(self, value: float) -> float:
        return _short(LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT))

    def _y(self, value: float) -> float:
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return _short(HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most about `most` of them. Raises ValueError unless low < high."""
    if not low < high:
        raise ValueError(f"A range to be ticked goes upwards; got {low} to {high}.")
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in STEPS if factor * power >= rough - 1e-12)
    first = ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, floor(high / step + 1e-9) + 1)]


def as_image(svg: str, alt: str) -> str:
    """The picture as Markdown that carries it along; `alt` says in words what it shows."""
    said = alt.replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"![{said}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _short(value: float) -> float:
    """A tenth of a pixel is enough."""
    return round(value, 1)
