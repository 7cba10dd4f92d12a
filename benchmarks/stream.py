"""A long stream: time per frame and bytes must not grow with what was seen; what guidance costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.table import Row
from hermes.demo import checkpoint
from hermes.vlm import VideoMemory, VideoModel, load

FRAMES = 10_000
WINDOW = 1_000
BUDGET_FRAMES = 16
PICTURES = 64


def run(rounds: int) -> list[Row]:
    """The rows of this module. `rounds` is not used: one stream is one run."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = load(checkpoint.build(Path(folder) / "demo"))
    early, late, compressions, plain = _stream(model)
    return [
        Row("a frame, frames 9,000 to 10,000", late, "the first 1,000 of a full memory", early),
        Row("compression, guidance included, per frame", compressions, "prefill of a frame", plain),
    ]


def _stream(model: VideoModel) -> tuple[float, float, float, float]:
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
    return first, last, extra, statistics.median(plain)
