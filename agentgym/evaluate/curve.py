"""A line chart as one self-contained SVG, drawn here: no plotting library, no script, no font."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["curve_svg"]

Points = Sequence[tuple[float, float]]
Band = Sequence[tuple[float, float, float]]
Marks = Sequence[tuple[float, float, float, float]]

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 44, 52
_COLOURS = ("#0b62a4", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93", "#555555")  # told apart in grey
_FONT = "font-family='Helvetica, Arial, sans-serif'"


def curve_svg(
    series: Mapping[str, Points],
    *,
    title: str,
    x_label: str,
    y_label: str,
    bands: Mapping[str, Band] | None = None,
    marks: Mapping[str, Marks] | None = None,
) -> str:
    """Draw lines over a common pair of axes.

    Args:
        series: Name to points (x, y), in the order of drawing; points that are not finite are
            left out.
        title: Above the chart.
        x_label: Below the horizontal axis.
        y_label: Beside the vertical axis.
        bands: Name of a series to (x, low, high): shaded behind its line.
        marks: Name to single measurements (x, y, low, high): dots with their intervals, no line.

    Returns:
        An SVG document.
    """
    lines = {name: _finite(points) for name, points in series.items()}
    shades = {name: _finite(band) for name, band in (bands or {}).items()}
    dots = {name: _finite(rows) for name, rows in (marks or {}).items()}
    axes = _Axes.around(
        [*(point for points in lines.values() for point in points)]
        + [(x, y) for band in shades.values() for x, low, high in band for y in (low, high)]
        + [(row[0], y) for rows in dots.values() for row in rows for y in row[1:]]
    )
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate([*lines, *dots])}
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
        f"width='{_WIDTH}' height='{_HEIGHT}' role='img' {_FONT} font-size='12'>",
        f"<title>{escape(title)}</title>",
        f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='#ffffff'/>",
        f"<text x='{_LEFT}' y='24' font-size='15' font-weight='bold'>{escape(title)}</text>",
        *axes.drawn(x_label, y_label),
        *(_shade(axes, shades[name], colours[name]) for name in lines if shades.get(name)),
        *(_line(axes, points, colours[name]) for name, points in lines.items() if points),
        *(_dot(axes, row, colours[name]) for name, rows in dots.items() for row in rows),
        *_legend(colours),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _finite(rows: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    return [row for row in rows if all(math.isfinite(value) for value in row)]


@dataclass(frozen=True, slots=True)
class _Axes:
    """Ticks on both axes; the first and last are the ends of the plot."""

    x_ticks: tuple[float, ...]
    y_ticks: tuple[float, ...]

    @classmethod
    def around(cls, points: Sequence[tuple[float, ...]]) -> _Axes:
        """Return axes that hold all points."""
        return cls(_ticks([point[0] for point in points]), _ticks([point[1] for point in points]))

    def x(self, value: float) -> float:
        low, high = self.x_ticks[0], self.x_ticks[-1]
        return round(_LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT), 2)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return round(
            _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 2
        )

    def drawn(self, x_label: str, y_label: str) -> list[str]:
        bottom, right, middle = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, (_HEIGHT + _TOP - _BOTTOM) / 2
        parts = []
        for tick in self.y_ticks:
            y = self.y(tick)
            parts.append(f"<path d='M{_LEFT} {y}H{right}' stroke='#e3e3e3'/>")
            label = f"<text x='{_LEFT - 8}' y='{y + 4}' text-anchor='end'>{tick:.6g}</text>"
            parts.append(label)
        for tick in self.x_ticks:
            x = self.x(tick)
            parts.append(f"<path d='M{x} {bottom}v5' stroke='#333333'/>")
            label = f"<text x='{x}' y='{bottom + 19}' text-anchor='middle'>{tick:.6g}</text>"
            parts.append(label)
        parts.append(f"<path d='M{_LEFT} {_TOP}V{bottom}H{right}' fill='none' stroke='#333333'/>")
        centre = (_LEFT + right) / 2
        where = f"x='{centre}' y='{_HEIGHT - 12}' text-anchor='middle'"
        parts.append(f"<text {where}>{escape(x_label)}</text>")
        turned = f"transform='translate(16 {middle}) rotate(-90)' text-anchor='middle'"
        parts.append(f"<text {turned}>{escape(y_label)}</text>")
        return parts


def _ticks(values: Sequence[float], about: int = 6) -> tuple[float, ...]:
    """Return round numbers, evenly spaced, from below the least value to above the greatest."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        pad = abs(low) / 2 or 0.5
        low, high = low - pad, high + pad
    power = 10.0 ** math.floor(math.log10((high - low) / about))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if (high - low) / (power * n) <= about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(n * step for n in range(first, last + 1))


def _line(axes: _Axes, points: Sequence[tuple[float, ...]], colour: str) -> str:
    places = [f"{axes.x(point[0])} {axes.y(point[1])}" for point in points]
    if len(places) == 1:
        x, y = places[0].split()
        return f"<circle cx='{x}' cy='{y}' r='3.5' fill='{colour}'/>"
    path = "M" + "L".join(places)
    return f"<path d='{path}' fill='none' stroke='{colour}' stroke-width='2'/>"


def _shade(axes: _Axes, band: Sequence[tuple[float, ...]], colour: str) -> str:
    upper = [f"{axes.x(x)} {axes.y(high)}" for x, _, high in band]
    lower = [f"{axes.x(x)} {axes.y(low)}" for x, low, _ in reversed(band)]
    path = "M" + "L".join(upper + lower) + "Z"
    return f"<path d='{path}' fill='{colour}' fill-opacity='0.15' stroke='none'/>"


def _dot(axes: _Axes, row: tuple[float, ...], colour: str) -> str:
    x, y, low, high = axes.x(row[0]), *(axes.y(value) for value in row[1:])
    whisker = f"<path d='M{x} {low}V{high}M{x - 4} {low}h8M{x - 4} {high}h8' stroke='{colour}'/>"
    return f"{whisker}<circle cx='{x}' cy='{y}' r='4' fill='{colour}'/>"


def _legend(colours: Mapping[str, str]) -> list[str]:
    """Return one row per series in the lower right corner, where curves that rise leave room."""
    if len(colours) < 2:
        return []
    parts = []
    x = _WIDTH - _RIGHT - 30 - 7 * max(len(name) for name in colours)
    for row, (name, colour) in enumerate(reversed(list(colours.items()))):
        y = _HEIGHT - _BOTTOM - 16 - 18 * row
        parts.append(f"<path d='M{x} {y}h18' stroke='{colour}' stroke-width='3'/>")
        parts.append(f"<text x='{x + 24}' y='{y + 4}'>{escape(name)}</text>")
    return parts
