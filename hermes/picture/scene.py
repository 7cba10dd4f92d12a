"""A picture as a list of shapes, to be written as SVG or PNG. Sizes are in pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True, slots=True)
class Hatch:
    """A rectangle filled with slanting lines."""

    x: float
    y: float
    width: float
    height: float
    stroke: str
    fill: str


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    stroke: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle with a rim."""

    x: float
    y: float
    radius: float
    fill: str


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; `y` is its base line."""

    x: float
    y: float
    text: str
    size: int
    fill: str
    anchor: Literal["start", "middle", "end"] = "start"


Shape = Box | Hatch | Line | Dot | Text


@dataclass(slots=True)
class Scene:
    """Shapes, in the order in which they are painted."""

    width: int
    height: int
    title: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Paint these on top."""
        self.shapes.extend(shapes)
