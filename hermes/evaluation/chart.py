"""Lines with intervals, as SVG that stands in a page by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 190, 40, 56
_LINE_HEIGHT = 20
_DODGE = 5.0
"""Points of different lines at one place stand so far apart, in pixels."""

COLOURS = (
    "#1f6feb",
    "#8250df",
    "#57606a",
    "#1a7f37",
    "#bf5700",
    "#cf222e",
    "#9a6700",
    "#0a7ea4",
)
_DASHES = ("", "7 3", "2 3", "10 3 2 3")
_MARKS = ("circle", "square", "diamond")


@dataclass(frozen=True, slots=True)
class Point:
    """`x`: a place on the axis. `y`: from 0 to 1, with its interval."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Axis:
    """`ticks`: places on the axis with what is written there. `logarithmic`: equal ratios are
    equally far apart.
    """

    label: str
    ticks: Sequence[tuple[float, str]]
    logarithmic: bool = False

    def place(self, x: float) -> float:
        """From 0 to 1."""
        low, high = self.ticks[0][0], self.ticks[-1][0]
        if self.logarithmic:
            low, high, x = (math.log(max(one, 1e-9)) for one in (low, high, x))
        return 0.5 if high == low else (x - low) / (high - low)


def chart(title: str, axis: Axis, lines: Mapping[str, Sequence[Point]]) -> str:
    """The lines by name, in one picture. All words are outside of the plot."""
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    inset = 18.0

    def across(x: float) -> float:
        return _LEFT + inset + axis.place(x) * (width - 2 * inset)

    def down(y: float) -> float:
        return _TOP + (1 - y) * height

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="{escape(title, quote=True)}" class="chart">',
        f'<text x="{_LEFT}" y="20" class="title">{escape(title)}</text>',
    ]
    for tenth in (0, 25, 50, 75, 100):
        y = down(tenth / 100)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_LEFT + width}" class="grid"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" class="tick" text-anchor="end">{tenth}%</text>'
        )
    for x, label in axis.ticks:
        parts.append(
            f'<text x="{across(x):.1f}" y="{_TOP + height + 20}" class="tick"'
            f' text-anchor="middle">{escape(label)}</text>'
        )
    parts.append(
        f'<text x="{_LEFT + width / 2}" y="{_HEIGHT - 12}" class="axis"'
        f' text-anchor="middle">{escape(axis.label)}</text>'
    )
    middle = (len(lines) - 1) / 2
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = _DASHES[number // len(COLOURS) % len(_DASHES)] if number else ""
        aside = (number - middle) * _DODGE
        placed = [(across(p.x) + aside, p) for p in sorted(points, key=lambda p: p.x)]
        for x, p in placed:
            parts.append(
                f'<path d="M{x:.1f} {down(p.low):.1f}V{down(p.high):.1f}" stroke="{colour}"'
                ' class="whisker"/>'
            )
        if len(placed) > 1:
            path = "L".join(f"{x:.1f} {down(p.y):.1f}" for x, p in placed)
            parts.append(
                f'<path d="M{path}" stroke="{colour}" class="line" stroke-dasharray="{dash}"/>'
            )
        parts += [_mark(number, x, down(p.y), colour) for x, p in placed]
        y = _TOP + 8 + number * _LINE_HEIGHT
        parts.append(f'<path d="M{_LEFT + width + 16} {y}h20" stroke="{colour}" class="line"/>')
        parts.append(_mark(number, _LEFT + width + 26, y, colour))
        parts.append(
            f'<text x="{_LEFT + width + 44}" y="{y + 4}" class="legend">{escape(name)}</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts)


def _mark(number: int, x: float, y: float, colour: str) -> str:
    match _MARKS[number % len(_MARKS)]:
        case "circle":
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
        case "square":
            return (
                f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="{colour}"/>'
            )
        case _:
            return f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z" fill="{colour}"/>'
