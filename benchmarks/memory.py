"""What a memory saves at question time, against re-encoding; answers packed or one by one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from benchmarks.table import Row, interleaved
from hermes.demo import checkpoint
from hermes.memory import PackedPass, StreamMemory
from hermes.vlm import VideoMemory, VideoModel, load
from hermes.vlm.preprocess import PixelSettings, to_pixels

FRAMES = 64
BUDGET = 256
"""A quarter of the frames' tokens."""
QUESTION = "What is happening now?"
CAMERAS = 8


def make_memory(model: VideoModel, frames: torch.Tensor, budget: int) -> StreamMemory:
    """A memory that has seen `frames`."""
    memory = VideoMemory(model, budget=budget)
    memory.feed(frames)
    return memory.cache


def first_token(model: VideoModel, memory: StreamMemory) -> int:
    """From a question to its first token, on a ready memory."""
    question = model.question(QUESTION)
    with memory.branch(len(question) + 1) as branch:
        hidden = model.forward(question, PackedPass([branch.row(len(question))]))
        return int(model.logits(hidden[-1]).argmax())


@torch.inference_mode()
def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint.build(Path(folder) / "demo")
        model = load(path)
        plain: Any = AutoModelForImageTextToText.from_pretrained(path).eval()
        pixels = PixelSettings.from_checkpoint(path)
    frames = torch.randint(0, 256, (FRAMES, 3, *model.frame_size), dtype=torch.uint8)
    memory = make_memory(model, frames, BUDGET)
    video = [plain.config.video_token_id] * (FRAMES * model.layout.tokens + 1)
    ids = torch.tensor([[*video, *range(10, 10 + len(model.question(QUESTION)))]])

    def reencode() -> None:
        values = to_pixels(frames, pixels, torch.float32).unsqueeze(0)
        plain(input_ids=ids, pixel_values_videos=values, logits_to_keep=1)

    ours, theirs = interleaved(lambda: first_token(model, memory), reencode, rounds)
    rows = [
        Row(
            f"warm TTFT, {FRAMES} frames seen, a budget of {BUDGET} tokens",
            ours,
            f"re-encode the {FRAMES} frames",
            theirs,
        )
    ]

    lengths = [(16 + index) * model.layout.tokens for index in range(CAMERAS)]
    memories = [make_memory(model, frames, length) for length in lengths]
    together, alone = interleaved(
        lambda: decode_steps(model, memories, 8, packed=True),
        lambda: decode_steps(model, memories, 8, packed=False),
        rounds,
    )
    steps = 8 * CAMERAS
    rows.append(
        Row(f"one token, {CAMERAS} cameras' answers", together / steps, "one by one", alone / steps)
    )
    return rows


def decode_steps(
    model: VideoModel, memories: list[StreamMemory], steps: int, *, packed: bool
) -> None:
    """`steps` tokens on a branch of every memory, in packed passes or one after another."""
    branches = [memory.branch(steps) for memory in memories]
    token = model.embed([20])
    groups = [branches] if packed else [[branch] for branch in branches]
    for _ in range(steps):
        for group in groups:
            rows = [branch.row(1) for branch in group]
            model.logits(model.forward(token.expand(len(group), -1), PackedPass(rows)))
            for branch, row in zip(group, rows, strict=True):
                branch.commit(row)
    for branch in branches:
        branch.close()
