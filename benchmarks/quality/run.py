"""Feed streams to memories, and compare their answers with the record."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import torch

from benchmarks.quality.contenders import (
    Contender,
    ablations,
    change_settings,
    contenders,
    unbounded,
)
from benchmarks.quality.narrowed import narrow
from benchmarks.quality.score import Verdict
from benchmarks.quality.worlds import World, make_world
from hermes.demo.checkpoint import WEIGHTS
from hermes.demo.scenes import LOOKS, TRAINED, Look
from hermes.evaluation.memory import Memory
from hermes.evaluation.shared_tower import SharedTower
from hermes.memory import FrameStamp
from hermes.vlm import Arrival, VideoMemory, VideoModel, load, take_together

ANSWER_TOKENS = 16
EVERY_FRAMES = 4
TOGETHER = 8
"""The most streams of one pass."""

UNBOUNDED = "unbounded"

Verdicts = list[Verdict]


@dataclass(frozen=True, slots=True)
class Task:
    """One stream, and who remembers it: at a budget of `budget` tokens each.

    `looks`: `trained`, or `all`, with those that no training scene had. `through`,
    `chapter_s`: as in `make_world`.
    """

    seed: int
    frames: int
    budget: int
    names: tuple[str, ...]
    step: float = 1.0
    looks: str = "trained"
    through: str = "none"
    chapter_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """The verdicts on a memory's answers; video tokens that it took in, of so many frames."""

    verdicts: Verdicts
    taken: int
    frames: int

    @property
    def tokens_a_frame(self) -> float:
        """How many tokens of a frame were taken in, on average."""
        return self.taken / max(1, self.frames)


@cache
def model_of(folder: str) -> VideoModel:
    """The model in a folder, loaded once."""
    torch.set_num_threads(1)
    return load(folder)


def all_contenders() -> dict[str, Contender]:
    """All contenders, by name."""
    return {
        UNBOUNDED: unbounded,
        **contenders(),
        **ablations(),
        **change_settings(),
        **narrow(),
    }


def perform(tasks: Sequence[Task], folder: str = str(WEIGHTS)) -> list[dict[str, Result]]:
    """What each stream gave, by contender. The tasks differ in their seeds alone."""
    task = tasks[0]
    looks: tuple[Look, ...] = TRAINED if task.looks == "trained" else LOOKS
    worlds = [
        make_world(
            one.seed,
            task.frames,
            step=task.step,
            looks=looks,
            through=task.through,
            chapter_s=task.chapter_s,
        )
        for one in tasks
    ]
    model: Any = SharedTower(model_of(folder))
    known = all_contenders()
    found: list[dict[str, Result]] = [{} for _ in tasks]
    for name in task.names:
        for own, result in zip(
            found, answers(known[name], model, worlds, task.budget), strict=True
        ):
            own[name] = result
    return found


def answers(
    contender: Contender, model: VideoModel, worlds: Sequence[World], budget: int
) -> list[Result]:
    """The verdicts on the answers of a memory of each world."""
    memories = [contender(model, budget, EVERY_FRAMES) for _ in worlds]
    feed(memories, worlds)
    tokens = model.layout.tokens
    return [_asked(memory, world, tokens) for memory, world in zip(memories, worlds, strict=True)]


def feed(memories: Sequence[Memory], worlds: Sequence[World]) -> None:
    """Take each world into its memory."""
    arrivals: list[Arrival] = []
    for memory, world in zip(memories, worlds, strict=True):
        times = [int(1000 * world.step * number) for number in range(len(world.pictures))]
        if isinstance(memory, VideoMemory):
            stamped = zip(world.pictures, times, strict=True)
            arrivals += [Arrival(memory, picture, FrameStamp(time)) for picture, time in stamped]
        else:
            memory.feed(world.pictures, times)
    # Several frames a pass, of several streams, give the same memories in far less time.
    for outcome in take_together(arrivals):
        if isinstance(outcome, Exception):
            raise outcome


def _asked(memory: Memory, world: World, frame_tokens: int) -> Result:
    found = [
        Verdict(
            question.kind,
            world.age(question),
            memory.ask(question.text, ANSWER_TOKENS) == question.answer,
        )
        for question in world.questions
    ]
    frames = len(world.pictures)
    taken = frames * frame_tokens
    if isinstance(memory, VideoMemory):
        taken = memory.intake.taken
        memory.close()
    return Result(found, taken, frames)


def perform_all(
    tasks: Sequence[Task], processes: int, folder: str = str(WEIGHTS)
) -> list[dict[str, Result]]:
    """All of them, in `processes` processes. They differ in their seeds alone."""
    groups = [tasks[first : first + TOGETHER] for first in range(0, len(tasks), TOGETHER)]
    if processes == 1:
        return [result for group in groups for result in perform(group, folder)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        found = pool.map(perform, groups, [folder] * len(groups))
        return [result for group in found for result in group]


def merged(results: Sequence[dict[str, Result]]) -> dict[str, Result]:
    """The results of many streams together, by contender."""
    together: dict[str, Result] = {}
    for result in results:
        for name, found in result.items():
            before = together.get(name, Result([], 0, 0))
            together[name] = Result(
                [*before.verdicts, *found.verdicts],
                before.taken + found.taken,
                before.frames + found.frames,
            )
    return together


def verdicts(results: dict[str, Result]) -> dict[str, Verdicts]:
    """The verdicts alone."""
    return {name: result.verdicts for name, result in results.items()}
