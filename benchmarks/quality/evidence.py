"""The frames named as evidence, against what those frames show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.quality.contenders import contenders
from benchmarks.quality.report import table
from benchmarks.quality.run import ANSWER_TOKENS, EVERY_FRAMES, feed, model_of
from benchmarks.quality.worlds import World, make_world
from hermes.demo.checkpoint import WEIGHTS
from hermes.demo.questions import Question
from hermes.demo.scenes import TRAINED
from hermes.engine.hiding import Hiding
from hermes.evaluation.memory import Memory
from hermes.evaluation.share import Share
from hermes.evaluation.shared_tower import SharedTower
from hermes.memory import Branch, PackedPass
from hermes.vlm import VideoMemory, VideoModel
from hermes.vlm.weighing import logprobs_without

KINDS_WEIGHED = ("first", "last", "appeared", "shape-appeared", "colour-past")
NAMED = 3
FIRST_SEED = 600
"""Streams with smaller seeds were looked at when the search and its thresholds were chosen."""

NO = "no"


@dataclass(frozen=True, slots=True)
class Weighed:
    """A right answer, weighed. `shown`: whether each frame named shows the object asked about.

    `chance`: the share of the held frames that do. `readings`: how often it was read again.
    `seed`: of its world.
    """

    kind: str
    answer: str
    shown: tuple[bool, ...]
    chance: float
    readings: int
    seed: int = 0


def table_of(weighed: Sequence[Weighed]) -> str:
    """A row for each kind of question with something to show, and one for "no"."""
    rows = []
    for kind in (*KINDS_WEIGHED, NO):
        some = [one for one in weighed if (one.answer == NO) == (kind == NO)]
        some = some if kind == NO else [one for one in some if one.kind == kind]
        if not some:
            continue
        first = Share(sum(one.shown[:1] == (True,) for one in some), len(some))
        every = [shown for one in some for shown in one.shown]
        rows.append(
            [
                f"answered {NO}" if kind == NO else kind,
                str(len(some)),
                "-" if kind == NO else str(first),
                "-" if kind == NO else str(Share(sum(every), len(every))),
                str(Share(sum(not one.shown for one in some), len(some))),
                f"{100 * sum(one.chance for one in some) / len(some):.0f}",
                f"{sum(one.readings for one in some) / len(some):.0f}",
            ]
        )
    head = ["question", "right answers", "first frame shows it", "each frame does"]
    return table([*head, "no evidence", "chance", "readings"], rows)


def shows(world: World, question: Question, frame: int) -> bool:
    """Whether a frame shows the object that a question is about."""
    scene, time = world.scene, frame * world.step
    there = scene.visible(time)
    looks = [actor.look_at(time) for actor in there]
    if question.kind in ("first", "last"):
        actor = scene.came_by(world.end)[0 if question.kind == "first" else -1]
        return actor in there
    if question.kind == "appeared":
        found = re.match(r"Did an? (\w+) (\w+) appear", question.text)
        assert found is not None
        return any((look.colour, look.shape) == found.groups() for look in looks)
    found = re.match(r"Did an? (\w+) appear|What colour was the (\w+)", question.text)
    assert found is not None
    return any(look.shape in found.groups() for look in looks)


def perform(
    seeds: Sequence[int], frames: int, budget: int, folder: str = str(WEIGHTS)
) -> list[Weighed]:
    """The right answers about some streams, weighed on HERMES memories."""
    worlds = [make_world(seed, frames, looks=TRAINED) for seed in seeds]
    model: Any = SharedTower(model_of(folder))
    memories = [contenders()["hermes"](model, budget, EVERY_FRAMES) for _ in worlds]
    feed(memories, worlds)
    return [
        weighed
        for seed, world, memory in zip(seeds, worlds, memories, strict=True)
        for weighed in _weighed(seed, world, memory, model)
    ]


def _weighed(seed: int, world: World, memory: Memory, model: VideoModel) -> list[Weighed]:
    assert isinstance(memory, VideoMemory)
    found = []
    for question in world.questions:
        if question.kind not in KINDS_WEIGHED:
            continue
        inputs = model.question(question.text)
        with memory.branch(len(inputs) + ANSWER_TOKENS) as branch:
            ids = _answer(model, branch, inputs)
            stream = model.text_stream()
            ends = model.decoding.end_ids
            if "".join(stream.push(token) for token in ids if token not in ends) != question.answer:
                continue
            held = branch.frames()
            search = Hiding(held, NAMED)
            while search.next:
                search.took(logprobs_without(model, branch, inputs, ids, search.next))
        chance = sum(shows(world, question, frame) for frame in held) / len(held)
        shown = tuple(shows(world, question, frame) for frame, _ in search.found.frames)
        readings = search.found.readings
        found.append(Weighed(question.kind, question.answer, shown, chance, readings, seed))
    return found


@torch.inference_mode()
def _answer(model: VideoModel, branch: Branch, inputs: Any) -> list[int]:
    ids: list[int] = []
    for _ in range(ANSWER_TOKENS):
        row = branch.row(len(inputs))
        hidden = model.forward(inputs, PackedPass([row]))
        branch.commit(row)
        ids.append(int(model.logits(hidden[-1:]).argmax()))
        if ids[-1] in model.decoding.end_ids:
            break
        inputs = model.embed(ids[-1:])
    return ids
