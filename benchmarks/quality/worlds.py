"""Streams of small scenes with a known truth, and questions at their ends."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hermes.demo.checkpoint import SIDE
from hermes.demo.drawing import draw
from hermes.demo.questions import KINDS, Moment, Question, ask
from hermes.demo.scenes import LOOKS, Look, Scene, make_scene

FIRST_SEED = 500_000
"""Below the seeds that training draws from."""

FILM_SIDE = 224


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
    film: bool = False,
) -> World:
    """A world of its own for every seed. One question of each kind that it has an answer to,
    and two where a kind can be asked about several objects.

    `film`: the pictures have gone through H.264 at a low bitrate.
    """
    for attempt in range(1000):
        scene = make_scene(
            f"quality-{attempt}", FIRST_SEED + seed, frames * step, step=step, looks=looks
        )
        end = (frames - 1) * step
        if scene.settled(end) and len(scene.came_by(end)) >= 2:
            break
    rng = random.Random(f"quality:{seed}")
    at = Moment(scene, end, looks)
    asked: dict[str, Question] = {}
    for kind in KINDS:
        for _ in range(4):
            question = ask(kind, at, rng)
            if question is not None and sum(q.kind == kind for q in asked.values()) < 2:
                asked[question.text] = question
    pictures = np.stack([np.asarray(draw(scene, index * step, SIDE)) for index in range(frames)])
    return World(scene, step, torch.from_numpy(pictures).permute(0, 3, 1, 2), tuple(asked.values()))
