"""Small scenes with a known truth: objects enter, move, change and leave, and night falls.

A `Scene` is a script drawn from a seed, in seconds. `hermes.demo.drawing` renders
any moment of it, and the script itself is the record of what happened:
`hermes.demo.questions` reads questions and their answers from it.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Shape = Literal["circle", "square", "triangle", "star"]
Colour = Literal["red", "green", "blue", "yellow", "purple", "white"]

SHAPES: tuple[Shape, ...] = ("circle", "square", "triangle", "star")
COLOURS: tuple[Colour, ...] = ("red", "green", "blue", "yellow", "purple", "white")
LANES = 3
MOST_ACTORS = 6
SIGNS = 9
"""The sign shows a number from 1 to this."""

_LANE_HEIGHTS = (0.39, 0.625, 0.87)
_BORDER = 0.13  # a whole object fits between this and the picture's edge
_CROSSING_S = 0.4  # how long an object takes to slide in or out
_CHANGES = 0.1  # share of objects that change their colour
_CAST_SIZES = (2, 3, 4, 5, 6, 6, 6)
_TRIES = 60


@dataclass(frozen=True, slots=True)
class Look:
    """The shape and colour of an object."""

    shape: Shape
    colour: Colour


HELD_OUT = frozenset(
    {
        Look("star", "red"),
        Look("square", "blue"),
        Look("circle", "yellow"),
        Look("triangle", "green"),
    }
)
"""Looks that do not occur in training scenes."""

LOOKS = tuple(Look(shape, colour) for shape in SHAPES for colour in COLOURS)
TRAINED = tuple(look for look in LOOKS if look not in HELD_OUT)


@dataclass(frozen=True, slots=True)
class Actor:
    """An object: when it is in the picture (seconds), where it goes, and what it looks like.

    `turns`: when it changes to its second look, if it has one. It drifts from
    `start` to `end` (picture widths) and slides in and out at the nearer side.
    """

    look: Look
    enters: float
    leaves: float
    lane: int
    height: float
    size: float
    start: float
    end: float
    turns: float | None = None
    second: Look | None = None

    def position(self, time: float) -> tuple[float, float] | None:
        """Centre in picture widths and heights, or None while it is not there."""
        if not self.enters <= time < self.leaves:
            return None
        progress = (time - self.enters) / (self.leaves - self.enters)
        x = self.start + (self.end - self.start) * progress
        outside = max(
            1 - (time - self.enters) / _CROSSING_S, 1 - (self.leaves - time) / _CROSSING_S, 0.0
        )
        side = -0.15 if x < 0.5 else 1.15
        return x + (side - x) * outside, self.height

    def look_at(self, time: float) -> Look:
        """Its look at a time."""
        return self.second if self.second and self.turns and time >= self.turns else self.look

    def looks_until(self, time: float) -> list[Look]:
        """Every look that it has had up to a time."""
        return list(dict.fromkeys((self.look, self.look_at(time))))

    def crossing(self, time: float) -> bool:
        """Whether it is just entering or leaving."""
        return (
            -_CROSSING_S < time - self.enters < _CROSSING_S
            or -_CROSSING_S < time - self.leaves < _CROSSING_S
        )


@dataclass(frozen=True, slots=True)
class Tones:
    """Colours of sky and floor by day. They vary slightly between scenes."""

    sky: tuple[int, int, int]
    floor: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Scene:
    """A script: its objects, what the sign shows, and when night falls (seconds).

    `actors` are in the order in which they enter. `sign`: (from, number), in
    order, from 0 on. `night_from`: None if night never falls. `night_until`: when day
    breaks; None, as in all scenes that a seed gives, if night lasts to the end.
    """

    name: str
    duration: float
    actors: tuple[Actor, ...]
    sign: tuple[tuple[float, int], ...]
    night_from: float | None
    tones: Tones
    night_until: float | None = None

    def visible(self, time: float) -> list[Actor]:
        """The objects in the picture."""
        return [actor for actor in self.actors if actor.position(time) is not None]

    def came_by(self, time: float) -> list[Actor]:
        """The objects that have appeared up to a time, in order."""
        return [actor for actor in self.actors if actor.enters <= time]

    def signs_until(self, time: float) -> list[tuple[float, int]]:
        """What the sign has shown up to a time, each with its start."""
        return [(since, number) for since, number in self.sign if since <= time]

    def night(self, time: float) -> bool:
        """Whether it is night."""
        if self.night_from is None or time < self.night_from:
            return False
        return self.night_until is None or time < self.night_until

    def settled(self, time: float) -> bool:
        """Whether nothing is just entering, leaving or changing: questions have one true answer."""
        changes = [since for since, _ in self.sign[1:]]
        changes += [actor.turns for actor in self.actors if actor.turns is not None]
        changes += [time for time in (self.night_from, self.night_until) if time is not None]
        return not any(actor.crossing(time) for actor in self.actors) and all(
            abs(time - change) >= _CROSSING_S for change in changes
        )


def make_scene(
    name: str,
    seed: int,
    duration: float = 60.0,
    *,
    step: float = 1.0,
    actors: int | None = None,
    looks: Collection[Look] = LOOKS,
) -> Scene:
    """The scene of a name and a seed.

    `step`: seconds between two pictures. Everything in the scene lasts longer
    than that, so that no event falls between two pictures. `actors`: how many
    objects; by default up to `MOST_ACTORS`.
    """
    rng = random.Random(f"{name}:{seed}")  # noqa: S311 - pictures, not secrets
    wanted = rng.choice(_CAST_SIZES) if actors is None else actors
    cast = _cast(rng, duration, step, wanted, tuple(looks))
    night = rng.random()
    return Scene(
        name=name,
        duration=duration,
        actors=tuple(cast),
        sign=_sign(rng, duration, step),
        night_from=None if night < 0.35 else 0.0 if night < 0.5 else rng.uniform(0, duration),
        tones=Tones(_near(rng, (176, 208, 226)), _near(rng, (120, 128, 112))),
    )


def _cast(
    rng: random.Random, duration: float, step: float, wanted: int, looks: tuple[Look, ...]
) -> list[Actor]:
    least = 2.2 * step + 2 * _CROSSING_S
    cast: list[Actor] = []
    unused = list(looks)
    rng.shuffle(unused)
    for _ in range(_TRIES):
        if len(cast) >= wanted or not unused:
            break
        longest = max(least, duration * rng.choice((0.3, 0.5, 0.8)))
        enters = rng.uniform(-_CROSSING_S, max(0.0, duration - least))
        leaves = enters + rng.uniform(least + 0.25 * (longest - least), longest)
        lane = rng.randrange(LANES)
        clear = all(
            abs(other.enters - enters) > 1.2 * step
            and (other.lane != lane or enters > other.leaves + step or leaves < other.enters - step)
            for other in cast
        )
        if clear:
            cast.append(_actor(rng, unused.pop(), enters, leaves, lane, step, unused))
    return sorted(cast, key=lambda actor: actor.enters)


def _actor(
    rng: random.Random,
    look: Look,
    enters: float,
    leaves: float,
    lane: int,
    step: float,
    unused: list[Look],
) -> Actor:
    turns, second = None, None
    again = [other for other in unused if other.shape == look.shape]
    if again and leaves - enters > 6 * step and rng.random() < _CHANGES:
        turns, second = rng.uniform(enters + 2.5 * step, leaves - 2.5 * step), rng.choice(again)
        unused.remove(second)
    return Actor(
        look=look,
        enters=enters,
        leaves=leaves,
        lane=lane,
        height=_LANE_HEIGHTS[lane] + rng.uniform(-0.01, 0.01),
        size=rng.uniform(0.1, 0.116),
        start=rng.uniform(_BORDER, 1 - _BORDER),
        end=rng.uniform(_BORDER, 1 - _BORDER),
        turns=turns,
        second=second,
    )


def _sign(rng: random.Random, duration: float, step: float) -> tuple[tuple[float, int], ...]:
    numbers = rng.sample(range(1, SIGNS + 1), rng.choice((1, 2, 2, 3)))
    times = [0.0]
    for _ in numbers[1:]:
        since = rng.uniform(2 * step, duration)
        if all(abs(since - other) > 2.2 * step for other in times):
            times.append(since)
    return tuple(zip(sorted(times), numbers, strict=False))


def _near(rng: random.Random, tone: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, value + rng.randint(-14, 14))) for value in tone)
    return red, green, blue
