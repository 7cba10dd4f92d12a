"""Memories that take in what changed, against the same memories that take in all.

All of it is CPU time of the one thread that computes.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.scene import EXACTLY_NEW, Scene
from benchmarks.table import Row, least
from hermes.demo import checkpoint
from hermes.demo.training.precision import fast_dtype
from hermes.memory import Compression, FrameStamp, HeadNorms, PackedPass
from hermes.memory.changes import ChangeConfig
from hermes.vlm import Arrival, VideoMemory, VideoModel, load, take_together
from hermes.vlm.frame_step import FrameStep
from hermes.vlm.shapes import random_model

SHAPE = "llava-onevision-0.5b"
SHARES = (0.10, 0.15, 0.25, 1.0)
CAMERAS = (1, 8)
HELD_FRAMES = 20
"""What a memory holds when a frame comes, in frames that were taken in whole."""
HOUR = 3600
COMPRESSED_FRAMES = 128
QUESTION = "What is happening now?"

_clock = itertools.count(1)


class Forgetful(VideoMemory):
    """A memory that can forget each frame once its pass is done, so that it stays as it is."""

    forgets = False

    def end(self, step: FrameStep, finite: Sequence[bool]) -> Compression | None:
        """As `VideoMemory.end`, or `abandon`."""
        if not self.forgets:
            return super().end(step, finite)
        self.abandon(step)
        return None


class _NoAttention:
    """A pass in which no token attends to any: what remains are the decoder's matrices."""

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        norms: HeadNorms | None = None,
    ) -> Tensor:
        return query.transpose(1, 2)


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        demo = load(checkpoint.build(Path(folder) / "demo"))
    rows = [*_ingest(demo, "demo model", rounds), _compressed(demo, "demo model")]
    rows += _questions(demo, "demo model", rounds)
    large: Any = random_model(SHAPE, dtype=fast_dtype())
    name = f"0.5B shape, {str(large.shape.dtype).removeprefix('torch.')}"
    rows += _ingest(large, name, max(2, rounds // 2))
    rows += _questions(large, name, max(2, rounds // 2))
    return [*rows, *_bytes(large, "0.5B shape")]


def _ingest(model: VideoModel, name: str, rounds: int) -> list[Row]:
    scene: Any = Scene(model)
    full = _memories(scene, None)
    changed = _memories(scene, EXACTLY_NEW)
    scene.repaint(0)
    rows: list[Row] = []
    for count in CAMERAS:
        works = [partial(_all_new, scene, full[:count])]
        works += [partial(_partly_new, scene, changed[:count], share) for share in SHARES]
        counts = [new_tokens(model, share) for share in SHARES]
        works += [partial(matrices, model, count * tokens) for tokens in counts]
        whole, *found = least(works, rounds)
        cameras = "1 camera" if count == 1 else f"{count} cameras in one pass"
        for took, floor, tokens in zip(found, found[len(SHARES) :], counts, strict=False):
            least_s = f"its matrices alone {1e3 * floor / count:.1f} ms"
            rows.append(
                Row(
                    f"decoder part of a frame, {tokens} of {model.layout.tokens} tokens taken in"
                    f" ({least_s}), {cameras}, {name}",
                    took / count,
                    f"all taken in, by tokens {model.layout.tokens / tokens:.1f}x",
                    whole / count,
                )
            )
        rows += _with_tower(model, scene, works[: 1 + len(SHARES)], [whole, *found], count, name)
    return rows


def _with_tower(
    model: VideoModel, scene: Any, works: list[Any], alone: list[float], count: int, name: str
) -> list[Row]:
    """Whole frames. What arithmetic says: the tower's time and the decoder part's, added."""
    picture = blank(model)
    scene.tower = True
    few = works if count == 1 else [works[0], works[1 + SHARES.index(0.15)]]
    sides = [partial(model.encode, [picture] * count), *few]
    tower, whole, *found = least(sides, 2 if count == 1 else 1)
    scene.tower = False
    rows = []
    for took, work in zip(found, few[1:], strict=True):
        number = works.index(work)
        tokens = new_tokens(model, SHARES[number - 1])
        says = (tower + alone[0]) / (tower + alone[number])
        rows.append(
            Row(
                f"a frame, tower included, {tokens} of {model.layout.tokens} tokens taken in,"
                f" {count} camera{'s in one pass' if count > 1 else ''}, {name}",
                took / count,
                f"all taken in (tower {1e3 * tower / count:.0f} ms; arithmetic says {says:.2f}x)",
                whole / count,
            )
        )
    return rows


def _memories(scene: Any, changes: ChangeConfig | None) -> list[Forgetful]:
    """Memories that hold `HELD_FRAMES`: one is fed, the others are restored from it."""
    tokens = scene.layout.tokens
    made = [
        Forgetful(scene, budget=HELD_FRAMES * tokens, compress_every_frames=4, changes=changes)
        for _ in range(max(CAMERAS))
    ]
    for _ in range(HELD_FRAMES):
        scene.cut()
        _feed(made[:1])
    for other in made[1:]:
        other.restore(made[0].state())
    for memory in made:
        memory.forgets = True
    return made


def _feed(memories: Sequence[VideoMemory]) -> list[Any]:
    picture, stamp = blank(memories[0].model), FrameStamp(1000 * next(_clock))
    outcomes = take_together([Arrival(memory, picture, stamp) for memory in memories])
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes


def _all_new(scene: Any, memories: Sequence[VideoMemory]) -> None:
    scene.repaint(1.0)
    _feed(memories)


def _partly_new(scene: Any, memories: Sequence[VideoMemory], share: float) -> None:
    scene.repaint(share)
    _feed(memories)


def blank(model: VideoModel) -> Tensor:
    """A picture of the model's size, in whose place a scene puts its own."""
    return torch.zeros((3, *model.frame_size), dtype=torch.uint8)


def new_tokens(model: VideoModel, share: float) -> int:
    """How many tokens of a frame are new if this share of its places is."""
    return max(1, round(share * model.layout.tokens))


@torch.inference_mode()
def matrices(model: VideoModel, tokens: int) -> None:
    """What the decoder's matrices alone take for so many tokens in one pass."""
    inputs = model.prefix()[:1].expand(tokens, -1)
    model.forward(inputs, _NoAttention())


def _compressed(model: VideoModel, name: str) -> Row:
    """A stretch of a long stream, compressions and guidance included."""
    scene: Any = Scene(model)
    took, compressions, tokens = [], [], []
    for changes in (EXACTLY_NEW, None):
        memory = VideoMemory(scene, budget=16 * model.layout.tokens, changes=changes)
        scene.cut()
        for _ in range(32):
            scene.cut()
            _feed([memory])
        before, (spent,) = memory.intake.taken, least([partial(_stretch, scene, memory)], 1)
        took.append(spent / COMPRESSED_FRAMES)
        tokens.append((memory.intake.taken - before) / (2 * COMPRESSED_FRAMES))
        compressions.append(_stretch(scene, memory))
    return Row(
        f"a frame, {tokens[0]:.1f} tokens taken in, {compressions[0]} compressions in"
        f" {COMPRESSED_FRAMES} frames, tower left out, {name}",
        took[0],
        f"{tokens[1]:.0f} tokens, {compressions[1]} compressions",
        took[1],
    )


def _stretch(scene: Any, memory: VideoMemory) -> int:
    """Frames of which 15% is new. Returns how many compressions came."""
    found = 0
    for _ in range(COMPRESSED_FRAMES):
        scene.advance(0.15)
        found += sum(outcome is not None for outcome in _feed([memory]))
    return found


def _questions(model: VideoModel, name: str, rounds: int) -> list[Row]:
    """Warm TTFT, by how many of the newest frames a question sees in full."""
    scene: Any = Scene(model)
    memories = []
    for present in (0, 1, 2):
        memory = VideoMemory(
            scene,
            budget=HELD_FRAMES * model.layout.tokens,
            changes=EXACTLY_NEW,
            present_frames=present,
        )
        for _ in range(HELD_FRAMES // 2):
            scene.cut()
            _feed([memory])
        scene.repaint(0)
        _feed([memory])
        memories.append(memory)
    plain, *found = least([partial(_first_token, memory) for memory in memories], 2 * rounds)
    return [
        Row(
            f"warm TTFT, present frames {present}: {present * model.layout.tokens} tokens more,"
            f" {name}",
            took,
            "none",
            plain,
        )
        for present, took in zip((1, 2), found, strict=True)
    ]


@torch.inference_mode()
def _first_token(memory: VideoMemory) -> None:
    model = memory.model
    question = model.question(QUESTION)
    with memory.branch(len(question) + 1) as branch:
        inputs = branch.opened_by(question)
        hidden = model.forward(inputs, PackedPass([branch.row(len(inputs))]))
        model.logits(hidden[-1:]).argmax().item()


def _bytes(model: VideoModel, name: str) -> list[Row]:
    """What a memory takes in during an hour of one frame a second. Counted, not timed."""
    whole = HOUR * model.layout.tokens * model.shape.bytes_per_token
    return [
        Row(
            f"KV cache taken in during an hour of 1 frame/s, {new_tokens(model, share)} of"
            f" {model.layout.tokens} tokens, {name}",
            HOUR * new_tokens(model, share) * model.shape.bytes_per_token,
            "all",
            whole,
            "B",
        )
        for share in SHARES[:-1]
    ]
