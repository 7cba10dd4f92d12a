"""What the decoder is taught, and when: first everything, then what is hardest once more."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hermes.demo.questions import KINDS
from hermes.demo.training.settings import Settings

_SHORT = (4, 8, 12, 16, 20)
_FULL_LENGTH = 0.5  # share of the streams, in the end
_USUAL = 2  # share of a kind that is not named

_READING = {
    "light-now": 1,
    "sign-now": 1,
    "count-now": 1,
    "shape-now": 1,
    "first": 1,
    "colour-now": 3,
    "colour-past": 3,
    "came-by": 3,
    "appeared": 4,
}
_COMPARING = {
    "light-now": 1,
    "sign-now": 1,
    "count-now": 1,
    "where-now": 1,
    "where-shape": 1,
    "first": 1,
    "colour-now": 1,
    "sign-past": 4,
    "last": 3,
    "came-by": 6,
    "shape-appeared": 6,
    "appeared": 10,
}


@dataclass(frozen=True, slots=True)
class Course:
    """One cycle of the learning rate, up to `rate` and down again.

    `shares`: how often each kind of question is asked. `growing`: streams are
    short at first. Batches are drawn from `first_seed` on.
    """

    name: str
    steps: int
    rate: float
    first_seed: int
    growing: bool
    shares: dict[str, int] = field(default_factory=dict)

    def kinds(self) -> list[str]:
        """Kinds of questions, each as often as its share."""
        return [kind for kind in KINDS for _ in range(self.shares.get(kind, _USUAL))]

    def frames(self, settings: Settings, step: int) -> int:
        """How long the streams of a step are."""
        rng = random.Random(f"{settings.seed}:{step}")  # noqa: S311 - a curriculum, not a secret
        share = _FULL_LENGTH * (step / self.steps if self.growing else 1)
        return settings.frames if rng.random() < share else rng.choice(_SHORT)


def courses(settings: Settings) -> tuple[Course, Course]:
    """The decoder's: reading, and comparing what was read."""
    reading = Course(
        "reading", settings.steps, settings.rate, settings.first_seed, True, dict(_READING)
    )
    fresh = settings.first_seed + settings.steps * settings.batch
    comparing = Course(
        "comparing", settings.finish_steps, settings.finish_rate, fresh, False, dict(_COMPARING)
    )
    return reading, comparing
