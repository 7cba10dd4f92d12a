"""Little worlds with a known truth: objects enter, move, change and leave; day turns to night.

A scene is a script drawn from a seed. `draw` renders any moment of it, and
the script itself is the record of what happened.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

Shape = Literal["circle", "square", "triangle", "star"]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 48, 49),
    "green": (38, 166, 91),
    "blue": (52, 120, 220),
    "yellow": (241, 196, 15),
    "purple": (142, 68, 173),
    "white": (240, 240, 240),
}
SHAPES: tuple[Shape, ...] = ("circle", "square", "triangle", "star")
_DAY, _NIGHT = (176, 208, 226), (24, 28, 48)
_FLOOR_DAY, _FLOOR_NIGHT = (120, 128, 112), (38, 42, 44)


@dataclass(frozen=True, slots=True)
class Actor:
    """An object: what it looks like, when it is in the picture (seconds), and how it moves."""

    shape: Shape
    colour: str
    enters: float
    leaves: float
    lane: float
    size: float
    direction: Literal[-1, 1]

    def position(self, time: float) -> tuple[float, float] | None:
        """Centre in picture widths and heights, or None while it is not there."""
        if not self.enters <= time < self.leaves:
            return None
        progress = (time - self.enters) / (self.leaves - self.enters)
        x = -0.15 + 1.3 * progress
        return (x if self.direction == 1 else 1 - x), self.lane


@dataclass(frozen=True, slots=True)
class Scene:
    """A script: who comes and goes, and when night falls (seconds)."""

    name: str
    duration: float
    actors: tuple[Actor, ...]
    night_from: float

    def visible(self, time: float) -> list[Actor]:
        """Who is in the picture."""
        return [actor for actor in self.actors if actor.position(time) is not None]

    def sign(self, time: float) -> int:
        """The number on the sign: how many have come by so far."""
        return sum(1 for actor in self.actors if actor.enters <= time)


def make_scene(name: str, seed: int, duration: float = 60.0) -> Scene:
    """A scene of its own for every seed."""
    rng = random.Random(f"{name}:{seed}")  # noqa: S311 - pictures, not secrets
    actors: list[Actor] = []
    enters = 0.5
    while enters < duration - 4:
        stays = rng.uniform(6, 14)
        actors.append(
            Actor(
                shape=rng.choice(SHAPES),
                colour=rng.choice(list(COLOURS)),
                enters=enters,
                leaves=min(duration, enters + stays),
                lane=rng.uniform(0.35, 0.8),
                size=rng.uniform(0.1, 0.17),
                direction=rng.choice((-1, 1)),
            )
        )
        enters += rng.uniform(3, 7)
    return Scene(name, duration, tuple(actors), night_from=duration * rng.uniform(0.4, 0.8))


def draw(scene: Scene, time: float, size: int = 224) -> Image.Image:
    """The picture at `time` seconds, `size` pixels square."""
    dusk = min(1.0, max(0.0, (time - scene.night_from) / 2 + 0.5))
    image = Image.new("RGB", (size, size), _mix(_DAY, _NIGHT, dusk))
    canvas = ImageDraw.Draw(image)
    horizon = int(size * 0.3)
    canvas.rectangle((0, horizon, size, size), fill=_mix(_FLOOR_DAY, _FLOOR_NIGHT, dusk))
    canvas.rectangle((size * 0.4, 6, size * 0.6, 6 + size * 0.14), fill=(20, 20, 20))
    canvas.text((size * 0.46, size * 0.05), f"{scene.sign(time):02d}", fill=(255, 200, 60))
    for actor in scene.actors:
        place = actor.position(time)
        if place is not None:
            centre = (place[0] * size, place[1] * size)
            _draw_actor(canvas, actor, centre, actor.size * size)
    return image


def play(scene: Scene, fps: float, size: int = 224) -> Iterator[np.ndarray]:
    """All pictures of a scene, [size, size, 3] uint8."""
    for index in range(round(scene.duration * fps)):
        yield np.asarray(draw(scene, index / fps, size))


def _draw_actor(
    canvas: ImageDraw.ImageDraw, actor: Actor, centre: tuple[float, float], radius: float
) -> None:
    x, y = centre
    colour = COLOURS[actor.colour]
    match actor.shape:
        case "circle":
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        case "square":
            canvas.rectangle((x - radius, y - radius, x + radius, y + radius), fill=colour)
        case "triangle":
            canvas.polygon(_corners(centre, radius * 1.2, radius * 1.2, 3), fill=colour)
        case "star":
            canvas.polygon(_corners(centre, radius * 1.2, radius * 0.5, 10), fill=colour)


def _corners(
    centre: tuple[float, float], outer: float, inner: float, count: int
) -> list[tuple[float, float]]:
    corners = []
    for index in range(count):
        radius = inner if index % 2 else outer
        angle = 2 * math.pi * index / count - math.pi / 2
        corners.append((centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)))
    return corners


def _mix(
    first: tuple[int, int, int], second: tuple[int, int, int], share: float
) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
