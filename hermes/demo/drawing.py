"""Scenes as pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from hermes.demo.scenes import Actor, Colour, Scene

INKS: dict[Colour, tuple[int, int, int]] = {
    "red": (214, 48, 49),
    "green": (38, 166, 91),
    "blue": (52, 120, 220),
    "yellow": (241, 196, 15),
    "purple": (142, 68, 173),
    "white": (240, 240, 240),
}
_NIGHT_SKY, _NIGHT_FLOOR = (24, 28, 48), (38, 42, 44)
_PLATE, _LAMP = (20, 20, 20), (255, 200, 60)
_HORIZON = 0.28
_SIGN = (0.275, 0.02, 0.475, 0.24)  # left, top, right, bottom, in picture sizes
_DUSK_S = 0.6
_SMOOTH = 3  # drawn so many times as large, then reduced

# Segments of a digit: top, upper left, upper right, middle, lower left, lower right, bottom.
_DIGITS = {
    1: "0010010",
    2: "1011101",
    3: "1011011",
    4: "0111010",
    5: "1101011",
    6: "1101111",
    7: "1010010",
    8: "1111111",
    9: "1111011",
}


def draw(scene: Scene, time: float, size: int = 224) -> Image.Image:
    """The picture at `time` seconds, `size` pixels square."""
    side = size * _SMOOTH
    dusk = _since(scene.night_from, time)
    if scene.night_until is not None:
        dusk = min(dusk, 1 - _since(scene.night_until, time))
    image = Image.new("RGB", (side, side), _mix(scene.tones.sky, _NIGHT_SKY, dusk))
    canvas = ImageDraw.Draw(image)
    floor = _mix(scene.tones.floor, _NIGHT_FLOOR, dusk)
    canvas.rectangle((0, int(side * _HORIZON), side, side), fill=floor)
    _draw_sign(canvas, scene.signs_until(max(time, 0.0))[-1][1], side)
    for actor in scene.actors:
        place = actor.position(time)
        if place is not None:
            _draw_actor(canvas, actor, time, (place[0] * side, place[1] * side), side)
    return image.reduce(_SMOOTH)


def play(scene: Scene, fps: float, size: int = 224) -> Iterator[np.ndarray]:
    """All pictures of a scene, [size, size, 3] uint8."""
    for index in range(round(scene.duration * fps)):
        yield np.asarray(draw(scene, index / fps, size))


def _since(change: float | None, time: float) -> float:
    """How far the light has changed, from 0 to 1; 0 if it never does."""
    return 0.0 if change is None else min(1.0, max(0.0, (time - change) / _DUSK_S + 0.5))


def _draw_sign(canvas: ImageDraw.ImageDraw, number: int, side: int) -> None:
    left, top, right, bottom = (value * side for value in _SIGN)
    canvas.rectangle((left, top, right, bottom), fill=_PLATE)
    thick = 0.024 * side
    x0, x1 = left + 0.04 * side, right - 0.04 * side
    y0, y2 = top + 0.03 * side, bottom - 0.03 * side
    y1 = (y0 + y2) / 2
    segments = (
        (x0, y0, x1, y0 + thick),
        (x0, y0, x0 + thick, y1),
        (x1 - thick, y0, x1, y1),
        (x0, y1 - thick / 2, x1, y1 + thick / 2),
        (x0, y1, x0 + thick, y2),
        (x1 - thick, y1, x1, y2),
        (x0, y2 - thick, x1, y2),
    )
    for box, lit in zip(segments, _DIGITS[number], strict=True):
        if lit == "1":
            canvas.rectangle(box, fill=_LAMP)


def _draw_actor(
    canvas: ImageDraw.ImageDraw,
    actor: Actor,
    time: float,
    centre: tuple[float, float],
    side: int,
) -> None:
    x, y = centre
    radius = actor.size * side
    look = actor.look_at(time)
    ink = INKS[look.colour]
    match look.shape:
        case "circle":
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
        case "square":
            half = radius * 0.88
            canvas.rectangle((x - half, y - half, x + half, y + half), fill=ink)
        case "triangle":
            canvas.polygon(_corners((x, y + 0.15 * radius), radius * 1.2, radius * 1.2, 3), ink)
        case "star":
            canvas.polygon(_corners(centre, radius * 1.25, radius * 0.5, 10), ink)


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
