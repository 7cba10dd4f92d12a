"""What a compression of a full memory costs, against the frames that filled it.

LLaVA-OneVision 0.5B at its true size, all layers, with random weights. The
vision tower is left out: frames are random features, given straight to the
language model. That makes compression look dearer than it is in a stream.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from benchmarks.blind import Blind
from benchmarks.memory import first_token
from benchmarks.table import Row
from hermes.cpus import usable_cpus
from hermes.demo.training.precision import fast_dtype
from hermes.memory import Candidates, Hermes, PackedPass, Pass, Selection
from hermes.vlm import VideoMemory, VideoModel
from hermes.vlm.shapes import random_model

T = TypeVar("T")

SHAPE = "llava-onevision-0.5b"
BUDGET = 4000
EVERY = 16
CHUNKS = 1
PROMPT_TOKENS = (36, 72)
"""Of the global and the mixed guidance prompt: a token for each word and mark, as a vocabulary of
150,000 has them, and seven of the chat template. The tokenizer that random models come with would
make two and a half times as many.
"""


@dataclass
class Clocked:
    """A model that notes how long each pass took."""

    model: VideoModel
    chunk: list[float] = field(default_factory=list)
    guidance: list[float] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def forward(self, inputs: Tensor, packed: Pass) -> Tensor:
        """A pass with guidance in it runs twice: at first without, for the difference."""
        assert isinstance(packed, PackedPass)
        frames, *prompts = packed.rows
        if not prompts:
            hidden, took = _timed(lambda: self.model.forward(inputs, packed))
            self.chunk.append(took)
            return hidden
        alone = PackedPass([frames])
        _, plain = _timed(lambda: self.model.forward(inputs[: frames.tokens], alone))
        hidden, both = _timed(lambda: self.model.forward(inputs, packed))
        self.chunk.append(plain)
        self.guidance.append(both - plain)
        return hidden


class ClockedPolicy(Hermes):
    """The default policy, noting how long it took to choose."""

    def __init__(self) -> None:
        super().__init__()
        self.scoring: list[float] = []

    def select(self, candidates: Candidates, budget: int) -> Selection:
        selection, took = _timed(lambda: super(ClockedPolicy, self).select(candidates, budget))
        self.scoring.append(took)
        return selection


def run(rounds: int) -> list[Row]:
    """The rows of this module. `rounds` is not used: one chunk takes long enough to measure."""
    blind: Any = Blind(random_model(SHAPE, dtype=fast_dtype()))
    model = Clocked(blind)
    policy = ClockedPolicy()
    prompts = tuple(model.embed(list(range(3, 3 + count))) for count in PROMPT_TOKENS)
    memory = VideoMemory(
        model,
        policy,
        budget=BUDGET,
        compress_every_frames=EVERY,
        prompts=(prompts[0], prompts[1]),
    )
    picture = torch.zeros((1, 3, 1, 1), dtype=torch.uint8)
    torch.set_num_threads(usable_cpus())
    while memory.cache.over_budget_with < 0 or memory.cache.video_tokens != BUDGET:
        memory.feed(picture)  # until it is full, and was compressed for the first time
    torch.set_num_threads(1)
    prefill, guidance, scoring, gathering = ([] for _ in range(4))
    for _ in range(CHUNKS):
        model.chunk.clear()
        memory.feed(picture.expand(EVERY - 1, 3, 1, 1))
        _, last = _timed(lambda: memory.feed(picture))
        prefill.append(sum(model.chunk))
        guidance.append(model.guidance[-1])
        scoring.append(policy.scoring[-1])
        # What is left of the last frame: the check of its numbers, and the compression itself.
        gathering.append(last - 2 * model.chunk[-1] - guidance[-1] - scoring[-1])
    parts = [statistics.median(part) for part in (guidance, scoring, gathering)]
    whole, alone = sum(parts), statistics.median(prefill)
    split = ", ".join(
        f"{name} {1e3 * took:.0f} ms"
        for name, took in zip(("guidance", "scoring", "gathering"), parts, strict=True)
    )
    dtype = str(model.shape.dtype).removeprefix("torch.")
    with torch.inference_mode():
        first_token(blind, memory.cache)
        ttft = statistics.median(
            _timed(lambda: first_token(blind, memory.cache))[1] for _ in range(5)
        )
    return [
        Row(
            f"compression of a full memory, 0.5B shape, {dtype}: {whole / alone:.1%} ({split})",
            whole,
            f"prefill of its {EVERY} frames, tower left out",
            alone,
        ),
        Row(
            f"warm TTFT, 0.5B shape, {dtype}, a full memory of {BUDGET} tokens",
            ttft,
            f"re-encoding {EVERY} frames, tower left out (64 take four times as long or more)",
            alone,
        ),
    ]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
