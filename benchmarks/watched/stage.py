"""What happens before one camera, second by second, and how it looks."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hermes.demo.checkpoint import SIDE
from hermes.demo.drawing import draw
from hermes.demo.questions import NUMBERS
from hermes.demo.scenes import COLOURS, SIGNS, TRAINED, Actor, Colour, Look, Scene, make_scene

LEAST_QUIET_S, LEAST_EVENT_S = 60, 30
QUIET_S, EVENT_S = 500.0, 90.0
"""What is added to these on average, exponentially distributed."""
OTHER_CHANGE = 0.05
"""Chance that in a second something changes that no watch is about."""
NOISE = 2.0
"""Deviation of a pixel's level from frame to frame, of 255."""
_PLACES = {"left": 0.2, "right": 0.72, "far right": 0.86}
"""Where the circle stands, in widths of the picture. It never stands in the middle: asked for one
of three places, the demo's model takes some circles on the left for ones in the middle."""
_HEIGHTS = (0.39, 0.625, 0.87)
_CIRCLES, _SQUARES = (
    tuple(look.colour for look in TRAINED if look.shape == shape) for shape in ("circle", "square")
)
_VISITORS = tuple(look for look in TRAINED if look.shape in ("triangle", "star"))


@dataclass(frozen=True, slots=True)
class Question:
    """What a watch asks, and the answer that opens its event."""

    text: str
    choices: tuple[str, ...]
    event: str


QUESTIONS = {
    "night": Question("Is it day or night?", ("day", "night"), "night"),
    "sign": Question("What is on the sign?", NUMBERS[1:], "seven"),
    "place": Question("Where is the circle?", ("left", "right"), "left"),
    "colour": Question("What colour is the square?", COLOURS, "red"),
    "count": Question("How many objects are there now?", NUMBERS[1:5], "three"),
}
"""By the ids of watches."""


@dataclass(frozen=True, slots=True)
class Happening:
    """It begins with one second's frame, and is over with another's."""

    watch_id: str
    camera_id: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen. `visitor`: what stands beside circle and square."""

    night: bool
    sign: int
    place: str
    colour: Colour
    visitor: Look | None


class Stage:
    """One camera. The same seed gives the same hours."""

    def __init__(
        self,
        camera_id: str,
        seconds: int,
        seed: int,
        *,
        quiet_s: float = QUIET_S,
        happenings: Sequence[Happening] | None = None,
    ) -> None:
        """`quiet_s`: between two happenings of a watch, on average, beside the least.
        `happenings`: by default drawn from the seed.
        """
        rng = random.Random(f"watched:{seed}:{camera_id}")
        self.camera_id = camera_id
        self.happenings = (
            [
                one
                for watch_id in QUESTIONS
                for one in _happenings(rng, watch_id, camera_id, seconds, quiet_s)
            ]
            if happenings is None
            else list(happenings)
        )
        self._scene = make_scene("watched", rng.randrange(1 << 30), actors=1)
        self._circle: Colour = rng.choice(_CIRCLES)
        self._views = list(_views(rng, self.happenings, seconds))
        self._noise = np.random.default_rng(rng.randrange(1 << 30))
        self._drawn: tuple[View, np.ndarray] | None = None

    def picture(self, second: int) -> Tensor:
        """[3, SIDE, SIDE] uint8: the view of this second, and noise."""
        view = self._views[second]
        if self._drawn is None or self._drawn[0] != view:
            self._drawn = view, np.asarray(draw(self._scene_of(view), 1.0, SIDE), np.float32)
        pixels = self._drawn[1] + self._noise.normal(0.0, NOISE, self._drawn[1].shape)
        return torch.from_numpy(pixels.round().clip(0, 255).astype(np.uint8)).permute(2, 0, 1)

    def _scene_of(self, view: View) -> Scene:
        actors = [
            _standing(Look("circle", self._circle), 0, _PLACES[view.place]),
            _standing(Look("square", view.colour), 1, 0.5),
        ]
        if view.visitor is not None:
            actors.append(_standing(view.visitor, 2, 0.5))
        return replace(
            self._scene,
            actors=tuple(actors),
            sign=((0.0, view.sign),),
            night_from=-10.0 if view.night else None,
        )


def _standing(look: Look, lane: int, x: float) -> Actor:
    return Actor(look, -10.0, 10.0, lane, _HEIGHTS[lane], 0.108, x, x)


def _happenings(
    rng: random.Random, watch_id: str, camera_id: str, seconds: int, quiet_s: float
) -> Iterator[Happening]:
    at = 0
    while True:
        begin = at + LEAST_QUIET_S + int(rng.expovariate(1 / quiet_s))
        at = begin + LEAST_EVENT_S + int(rng.expovariate(1 / EVENT_S))
        if at + LEAST_QUIET_S >= seconds:
            return
        yield Happening(watch_id, camera_id, begin, at)


def _views(rng: random.Random, happenings: list[Happening], seconds: int) -> Iterator[View]:
    so = {watch_id: np.zeros(seconds, bool) for watch_id in QUESTIONS}
    for one in happenings:
        so[one.watch_id][one.begin : one.end] = True
    sign, place, colour, visitor = 1, "right", _SQUARES[-1], _VISITORS[0]
    for second in range(seconds):
        if second == 0 or rng.random() < OTHER_CHANGE:
            match rng.choice(("sign", "place", "colour", "visitor")):
                case "sign":
                    sign = rng.choice([n for n in range(1, SIGNS + 1) if n not in (7, sign)])
                case "place":
                    place = "right" if place == "far right" else "far right"
                case "colour":
                    colour = rng.choice([one for one in _SQUARES if one not in ("red", colour)])
                case "visitor":
                    visitor = rng.choice(_VISITORS)
        yield View(
            bool(so["night"][second]),
            7 if so["sign"][second] else sign,
            "left" if so["place"][second] else place,
            "red" if so["colour"][second] else colour,
            visitor if so["count"][second] else None,
        )
