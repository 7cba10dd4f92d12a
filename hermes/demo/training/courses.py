"""The decoder's courses in order: reading, searching, finding, comparing, binding."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hermes.demo.questions import KINDS
from hermes.demo.training.settings import Settings

Lengths = Callable[[random.Random, int, float], int]
"""(chance, frames of a full stream, share of the course that is done) -> frames of a stream."""

_READING = {
    "light-now": 1,
    "sign-now": 1,
    "count-now": 1,
    "shape-now": 1,
    "where-now": 2,
    "where-shape": 2,
    "sign-past": 2,
    "last": 2,
    "shape-appeared": 2,
    "first": 1,
    "colour-now": 3,
    "colour-past": 3,
    "came-by": 4,
    "appeared": 4,
}
_SEARCHING = {"shape-appeared": 1}  # alone: among others it stays at chance
_FINDING = {
    "where-now": 2,
    "where-shape": 1,
    "colour-past": 1,
    "shape-appeared": 3,
    "appeared": 6,
}
_COMPARING = dict.fromkeys(KINDS, 1) | {
    "where-now": 2,
    "last": 2,
    "sign-past": 3,
    "came-by": 8,
    "shape-appeared": 4,
    "appeared": 14,
}
_BINDING = dict.fromkeys(KINDS, 2) | {
    "where-shape": 3,
    "where-now": 4,
    "shape-now": 4,
    "first": 5,
    "colour-now": 6,
    "last": 6,
    "came-by": 6,
    "colour-past": 8,
    "appeared": 12,
}


@dataclass(frozen=True, slots=True)
class Course:
    """One cycle of the learning rate, up to `rate` and down again.

    `shares`: how often each kind of question is asked. `forgetful`: tokens are
    hidden, as if they had been evicted. Batches are drawn from `first_seed` on.
    """

    name: str
    steps: int
    rate: float
    first_seed: int
    lengths: Lengths
    forgetful: bool
    shares: dict[str, int] = field(default_factory=dict)

    def kinds(self) -> list[str]:
        """Kinds of questions, drawn by their shares."""
        return [kind for kind in KINDS for _ in range(self.shares.get(kind, 0))]

    def frames(self, settings: Settings, step: int) -> int:
        """The length of a step's streams."""
        rng = random.Random(f"{settings.seed}:{step}")  # noqa: S311 - a curriculum, not a secret
        return min(settings.frames, self.lengths(rng, settings.frames, step / self.steps))


def courses(settings: Settings) -> tuple[Course, ...]:
    """The decoder's courses, in order."""
    s, seed = settings, settings.first_seed
    reading = Course("reading", s.steps, s.rate, seed, _more_and_more_full, True, _READING)
    seed += s.steps * s.batch
    searching = Course("searching", s.search_steps, s.rate, seed, _short, False, _SEARCHING)
    seed += s.search_steps * s.batch
    finding = Course("finding", s.find_steps, s.rate, seed, _short, False, _FINDING)
    seed += s.find_steps * s.batch
    comparing = Course("comparing", s.finish_steps, s.finish_rate, seed, _growing, True, _COMPARING)
    seed += s.finish_steps * s.batch
    binding = Course("binding", s.bind_steps, s.finish_rate, seed, _half_full, True, _BINDING)
    return reading, searching, finding, comparing, binding


def _more_and_more_full(rng: random.Random, full: int, done: float) -> int:
    """Any length at first; at the end every other stream is full."""
    return full if rng.random() < done / 2 else rng.choice((4, 8, 12, 16, 20))


def _short(rng: random.Random, full: int, done: float) -> int:
    """With few frames to search, the model learns to search sooner."""
    return rng.choice((5, 6, 7))


def _growing(rng: random.Random, full: int, done: float) -> int:
    """Short, then longer; every other stream has the greatest length so far."""
    longest = min(full, round(6 + (full - 6) * done / 0.6))
    return longest if rng.random() < 0.5 else rng.randint(4, longest)


def _half_full(rng: random.Random, full: int, done: float) -> int:
    """Every other stream is full, the others have any length."""
    return full if rng.random() < 0.5 else rng.randint(4, full)
