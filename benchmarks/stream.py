"""A long stream: time per frame, first token and bytes must not grow with what was seen."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.memory import first_token
from benchmarks.table import Row, interleaved
from hermes.demo import checkpoint
from hermes.vlm import VideoMemory, VideoModel, load

FRAMES = 10_000
WINDOW = 1_000
BUDGET_FRAMES = 16
PICTURES = 64
FEW = 64
QUESTIONS_A_ROUND = 20


def run(rounds: int) -> list[Row]:
    """The rows of this module. The stream is measured once; `rounds` is for questions."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = load(checkpoint.build(Path(folder) / "demo"))
    memory, early, late, compressions, plain = _stream(model)
    few = VideoMemory(model, "hermes", budget=BUDGET_FRAMES * model.layout.tokens)
    few.feed(torch.zeros((FEW, 3, *model.frame_size), dtype=torch.uint8))

    def ask(about: VideoMemory) -> None:
        with torch.inference_mode():
            for _ in range(QUESTIONS_A_ROUND):
                first_token(model, about.cache)

    after_many, after_few = interleaved(lambda: ask(memory), lambda: ask(few), rounds)
    return [
        Row(
            f"warm TTFT, {FRAMES:,} frames seen",
            after_many / QUESTIONS_A_ROUND,
            f"{FEW} frames seen",
            after_few / QUESTIONS_A_ROUND,
        ),
        Row("a frame, frames 9,000 to 10,000", late, "the first 1,000 of a full memory", early),
        Row("compression, guidance included, per frame", compressions, "prefill of a frame", plain),
    ]


def _stream(model: VideoModel) -> tuple[VideoMemory, float, float, float, float]:
    tokens = model.layout.tokens
    memory = VideoMemory(model, "hermes", budget=BUDGET_FRAMES * tokens)
    pictures = torch.randint(0, 256, (PICTURES, 3, *model.frame_size), dtype=torch.uint8)
    times: list[float] = []
    sizes: set[int] = set()
    for number in range(FRAMES):
        began = time.perf_counter()
        memory.feed(pictures[number % PICTURES][None], [number * 1000])
        times.append(time.perf_counter() - began)
        if memory.cache.over_budget_with == 0:
            sizes.add(memory.cache.kv_bytes)
    if len(sizes) != 1:
        raise RuntimeError(f"memory after a compression had {len(sizes)} sizes")
    every = 16
    full = 3 * every
    plain = [t for n, t in enumerate(times) if n >= full and (n + 1) % every]
    compressing = [t for n, t in enumerate(times) if n >= full and not (n + 1) % every]
    extra = (statistics.median(compressing) - statistics.median(plain)) / every
    first = statistics.median(times[full : full + WINDOW])
    last = statistics.median(times[-WINDOW:])
    return memory, first, last, extra, statistics.median(plain)
