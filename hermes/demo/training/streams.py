"""Training material: scenes as streams of small pictures, with questions at moments within them."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from hermes.demo.checkpoint import SIDE
from hermes.demo.drawing import draw
from hermes.demo.questions import KINDS, Moment, ask, present, story
from hermes.demo.scenes import TRAINED, Look, Scene, make_scene
from hermes.vlm import guidance

_CROWDED = frozenset({"colour-now", "shape-now", "where-now", "where-shape"})
"""Kinds that are hard with several objects in the picture; such moments are preferred."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question after the first `frames` frames of a stream."""

    frames: int
    kind: str
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Stream:
    """`pictures`: [frames, SIDE, SIDE, 3] uint8, each of its `times` (seconds)."""

    scene: Scene
    times: tuple[float, ...]
    pictures: np.ndarray
    asked: tuple[Asked, ...]


def make_stream(
    seed: int,
    frames: int,
    questions: int,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    looks: tuple[Look, ...] = TRAINED,
    summaries: bool = False,
) -> Stream:
    """The stream of a seed, degraded as by a camera and a codec.

    `kinds`: of questions; one that is named twice is asked twice as often.
    `summaries`: the guidance prompts are asked, and no questions.
    """
    rng = random.Random(f"stream:{seed}")  # noqa: S311 - pictures, not secrets
    step = rng.choice((0.5, 1.0, 2.0))
    scene = make_scene("stream", seed, frames * step, step=step, looks=looks)
    phase = rng.uniform(0, step)
    times = tuple(phase + index * step for index in range(frames))
    wear = Wear(rng)
    pictures = np.stack([np.asarray(wear.of(draw(scene, time, SIDE))) for time in times])
    moments = [index for index in range(1, frames) if scene.settled(times[index])] or [frames - 1]
    asked: list[Asked] = []
    misses = 0  # perhaps no object appeared, and all kinds ask about one
    while len(asked) < questions:
        kind = rng.choice(kinds) if misses < _PATIENCE else _ALWAYS
        index = rng.choice(moments)
        if kind in _CROWDED:
            other = rng.choice(moments)
            index = max(index, other, key=lambda i: len(scene.visible(times[i])))
        at = Moment(scene, times[index], looks)
        if summaries:
            text, answer = _summary(at, len(asked))
            asked.append(Asked(index + 1, "summary", text, answer))
        elif (found := ask(kind, at, rng)) is None:
            misses += 1
        else:
            asked.append(Asked(index + 1, found.kind, found.text, found.answer))
    return Stream(scene, times, pictures, tuple(asked))


def _summary(at: Moment, number: int) -> tuple[str, str]:
    """The global and the mixed prompt, as memories use them, alternately."""
    if number % 2 == 0:
        return guidance.GLOBAL, story(at)
    return f"{guidance.LOCAL} {guidance.GLOBAL}", f"{present(at)}, {story(at)}"


_PATIENCE = 2000
_ALWAYS = "light-now"
"""A kind that can be asked of every scene."""


class Wear:
    """Degrades the pictures of one stream as a camera and a codec do."""

    def __init__(self, rng: random.Random) -> None:
        self._bright = rng.uniform(0.88, 1.12)
        self._colour = rng.uniform(0.8, 1.15)
        self._blur = rng.choice((0.0, 0.0, rng.uniform(0.2, 0.5)))
        self._quality = rng.choice((0, rng.randint(50, 95)))
        self._noise = rng.choice((0.0, rng.uniform(1, 5)))
        self._generator = np.random.default_rng(rng.getrandbits(32))

    def of(self, picture: Image.Image) -> Image.Image:
        """The degraded picture."""
        picture = ImageEnhance.Brightness(picture).enhance(self._bright)
        picture = ImageEnhance.Color(picture).enhance(self._colour)
        if self._blur:
            picture = picture.filter(ImageFilter.GaussianBlur(self._blur))
        if self._noise:
            grey = np.asarray(picture, dtype=np.float32)
            grey = grey + self._noise * self._generator.standard_normal(grey.shape, np.float32)
            picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
        if self._quality:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=self._quality)
            picture = Image.open(buffer).convert("RGB")
        return picture
