"""A little world with questions that have four options, of which one is right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hermes.demo.questions import KINDS, NUMBERS, Moment, ask, named
from hermes.demo.scenes import COLOURS, LOOKS, SHAPES, TRAINED, Scene, make_scene

OPTIONS = 4
LEAST_S = 20.0
_TRIES = 1000

ANSWERS: dict[str, tuple[str, ...]] = {
    "colour-now": COLOURS,
    "shape-now": SHAPES,
    "count-now": NUMBERS[:7],
    "sign-now": NUMBERS[1:],
    "last": tuple(named(look) for look in LOOKS),
    "first": tuple(named(look) for look in LOOKS),
    "colour-past": COLOURS,
    "sign-past": NUMBERS[1:],
}
"""The kinds of questions that have so many possible answers, and what these are."""

PAST = tuple(kind for kind in ANSWERS if KINDS[kind][0] == "past")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with options. `at_s`: all pictures before this time have been seen. `evidence_s`:
    when the evidence was last seen.
    """

    kind: str
    text: str
    options: tuple[str, ...]
    right: int
    at_s: int
    evidence_s: float

    @property
    def letter(self) -> str:
        """Of the right option."""
        return chr(ord("A") + self.right)

    @property
    def answer(self) -> str:
        """The text of the right option."""
        return self.options[self.right]


@dataclass(frozen=True, slots=True)
class FakeWorld:
    """A scene of whole seconds."""

    name: str
    scene: Scene
    rng: random.Random

    @classmethod
    def make(cls, name: str, seed: int, seconds: float) -> FakeWorld:
        """A world that looks like those that the demo's model was trained on."""
        for attempt in range(_TRIES):
            scene = make_scene(f"{name}-{attempt}", seed, seconds, actors=6, looks=TRAINED)
            if scene.settled(seconds - 1) and len(scene.came_by(seconds - 1)) >= 3:
                rng = random.Random(f"fake:{name}:{seed}")  # noqa: S311 - a choice, not a secret
                return cls(name, scene, rng)
        raise RuntimeError("no scene of this seed comes to rest")

    @property
    def seconds(self) -> int:
        """How long it is."""
        return int(self.scene.duration)

    def moment(self, at_s: float) -> Moment:
        """Everything in the pictures before a time, one a second."""
        return Moment(self.scene, at_s - 1, TRAINED)

    def settled(self, near_s: int) -> int:
        """A time at or before another at which the newest picture is unambiguous."""
        for at in range(near_s, 1, -1):
            if self.scene.settled(at - 1):
                return at
        return near_s

    def ask(self, kinds: Sequence[str], at_s: int) -> Asked | None:
        """A question of the first of these kinds that has an answer."""
        for kind in kinds:
            found = ask(kind, self.moment(at_s), self.rng)
            if found is None or found.evidence is None or found.answer not in ANSWERS[kind]:
                continue
            others = [one for one in ANSWERS[kind] if one != found.answer]
            options = [found.answer, *self.rng.sample(others, OPTIONS - 1)]
            self.rng.shuffle(options)
            right = options.index(found.answer)
            return Asked(kind, found.text, tuple(options), right, at_s, found.evidence)
        return None

    def questions(self, count: int, *, at_the_end: bool = False) -> list[Asked]:
        """Different questions: one in the middle, the others at the end; most about the past.

        `at_the_end`: all of them.
        """
        found: dict[tuple[str, int], Asked] = {}
        middle, end = self.settled(self.seconds * 3 // 5), self.settled(self.seconds)
        kinds = list(ANSWERS)
        for attempt in range(8 * count):
            if len(found) == count:
                break
            self.rng.shuffle(kinds)
            wanted = [kind for kind in kinds if (kind in PAST) is (attempt % 3 > 0)]
            asked = self.ask(wanted, end if found or at_the_end else middle)
            if asked is not None:
                found.setdefault((asked.text, asked.at_s), asked)
        return list(found.values())
