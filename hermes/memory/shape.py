"""The shape of a model's KV cache."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class CacheShape:
    """The dimensions, types and device of a cache.

    `axes`: coordinates of a position; 1 for plain RoPE, 3 (time, height,
    width) for multimodal RoPE. `dtype`: the model's, of queries, rotated keys and
    what belongs to a question. `stored`: the type in which memories store keys and
    values (`hermes.memory.stored`); None: the model's. `key_bias`: [layers, kv_heads, head_dim],
    what the model adds to the keys of all tokens alike; None if it adds nothing.
    """

    layers: int
    kv_heads: int
    head_dim: int
    axes: int
    dtype: torch.dtype
    device: torch.device
    stored: torch.dtype | None = None
    key_bias: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def stored_dtype(self) -> torch.dtype:
        """The type of stored keys and values."""
        return self.stored or self.dtype

    @property
    def bytes_per_token(self) -> int:
        """Stored keys and values of one token over all layers, in bytes."""
        return self._numbers_per_token * self.stored_dtype.itemsize

    @property
    def rotated_bytes_per_token(self) -> int:
        """Rotated keys of one token over all layers, in bytes: they have the model's type."""
        return self._numbers_per_token // 2 * self.dtype.itemsize

    @property
    def widest_bytes_per_token(self) -> int:
        """As `bytes_per_token`, in whichever type takes more."""
        return self._numbers_per_token * max(self.dtype.itemsize, self.stored_dtype.itemsize)

    @property
    def _numbers_per_token(self) -> int:
        return self.layers * self.kv_heads * self.head_dim * 2
