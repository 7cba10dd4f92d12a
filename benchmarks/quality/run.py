"""Feed streams to memories, and compare their answers with the record."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor

from benchmarks.quality.contenders import (
    Contender,
    ablations,
    change_settings,
    contenders,
    unbounded,
)
from benchmarks.quality.score import Verdict
from benchmarks.quality.worlds import World, make_world
from hermes.demo.checkpoint import WEIGHTS
from hermes.demo.scenes import LOOKS, TRAINED, Look
from hermes.vlm import Between, VideoMemory, VideoModel, load

ANSWER_TOKENS = 16
EVERY_FRAMES = 4

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


class SeenOnce:
    """A model whose tower encodes a picture once, however many memories take it."""

    def __init__(self, model: VideoModel) -> None:
        self._model = model
        self._seen: dict[bytes, list[Tensor]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(
        self, pictures: Sequence[Tensor] | Tensor, between: Between | None = None
    ) -> list[Tensor]:
        """As the model does."""
        key = b"".join(picture.numpy().tobytes() for picture in pictures)
        if key not in self._seen:
            self._seen[key] = self._model.encode(pictures)
        return self._seen[key]


@cache
def model_of(folder: str) -> VideoModel:
    """The model in a folder, loaded once."""
    torch.set_num_threads(1)
    return load(folder)


def all_contenders() -> dict[str, Contender]:
    """All contenders, by name."""
    return {UNBOUNDED: unbounded, **contenders(), **ablations(), **change_settings()}


def perform(task: Task, folder: str = str(WEIGHTS)) -> dict[str, Result]:
    """What one stream gave, by contender."""
    looks: tuple[Look, ...] = TRAINED if task.looks == "trained" else LOOKS
    world = make_world(
        task.seed,
        task.frames,
        step=task.step,
        looks=looks,
        through=task.through,
        chapter_s=task.chapter_s,
    )
    model: Any = SeenOnce(model_of(folder))
    known = all_contenders()
    return {name: answers(known[name], model, world, task.budget) for name in task.names}


def answers(contender: Contender, model: VideoModel, world: World, budget: int) -> Result:
    """The verdicts on one memory's answers about a world."""
    memory = contender(model, budget, EVERY_FRAMES)
    memory.feed(world.pictures, [int(1000 * world.step * i) for i in range(len(world.pictures))])
    found = [
        Verdict(
            question.kind,
            world.age(question),
            memory.ask(question.text, ANSWER_TOKENS) == question.answer,
        )
        for question in world.questions
    ]
    frames = len(world.pictures)
    taken = frames * model.layout.tokens
    if isinstance(memory, VideoMemory):
        taken = memory.intake.taken
        memory.close()
    return Result(found, taken, frames)


def perform_all(
    tasks: Sequence[Task], processes: int, folder: str = str(WEIGHTS)
) -> list[dict[str, Result]]:
    """All of them, in `processes` processes."""
    if processes == 1:
        return [perform(task, folder) for task in tasks]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(perform, tasks, [folder] * len(tasks)))


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
