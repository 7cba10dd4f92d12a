"""Frames of one camera that wait, as a chunk brings them: in one pass, or one after another.

All of it is CPU time of the one thread that computes.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.changes import HELD_FRAMES, SHAPE, Forgetful, blank, matrices, new_tokens
from benchmarks.scene import EXACTLY_NEW, Scene
from benchmarks.table import Row, least
from hermes.demo import checkpoint
from hermes.demo.training.precision import fast_dtype
from hermes.memory import FrameStamp
from hermes.memory.changes import ChangeConfig
from hermes.vlm import Arrival, VideoMemory, VideoModel, load, take_together
from hermes.vlm.shapes import random_model

CHUNK = 8
"""Frames of the camera that wait."""
SHARE = 0.15
OWN_PASS = "all taken in, each frame in its own pass"

_clock = itertools.count(1)


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        demo = load(checkpoint.build(Path(folder) / "demo"))
    rows = waiting(demo, "demo model", rounds)
    large: Any = random_model(SHAPE, dtype=fast_dtype())
    name = f"0.5B shape, {str(large.shape.dtype).removeprefix('torch.')}"
    return rows + waiting(large, name, max(2, rounds // 2))


def waiting(model: VideoModel, name: str, rounds: int) -> list[Row]:
    """The rows of one model."""
    scene: Any = Scene(model)
    full, changed = _memory(scene, None), _memory(scene, EXACTLY_NEW)
    tokens, whole = new_tokens(model, SHARE), model.layout.tokens
    sides: list[Callable[[], object]] = [
        partial(_taken, scene, full, 1.0, 1),
        partial(_taken, scene, full, 1.0, CHUNK),
        partial(_taken, scene, changed, SHARE, 1),
        partial(_taken, scene, changed, SHARE, CHUNK),
        partial(matrices, model, tokens),
        partial(matrices, model, CHUNK * tokens),
        partial(matrices, model, CHUNK * whole),
    ]
    frames = (1, CHUNK, 1, CHUNK, 1, CHUNK, CHUNK)
    all_alone, all_waiting, few_alone, few_waiting, *floors = (
        spent / count for spent, count in zip(least(sides, rounds), frames, strict=True)
    )
    one, few, every = (f"matrices alone {1e3 * floor:.1f} ms" for floor in floors)
    new, waits = f"{tokens} of {whole} tokens", f"{CHUNK} waiting frames in one pass"
    rows = [
        (f"{new}, {waits} ({few})", few_waiting, OWN_PASS, all_alone),
        (f"{new}, {waits}", few_waiting, f"all taken in, {waits}", all_waiting),
        (f"{new}, each in its own pass ({one})", few_alone, OWN_PASS, all_alone),
        (f"all new, {waits} ({every})", all_waiting, OWN_PASS, all_alone),
    ]
    found = [
        Row(f"decoder part of a frame, 1 camera, {what}, {name}", ours, other, alternative)
        for what, ours, other, alternative in rows
    ]
    return [*found, _with_tower(model, scene, (full, changed), (all_alone, few_waiting), name)]


def _with_tower(
    model: VideoModel,
    scene: Any,
    memories: tuple[VideoMemory, VideoMemory],
    alone: tuple[float, float],
    name: str,
) -> Row:
    """Whole frames. What arithmetic says: the tower's time and the decoder part's, added."""
    scene.tower = True
    sides: list[Callable[[], object]] = [
        partial(model.encode, [blank(model)] * CHUNK),
        partial(_taken, scene, memories[0], 1.0, 1),
        partial(_taken, scene, memories[1], SHARE, CHUNK),
    ]
    tower, whole, few = least(sides, 1)
    scene.tower = False
    tower, few = tower / CHUNK, few / CHUNK
    says = (tower + alone[0]) / (tower + alone[1])
    return Row(
        f"a frame, tower included, 1 camera, {new_tokens(model, SHARE)} of {model.layout.tokens}"
        f" tokens, {CHUNK} waiting frames in one pass, {name}",
        few,
        f"{OWN_PASS} (tower {1e3 * tower:.0f} ms; arithmetic says {says:.2f}x)",
        whole,
    )


def _memory(scene: Any, changes: ChangeConfig | None) -> Forgetful:
    """A memory that holds `HELD_FRAMES`, has room for a chunk, and forgets what comes."""
    tokens = scene.layout.tokens
    made = Forgetful(
        scene,
        budget=HELD_FRAMES * tokens,
        compress_every_frames=HELD_FRAMES + CHUNK + 1,
        changes=changes,
    )
    for _ in range(HELD_FRAMES):
        scene.cut()
        _feed(made, 1)
    made.forgets = True
    return made


def _taken(scene: Any, memory: VideoMemory, share: float, frames: int) -> None:
    scene.move(share)
    _feed(memory, frames)


def _feed(memory: VideoMemory, frames: int) -> None:
    picture = blank(memory.model)
    stamps = [FrameStamp(1000 * next(_clock)) for _ in range(frames)]
    for outcome in take_together([Arrival(memory, picture, stamp) for stamp in stamps]):
        if isinstance(outcome, Exception):
            raise outcome
