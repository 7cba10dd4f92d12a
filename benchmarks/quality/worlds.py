"""Streams of small scenes with a known truth, and questions at their ends."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.quality.chapters import in_chapters
from benchmarks.quality.disturbances import disturbed
from hermes.demo.checkpoint import SIDE
from hermes.demo.drawing import draw
from hermes.demo.questions import KINDS, Moment, Question, ask
from hermes.demo.scenes import LOOKS, Look, Scene, make_scene

FIRST_SEED = 500_000
"""Below the seeds that training draws from."""

MOST_IN_CHAPTERS = 8
"""Questions of one kind about a scene in chapters."""


@dataclass(frozen=True, slots=True)
class World:
    """A stream, and the questions after its last frame.

    `pictures` [frames, 3, SIDE, SIDE] uint8, one every `step` seconds.
    """

    scene: Scene
    step: float
    pictures: Tensor
    questions: tuple[Question, ...]

    @property
    def end(self) -> float:
        """When the questions are asked, in seconds."""
        return (len(self.pictures) - 1) * self.step

    def age(self, question: Question) -> float | None:
        """How many frames ago the evidence for the answer was last seen, if there was any."""
        return None if question.evidence is None else (self.end - question.evidence) / self.step


def make_world(
    seed: int,
    frames: int,
    *,
    step: float = 1.0,
    looks: tuple[Look, ...] = LOOKS,
    through: str = "none",
    chapter_s: float = 0.0,
) -> World:
    """A world of its own for every seed. One question of each kind that it has an answer to,
    and two where a kind can be asked about several objects; in chapters, where more come by,
    up to `MOST_IN_CHAPTERS`.

    `through`: a name of `DISTURBANCES`. `chapter_s`: how often an object comes by, for scenes
    in chapters; 0 for others.
    """
    end = (frames - 1) * step
    for attempt in range(1000):
        name, number = f"quality-{attempt}", FIRST_SEED + seed
        scene = (
            in_chapters(name, number, frames * step, chapter_s=chapter_s, step=step, looks=looks)
            if chapter_s
            else make_scene(name, number, frames * step, step=step, looks=looks)
        )
        if scene.settled(end) and len(scene.came_by(end)) >= 2:
            break
    rng = random.Random(f"quality:{seed}")
    at = Moment(scene, end, looks)
    asked: dict[str, Question] = {}
    most = MOST_IN_CHAPTERS if chapter_s else 2
    for kind in KINDS:
        for _ in range(2 * most):
            question = ask(kind, at, rng)
            if question is not None and sum(q.kind == kind for q in asked.values()) < most:
                asked[question.text] = question
    pictures = np.stack([np.asarray(draw(scene, index * step, SIDE)) for index in range(frames)])
    drawn = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    return World(scene, step, disturbed(through, drawn, seed), tuple(asked.values()))
