"""Keys and values as a memory stores them: in the model's type, or in 8 bits.

The 8 bits are those of `float8_e4m3fn`, without scales: a number is rounded by at most a
sixteenth of itself, or by 2^-10 where it is less than 2^-6, and is at most 448.

Some models add a bias to every key. It is the same for all tokens, and in single channels
a hundred times what differs between them: rounded together, the difference is lost. So
the bias is taken off before a key is rounded, and added when it is read. That takes keys that are
not rotated, as a memory has them.
"""

from __future__ import annotations

import logging
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from hermes.memory.rope import kernels_for
from hermes.memory.shape import CacheShape

log = logging.getLogger(__name__)

EIGHT_BITS = torch.float8_e4m3fn
"""The type of 8 bits in which keys and values can be stored."""

LARGEST = torch.finfo(EIGHT_BITS).max


KV_CACHE_DTYPES: dict[str, torch.dtype | None] = {
    "auto": None,
    "fp8": EIGHT_BITS,
    "fp8_e4m3": EIGHT_BITS,
}
"""By name, what `CacheShape.stored` can be: the model's type, or 8 bits."""


def narrowed(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x` in 8 bits, without the `bias`. What is too large becomes the largest number there is.

    What is not finite becomes a number that is none, so that it is found (`AppendRow.finite`).
    """
    wide = x.to(torch.float32)
    if bias is not None:
        wide = wide - bias
    held = wide.clamp(-LARGEST, LARGEST)
    return torch.where(wide.isfinite(), held, torch.nan).to(EIGHT_BITS)


def widened(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """In fp32, with the `bias`."""
    wide = x.to(torch.float32)
    return wide if bias is None else wide + bias


def movable(x: Tensor) -> Tensor:
    """`x` in a type that can be gathered and scattered: 8 bits are seen as bytes."""
    return x.view(torch.uint8) if x.dtype == EIGHT_BITS else x


def bias_of(shape: CacheShape, layers: slice) -> Tensor | None:
    """What was taken off stored keys of these layers, [layers, kv_heads, 1, head_dim]; or None."""
    if shape.stored is None or shape.key_bias is None:
        return None
    return shape.key_bias[layers].to(torch.float32).unsqueeze(2)


def kernels_that_store(device: torch.device, head_dim: int) -> ModuleType | None:
    """What stores keys and values in 8 bits in one launch; None if it is done in steps."""
    return None if kernels_for(device, head_dim) is None else _working_kernels(device)


@cache
def _working_kernels(device: torch.device) -> ModuleType | None:
    """The kernels, if they are right on this device."""
    try:
        from hermes.memory import storing

        x = torch.linspace(-500, 500, 64, device=device).view(2, 2, 16)
        keys, values = torch.empty((2, *x.shape), dtype=EIGHT_BITS, device=device)
        bias = x[:, 0].contiguous()
        storing.store(x, x, bias, keys, values, 0)
        expected = narrowed(x, bias.unsqueeze(1)), narrowed(x)
        if all(map(torch.equal, map(movable, (keys, values)), map(movable, expected))):
            return storing
        log.warning("kernels for 8 bits are wrong on %s: they are stored in steps", device)
    except Exception as error:  # a GPU that the compiler does not know
        log.warning("no kernels for 8 bits on %s (%s): they are stored in steps", device, error)
    return None
