"""Rotary position embedding, applied when a key is read and not when it is written.

The cache keeps keys as they were projected, and an integer position for each.
Moving a token is then integer arithmetic: no key is ever rotated twice, and no
error builds up however often positions are compacted.

Source: Su et al., RoFormer (arXiv 2104.09864); multimodal sections as in
Qwen2-VL (arXiv 2409.12191).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rotary:
    """The rotation of one model family.

    `frequencies`: [head_dim] fp32, radians per position of each channel.
    `axis`: [head_dim] int64, the axis whose position rotates each channel.
    `scaling`: factor on cos and sin (1 unless the model scales its RoPE).
    """

    frequencies: Tensor
    axis: Tensor
    scaling: float = 1.0

    def tables(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin, each [n, head_dim] fp32, for positions [axes, n] of integers."""
        angles = positions.to(torch.float32)[self.axis].mT * self.frequencies
        return angles.cos() * self.scaling, angles.sin() * self.scaling


def rotate(x: Tensor, tables: tuple[Tensor, Tensor], out: Tensor | None = None) -> Tensor:
    """Rotate `x` [heads, n, head_dim] to its positions, given their `tables`.

    Computed in fp32, returned in the type of `x`, or written to `out`.
    """
    cos, sin = tables
    half = x.shape[-1] // 2
    wide = x.to(torch.float32)
    swapped = torch.cat((-wide[..., half:], wide[..., :half]), dim=-1)
    rotated = wide * cos + swapped * sin
    if out is None:
        return rotated.to(x.dtype)
    return out.copy_(rotated)
