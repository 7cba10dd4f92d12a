"""The demo's cameras: little worlds on film, and whether an answer about them is right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hermes.client import Answer
from hermes.demo.questions import KINDS, Moment, Question, every
from hermes.demo.scenes import TRAINED, Scene, make_scene
from services.cli.film import film

DURATION_S = 60.0
STILL_S = 2.0  # nothing changes at the end, so that the last picture is unambiguous
_TRIES = 200


@dataclass(frozen=True, slots=True)
class World:
    """One camera's world. Its scene records what could be seen."""

    camera: str
    scene: Scene

    def at(self, seconds: float) -> Moment:
        """Everything up to that second."""
        return Moment(self.scene, seconds)

    def judge(self, question: str, answer: Answer) -> tuple[bool, str] | None:
        """Whether the answer is right, and the right answer; None if the record has no answer."""
        end = answer.coverage.media_end_s
        if end is None:
            return None
        known = {plain_words(found.text): found for found in every(self.at(end))}
        found = known.get(plain_words(question))
        if found is None:
            return None
        return plain_words(answer.text) == plain_words(found.answer), found.answer

    def meaning(self, question: str, answer: str) -> str:
        """How an answer is to be read that looks odd to people; else empty.

        The demo's model counts what came by aloud: `yellow, purple, two`.
        """
        if not plain_words(question).startswith("how many") or "," not in answer:
            return ""
        return f"counted up by colour: {answer.rpartition(', ')[2]}"


def make_worlds(names: Sequence[str], seed: int, folder: Path) -> list[World]:
    """Make a world for each camera and film it into `folder`.

    All things in it look like those that the demo's model was trained on.
    docs/memory-quality.md reports how the model does on others.
    """
    worlds = []
    for name in names:
        world = World(name, scene_at_rest(name, seed))
        film(world.scene, folder / f"{name}.mp4")
        worlds.append(world)
    return worlds


def questions_for(world: World, seed: int, now: int, past: int) -> list[Question]:
    """Questions of different kinds about the end of a world.

    They are about things that look like those that the model was trained on.
    """
    rng = random.Random(f"{world.camera}:{seed}")  # noqa: S311 - a choice, not a secret
    by_kind: dict[str, list[Question]] = {}
    for question in every(Moment(world.scene, DURATION_S - STILL_S / 2, TRAINED)):
        by_kind.setdefault(question.kind, []).append(question)
    chosen: list[Question] = []
    for tense, count in (("now", now), ("past", past)):
        kinds = [kind for kind in by_kind if KINDS[kind][0] == tense]
        chosen += [rng.choice(by_kind[kind]) for kind in rng.sample(kinds, min(count, len(kinds)))]
    return chosen


def scene_at_rest(name: str, seed: int) -> Scene:
    """A scene in which nothing moves at the end, so that the last picture is unambiguous."""
    for attempt in range(_TRIES):
        scene = make_scene(f"{name}-{attempt}", seed, DURATION_S, actors=5, looks=TRAINED)
        still = [DURATION_S - STILL_S + tenth / 10 for tenth in range(int(STILL_S * 10))]
        if all(map(scene.settled, still)) and scene.visible(DURATION_S - 1) and scene.actors[3:]:
            return scene
    raise RuntimeError("no scene of this seed comes to rest")


def plain_words(text: str) -> str:
    """A text as it is compared: in small letters, without marks, with single spaces."""
    return " ".join(text.lower().replace("?", " ").replace(".", " ").split())
