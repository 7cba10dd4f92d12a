"""Rotary position embedding, applied when a key is read and not when it is written.

The cache keeps keys as they were projected, and an integer position for each.
Moving a token is then integer arithmetic: no key is ever rotated twice, and no
error builds up however often positions are compacted.

On a GPU one kernel does what is written here in steps (`hermes.memory.rotation`).

Source: Su et al., RoFormer (arXiv 2104.09864); multimodal sections as in
Qwen2-VL (arXiv 2409.12191).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

log = logging.getLogger(__name__)

LAYERS_AT_ONCE = 7
"""Layers whose keys are rotated in one step, which takes fp32 copies of them for a moment."""

Chosen = tuple[Tensor, Tensor]
"""Which tokens of each layer: [layers, n] int64, and how many of them: [layers] int32."""


@dataclass(frozen=True, slots=True)
class Rotary:
    """The rotation of one model family.

    `frequencies`: [head_dim] fp32, radians per position of each channel; 0 if it stays as it is.
    `axis`: [head_dim] int64, the axis whose position rotates each channel.
    `scaling`: factor on cos and sin (1 unless the model scales its RoPE).

    A channel of the first half and its partner in the second have the same frequency and axis.
    """

    frequencies: Tensor
    axis: Tensor
    scaling: float = 1.0

    def __post_init__(self) -> None:
        for name in ("frequencies", "axis"):
            channels: Tensor = getattr(self, name)
            first, second = channels.chunk(2)
            if not channels.is_meta and not torch.equal(first, second):
                raise ValueError(f"{name} of the two halves of a head must be the same")

    def tables(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin, each [n, head_dim] fp32, for positions [axes, n] of integers."""
        kernels = self._kernels(positions)
        if kernels is not None:
            made = kernels.tables(positions, self.frequencies, self.axis, self.scaling)
            return made[:, 0], made[:, 1]
        angles = positions.to(torch.float32)[self.axis].mT * self.frequencies
        return angles.cos() * self.scaling, angles.sin() * self.scaling

    def stacked(self, positions: Tensor) -> Tensor:
        """As `tables`, in one tensor: [n, 2, head_dim]."""
        kernels = self._kernels(positions)
        if kernels is None:
            return torch.stack(self.tables(positions), dim=1)
        made: Tensor = kernels.tables(positions, self.frequencies, self.axis, self.scaling)
        return made

    def rotate_keys(
        self,
        keys: Tensor,
        positions: Tensor,
        out: Tensor,
        first: int,
        end: int,
        chosen: Chosen | None = None,
        *,
        bias: Tensor | None = None,
    ) -> None:
        """Rotate keys of some layers to their positions, and write them to `out` [`first`:`end`].

        `keys`: [layers, kv_heads, capacity, head_dim]. `positions`: [layers, axes, capacity].
        `out`: [layers, kv_heads, room, head_dim]. `chosen`: the tokens whose keys these are;
        without, those at the same places. Past the chosen ones of a layer, anything may be written.
        `bias`: [layers, kv_heads, 1, head_dim] fp32, which was taken off the keys.
        """
        if first >= end:
            return
        kernels = self._kernels(keys)
        if kernels is not None:
            rotary = self.frequencies, self.axis, self.scaling
            kernels.rotate_keys(keys, positions, rotary, out, (first, end), chosen, bias)
            return
        for at in range(0, len(keys), LAYERS_AT_ONCE):
            some = slice(at, at + LAYERS_AT_ONCE)
            where, wanted = positions[some, :, first:end], keys[some, :, first:end]
            if chosen is not None:
                index = chosen[0][some, None, first:end]
                where = positions[some].gather(2, index.expand(-1, positions.shape[1], -1))
                size = (-1, keys.shape[1], -1, keys.shape[3])
                bytewise = keys[some].view(torch.uint8) if keys.itemsize == 1 else keys[some]
                wanted = bytewise.gather(2, index.unsqueeze(-1).expand(size)).view(keys.dtype)
            if bias is not None:
                wanted = wanted.to(torch.float32) + bias[some]
            # One table for all their tokens: a position is rotated alike in every layer.
            cos, sin = (
                part.unflatten(0, (-1, end - first)).unsqueeze(1)
                for part in self.tables(where.transpose(0, 1).flatten(1))
            )
            _rotated(wanted, (cos, sin), out[some, :, first:end])

    def _kernels(self, where: Tensor) -> ModuleType | None:
        return kernels_for(where.device, len(self.frequencies))


def rotate(
    x: Tensor, tables: tuple[Tensor, Tensor], out: Tensor | None = None, scale: float = 1.0
) -> Tensor:
    """Rotate `x` [heads, n, head_dim] to its positions, given their `tables`, and scale it.

    Computed in fp32, returned in the type of `x`, or written to `out`. Queries are scaled here:
    in fp16 a product of vectors that are not scaled can exceed the largest number.
    """
    kernels = kernels_for(x.device, x.shape[-1])
    if kernels is not None:
        target = torch.empty(x.shape, dtype=x.dtype, device=x.device) if out is None else out
        made: Tensor = kernels.rotate(x, tables, target, scale)
        return made
    if scale != 1.0:
        tables = tables[0] * scale, tables[1] * scale
    return _rotated(x, tables, out)


def _rotated(x: Tensor, tables: tuple[Tensor, Tensor], out: Tensor | None) -> Tensor:
    cos, sin = tables
    half = x.shape[-1] // 2
    wide = x.to(torch.float32)
    swapped = wide.roll(half, dims=-1)
    swapped[..., :half].neg_()
    rotated = (wide * cos).add_(swapped.mul_(sin))
    if out is None:
        return rotated.to(x.dtype)
    return out.copy_(rotated)


def kernels_for(device: torch.device, head_dim: int) -> ModuleType | None:
    """What rotates heads of this size in one launch; None if it is done in steps."""
    if device.type != "cuda" or head_dim < 16 or head_dim & (head_dim - 1):
        return None
    return _working_kernels(device)


@cache
def _working_kernels(device: torch.device) -> ModuleType | None:
    """The kernels, if they can be compiled on this machine and are right on this device."""
    try:
        from hermes.memory import rotation

        x = torch.linspace(-1, 1, 64, device=device).view(2, 2, 16)
        angles = torch.linspace(0, 9, 32, device=device).view(2, 16)
        found = rotation.rotate(x, (angles.cos(), angles.cos()), torch.empty_like(x), 1.0)
        if torch.allclose(found, _rotated(x, (angles.cos(), angles.cos()), None), atol=1e-5):
            return rotation
        log.warning("rotation kernels are wrong on %s: keys are rotated in steps", device)
    except Exception as error:  # no Triton, no compiler, or a GPU that it does not know
        log.warning("no rotation kernels on %s (%s): keys are rotated in steps", device, error)
    return None
