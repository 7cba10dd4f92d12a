"""The shape of a model's KV cache."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class CacheShape:
    """The dimensions, type and device of a cache.

    `axes`: coordinates of a position; 1 for plain RoPE, 3 (time, height,
    width) for multimodal RoPE.
    """

    layers: int
    kv_heads: int
    head_dim: int
    axes: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes_per_token(self) -> int:
        """Keys and values of one token over all layers, in bytes."""
        return self.layers * self.kv_heads * self.head_dim * 2 * self.dtype.itemsize
