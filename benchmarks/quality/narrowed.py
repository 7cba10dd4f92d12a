"""HERMES whose memory holds keys and values in fewer bits: in 8, as a memory can store them, and
simulated. Then they are rounded as these bits would round them, and stay in the model's type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.quality.contenders import Contender, memory_config
from hermes.evaluation.memory import Memory
from hermes.memory import Compression
from hermes.memory.stored import EIGHT_BITS
from hermes.vlm import VideoMemory, VideoModel
from hermes.vlm.frame_step import FrameStep

STORED = "fp8"
"""The contender that stores 8 bits."""

Rounding = Callable[[Tensor], Tensor]
"""[..., tokens, head_dim] -> the same, as fewer bits hold it."""


def whole_numbers(bits: int) -> Rounding:
    """Whole numbers of so many bits, with a scale for each token of each head."""
    most = (1 << (bits - 1)) - 1

    def rounded(x: Tensor) -> Tensor:
        scale = x.abs().amax(dim=-1, keepdim=True).clamp_min(1e-12) / most
        whole: Tensor = (x / scale).round().clamp(-most, most)
        return whole * scale

    return rounded


def small_floats(x: Tensor) -> Tensor:
    """`float8_e4m3fn`, with a scale for each token of each head."""
    largest = torch.finfo(torch.float8_e4m3fn).max
    scale = x.abs().amax(dim=-1, keepdim=True).clamp_min(1e-12) / largest
    return _cast(x / scale) * scale


def bare_small_floats(x: Tensor) -> Tensor:
    """`float8_e4m3fn` without scales."""
    return _cast(x)


def _cast(x: Tensor) -> Tensor:
    largest = torch.finfo(torch.float8_e4m3fn).max
    return x.clamp(-largest, largest).to(torch.float8_e4m3fn).to(x.dtype)


class Narrowed(VideoMemory):
    """A memory whose tokens are rounded once they are in it. What is held is rounded again with
    each step, which changes nothing but summaries, which are new.
    """

    def __init__(self, model: VideoModel, budget: int, every: int, rounding: Rounding) -> None:
        self._rounding = rounding
        config = memory_config(model, budget, every)
        super().__init__(model, config=config, compress_every_frames=every)

    def end(self, step: FrameStep, finite: Sequence[bool]) -> Compression | None:
        """As a memory does it; then all it holds is rounded."""
        done = super().end(step, finite)
        slab, video = self.cache.held.slab, self.cache.held.video
        for part in (slab.keys, slab.values):
            part[:, :, video] = self._rounding(part[:, :, video])
        slab.moved()
        return done


def narrowed(rounding: Rounding) -> Contender:
    """A contender whose memory is rounded so."""

    def make(model: VideoModel, budget: int, every: int) -> Memory:
        return Narrowed(model, budget, every, rounding)

    return make


class Storing:
    """A model whose memories store 8 bits: what `kv_cache_dtype="fp8"` loads."""

    def __init__(self, model: VideoModel) -> None:
        self._model = model
        self.shape = replace(model.shape, stored=EIGHT_BITS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def stored(model: VideoModel, budget: int, every: int) -> Memory:
    """HERMES that stores 8 bits."""
    narrow: Any = Storing(model)
    config = memory_config(narrow, budget, every)
    return VideoMemory(narrow, config=config, compress_every_frames=every)


def narrow() -> dict[str, Contender]:
    """Keys and values in fewer bits, by name."""
    return {
        STORED: stored,
        "e4m3, a scale a token": narrowed(small_floats),
        "e4m3, no scale": narrowed(bare_small_floats),
        "int8, a scale a token": narrowed(whole_numbers(8)),
        "int4, a scale a token": narrowed(whole_numbers(4)),
        "int3, a scale a token": narrowed(whole_numbers(3)),
    }
