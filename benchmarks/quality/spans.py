"""Questions about a span of a long stream, against memories that saw nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.quality.contenders import contenders, unbounded
from benchmarks.quality.report import table
from benchmarks.quality.run import ANSWER_TOKENS, EVERY_FRAMES, model_of
from benchmarks.quality.score import Verdict, share_of
from benchmarks.quality.worlds import World, make_world
from hermes.demo.checkpoint import FRAME_TOKENS, WEIGHTS
from hermes.demo.questions import KINDS, Moment, Question, every
from hermes.demo.scenes import TRAINED, Scene
from hermes.evaluation.shared_tower import SharedTower
from hermes.question import Span

KINDS_ASKED = ("count-now", "light-now", "sign-now", "appeared", "shape-appeared", "last")
"""Those whose answer is known of a part of a scene."""

SPANS = 3
"""Of each stream: the newest, one in the middle, and one at its start."""

MOST_OF_A_KIND = 2
FIRST_SEED = 100

ALONE, ABOUT, EVERYTHING = "saw nothing else", "asked about the span", "asked about everything"


def by_age(found: Mapping[str, Sequence[Verdict]]) -> str:
    """A row for each way to answer, a column for how long ago the span ended."""
    ages = sorted({verdict.age or 0.0 for verdicts in found.values() for verdict in verdicts})
    rows = [
        [
            name,
            str(share_of(verdicts)),
            *(str(share_of(v for v in verdicts if v.age == age)) for age in ages),
        ]
        for name, verdicts in found.items()
    ]
    return table(["answers", "all spans", *(f"ended {age:g} s ago" for age in ages)], rows)


def within(scene: Scene, start: float, end: float) -> Scene:
    """The part of a scene, as if it had begun and ended there."""
    actors = tuple(
        replace(
            actor,
            enters=max(actor.enters, start) - start,
            leaves=actor.leaves - start,
            turns=None if actor.turns is None else actor.turns - start,
        )
        for actor in scene.actors
        if actor.enters <= end and actor.leaves > start
    )
    shown = [number for since, number in scene.sign if since <= start][-1:]
    later = [(since - start, number) for since, number in scene.sign if start < since <= end]
    night, day = (
        None if change is None else max(0.0, change - start)
        for change in (scene.night_from, scene.night_until)
    )
    sign = (*((0.0, number) for number in shown), *later)
    return replace(
        scene,
        actors=actors,
        sign=sign,
        night_from=night,
        night_until=day,
        duration=end - start,
    )


def asked(world: World, start: int, end: int, seed: int) -> Iterator[Question]:
    """Questions with one answer about these frames, and another about the whole stream."""
    part = within(world.scene, start * world.step, end * world.step)
    whole = {q.text: q.answer for q in every(Moment(world.scene, world.end, TRAINED))}
    found = every(Moment(part, (end - start) * world.step, TRAINED))
    differing = [
        question
        for question in found
        if question.kind in KINDS_ASKED
        and whole.get(question.text, question.answer) != question.answer
    ]
    random.Random(f"spans:{seed}:{start}").shuffle(differing)
    for kind in KINDS:
        yield from [question for question in differing if question.kind == kind][:MOST_OF_A_KIND]


@dataclass(frozen=True, slots=True)
class Setting:
    """A memory of `budget` frames, asked about spans of `length` frames of its newest `newest`."""

    memory: str
    budget: int
    length: int
    newest: int

    @property
    def label(self) -> str:
        """How it is called in tables."""
        return f"{self.memory}, {self.budget} frames"


WHOLE = Setting("sliding-window", 20, 10, 20)
"""All frames of its spans are held whole."""

THINNED = Setting("hermes", 12, 24, 120)


def perform(
    seed: int, frames: int, setting: Setting, folder: str = str(WEIGHTS)
) -> dict[str, list[Verdict]]:
    """What one stream gave: asked about the span, about everything, and where nothing else was
    seen.
    """
    world = make_world(seed, frames, looks=TRAINED)
    model: Any = SharedTower(model_of(folder))
    stamps = [int(1000 * world.step * number) for number in range(frames)]
    memory = contenders()[setting.memory](model, setting.budget * FRAME_TOKENS, EVERY_FRAMES)
    memory.feed(world.pictures, stamps)
    found: dict[str, list[Verdict]] = {ALONE: [], ABOUT: [], EVERYTHING: []}
    oldest, last = frames - setting.newest, frames - setting.length
    for start in (round(oldest + (last - oldest) * at / (SPANS - 1)) for at in range(SPANS)):
        end = start + setting.length - 1
        span = Span(stamps[start], stamps[end])
        alone = unbounded(model, setting.budget * FRAME_TOKENS, EVERY_FRAMES)
        alone.feed(world.pictures[start : end + 1], stamps[start : end + 1])
        for question in asked(world, start, end, seed):
            text, age = question.text, (frames - 1 - end) * world.step
            for name, answer in (
                (ALONE, alone.ask(text, ANSWER_TOKENS)),
                (ABOUT, memory.ask(text, ANSWER_TOKENS, span=span)),
                (EVERYTHING, memory.ask(text, ANSWER_TOKENS)),
            ):
                found[name].append(Verdict(question.kind, age, answer == question.answer))
    return found
