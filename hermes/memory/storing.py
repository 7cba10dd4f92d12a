"""Triton kernels for keys and values in 8 bits. Only for CUDA.

They compute what `hermes.memory.stored` computes step by step, which is the reference. Numbers
are converted by whole-number arithmetic: not all GPUs convert these by themselves.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, import-untyped, import-not-found"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_TOKENS = 16
"""Tokens that a block of threads stores."""

SHRINKS = tl.constexpr(256.0)
"""How many times less `shrunk` gives."""

_LARGEST = tl.constexpr(448.0)
_LEAST = tl.constexpr(0.015625)
"""Below it, numbers are multiples of 2^-9: they have no exponent of their own."""
_WHOLE = tl.constexpr(12582912.0)
"""1.5 * 2^23. A small number that is added to it is rounded to a whole one, in its last bits."""
_WHOLE_BITS = tl.constexpr(0x4B400000)


@triton.jit
def shrunk(byte):
    """A 256th of the numbers that bytes stand for, in fp16: exactly.

    The bits are the same, of small numbers too; only the exponent of fp16 is 8 more.
    """
    bits = byte.to(tl.int8, bitcast=True).to(tl.int16) << 7
    return (bits & -0x4001).to(tl.float16, bitcast=True)  # without the second sign


@triton.jit
def widen(byte):
    """The numbers that bytes stand for, in fp32."""
    return shrunk(byte).to(tl.float32) * SHRINKS


@triton.jit
def narrow(wide):
    """The bytes of numbers in fp32, rounded to the nearest, to even where two are as near."""
    size = tl.abs(wide)
    held = tl.minimum(size, _LARGEST)
    bits = held.to(tl.int32, bitcast=True)
    rounded = (bits + 0x7FFFF + ((bits >> 20) & 1)) >> 20  # three bits of the fraction are left
    small = (held * 512.0 + _WHOLE).to(tl.int32, bitcast=True) - _WHOLE_BITS
    byte = tl.where(held < _LEAST, small, rounded - (120 << 3))  # 120: 127 - 7
    byte = tl.where(size < float("inf"), byte, 0x7F)  # no number
    sign = (wide.to(tl.int32, bitcast=True) >> 24) & 0x80
    return (byte | sign).to(tl.uint8)


@triton.jit(do_not_specialize=["tokens"])
def _store(
    key,
    value,
    bias,
    keys,
    values,
    key_head,
    key_token,
    value_head,
    value_token,
    head_stride,
    tokens,
    DIM: tl.constexpr,
    TOKENS: tl.constexpr,
    BIASED: tl.constexpr,
):
    """Store some tokens of every head of one layer."""
    token, dims = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS), tl.arange(0, DIM)
    head = tl.program_id(1).to(tl.int64)
    there = (token < tokens)[:, None]
    target = head * head_stride + token[:, None] * DIM + dims[None, :]
    source = key + head * key_head + token[:, None] * key_token + dims[None, :]
    wide = tl.load(source, mask=there, other=0.0).to(tl.float32)
    if BIASED:
        wide -= tl.load(bias + head * DIM + dims)[None, :]
    tl.store(keys + target, narrow(wide), mask=there)
    source = value + head * value_head + token[:, None] * value_token + dims[None, :]
    wide = tl.load(source, mask=there, other=0.0).to(tl.float32)
    tl.store(values + target, narrow(wide), mask=there)


def store(
    key: Tensor, value: Tensor, bias: Tensor | None, keys: Tensor, values: Tensor, first: int
) -> None:
    """Store `key` and `value` [kv_heads, n, head_dim] in 8 bits, from token `first` on.

    `keys`, `values`: those of a layer, [kv_heads, capacity, head_dim]. `bias`: [kv_heads,
    head_dim] fp32, which is taken off keys.
    """
    heads, tokens, dim = key.shape
    key, value = (part if part.stride(-1) == 1 else part.contiguous() for part in (key, value))
    if tokens:
        _store[(triton.cdiv(tokens, _TOKENS), heads)](
            key,
            value,
            key if bias is None else bias,
            keys[:, first:].view(torch.uint8),
            values[:, first:].view(torch.uint8),
            *key.stride()[:2],
            *value.stride()[:2],
            keys.stride(0),
            tokens,
            DIM=dim,
            TOKENS=_TOKENS,
            BIASED=bias is not None,
        )
