"""Triton kernels that rotate keys and queries, in one launch each. Only for CUDA.

They compute what `hermes.memory.rope` computes step by step, which is the reference.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, import-untyped, import-not-found"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from hermes.memory.storing import widen

_TOKENS = 32
"""Tokens that a block of threads rotates."""


@triton.jit
def _sines(angle):
    """cos and sin of angles in fp32, up to 100,000 radians, to 1e-6.

    The hardware's own functions lose digits with the size of the angle. So multiples of pi / 2
    are taken off in three steps, of which the first is exact (Cody and Waite, 1980), and
    polynomials give the rest (those of the Cephes library).
    """
    turns = tl.floor(angle * 0.6366197723675814 + 0.5)
    rest = angle - turns * 1.5703125
    rest = rest - turns * 4.837512969970703125e-4
    rest = rest - turns * 7.54978995489188e-8
    square = rest * rest
    sin = ((-1.9515295891e-4 * square + 8.3321608736e-3) * square - 1.6666654611e-1) * square
    sin = sin * rest + rest
    cos = (2.443315711809948e-5 * square - 1.388731625493765e-3) * square
    cos = (cos + 4.166664568298827e-2) * square * square - 0.5 * square + 1.0
    quarter = turns.to(tl.int32) & 3
    swap, negative = (quarter & 1) != 0, (quarter & 2) != 0
    turned_cos, turned_sin = tl.where(swap, -sin, cos), tl.where(swap, cos, sin)
    return tl.where(negative, -turned_cos, turned_cos), tl.where(negative, -turned_sin, turned_sin)


@triton.jit
def _angles(positions, axis_stride, frequencies, axis, dims, there, AXES: tl.constexpr):
    """[tokens, half the channels]: each channel turns with its own axis."""
    position = tl.load(positions, mask=there, other=0).to(tl.float32)[:, None]
    if AXES > 1:
        of = tl.load(axis + dims)[None, :]
        for other in tl.static_range(1, AXES):
            found = tl.load(positions + other * axis_stride, mask=there, other=0).to(tl.float32)
            position = tl.where(of == other, found[:, None], position)
    return position * tl.load(frequencies + dims)[None, :]


# What changes from pass to pass is not specialised: a kernel is compiled once.


@triton.jit(
    do_not_specialize=["axis_stride", "token_stride", "tokens"],
    do_not_specialize_on_alignment=["positions"],
)
def _tables(
    positions,
    frequencies,
    axis,
    out,
    axis_stride,
    token_stride,
    tokens,
    scaling,
    AXES: tl.constexpr,
    DIM: tl.constexpr,
    TOKENS: tl.constexpr,
):
    """cos and sin of some positions: [tokens, 2, DIM] fp32."""
    half: tl.constexpr = DIM // 2
    token, dims = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS), tl.arange(0, half)
    there = token < tokens
    places = positions + token * token_stride
    cos, sin = _sines(_angles(places, axis_stride, frequencies, axis, dims, there, AXES))
    cos, sin = cos * scaling, sin * scaling
    line = out + token[:, None] * 2 * DIM + dims[None, :]
    tl.store(line, cos, mask=there[:, None])
    tl.store(line + half, cos, mask=there[:, None])
    tl.store(line + DIM, sin, mask=there[:, None])
    tl.store(line + DIM + half, sin, mask=there[:, None])


@triton.jit
def _half(source, there):
    """Half of the channels of some vectors, in fp32. Bytes are vectors in 8 bits."""
    found = tl.load(source, mask=there, other=0)
    if source.dtype.element_ty == tl.uint8:
        return widen(found)
    return found.to(tl.float32)


@triton.jit
def _turn(low, high, target, cos, sin, there, HALF: tl.constexpr):
    """Rotate some vectors. Each channel of the first half has its partner in the second."""
    kind = target.dtype.element_ty
    tl.store(target, (low * cos - high * sin).to(kind), mask=there)
    tl.store(target + HALF, (high * cos + low * sin).to(kind), mask=there)


@triton.jit(do_not_specialize=["tokens"])
def _rotate(
    x,
    cos,
    sin,
    out,
    x_head,
    x_token,
    cos_token,
    sin_token,
    out_head,
    out_token,
    tokens,
    scale,
    DIM: tl.constexpr,
    TOKENS: tl.constexpr,
):
    """Rotate vectors of every head to their tables, and scale them."""
    half: tl.constexpr = DIM // 2
    token, dims = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS), tl.arange(0, half)
    head = tl.program_id(1).to(tl.int64)
    there = (token < tokens)[:, None]
    token = token[:, None]
    turn = tl.load(cos + token * cos_token + dims[None, :], mask=there, other=0.0) * scale
    tilt = tl.load(sin + token * sin_token + dims[None, :], mask=there, other=0.0) * scale
    source = x + head * x_head + token * x_token + dims[None, :]
    target = out + head * out_head + token * out_token + dims[None, :]
    low, high = _half(source, there), _half(source + half, there)
    _turn(low, high, target, turn, tilt, there, half)


@triton.jit(
    do_not_specialize=["position_layer", "position_axis", "chosen_layer", "first", "tokens"],
    do_not_specialize_on_alignment=["positions", "chosen", "counts"],
)
def _rotate_keys(
    keys,
    positions,
    frequencies,
    axis,
    chosen,
    counts,
    bias,
    out,
    layer_stride,
    head_stride,
    position_layer,
    position_axis,
    chosen_layer,
    out_layer,
    out_head,
    first,
    tokens,
    scaling,
    KV: tl.constexpr,
    AXES: tl.constexpr,
    DIM: tl.constexpr,
    TOKENS: tl.constexpr,
    GATHERS: tl.constexpr,
    BIASED: tl.constexpr,
):
    """Rotate keys of all layers to their positions: the tokens from `first` on.

    `GATHERS`: in each layer those that are `chosen` there, of which there are `counts`.
    `BIASED`: with the `bias` that was taken off them.
    """
    half: tl.constexpr = DIM // 2
    layer, dims = tl.program_id(1).to(tl.int64), tl.arange(0, half)
    token = first + tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    there = token < first + tokens
    place = token
    if GATHERS:
        there &= token < tl.load(counts + layer)
        place = tl.load(chosen + layer * chosen_layer + token, mask=there, other=0).to(tl.int32)
    where = positions + layer * position_layer + place
    cos, sin = _sines(_angles(where, position_axis, frequencies, axis, dims, there, AXES))
    cos, sin = cos * scaling, sin * scaling
    source = keys + layer * layer_stride + place[:, None] * DIM + dims[None, :]
    target = out + layer * out_layer + token[:, None] * DIM + dims[None, :]
    there = there[:, None]
    for head in range(KV):
        line = source + head * head_stride
        low, high = _half(line, there), _half(line + half, there)
        if BIASED:
            added = bias + (layer * KV + head) * DIM + dims[None, :]
            low, high = low + tl.load(added), high + tl.load(added + half)
        _turn(low, high, target + head * out_head, cos, sin, there, half)


def tables(positions: Tensor, frequencies: Tensor, axis: Tensor, scaling: float) -> Tensor:
    """cos and sin, [n, 2, head_dim] fp32, for positions [axes, n] of integers."""
    (axes, tokens), dim = positions.shape, len(frequencies)
    out = torch.empty((tokens, 2, dim), dtype=torch.float32, device=positions.device)
    if tokens:
        _tables[(triton.cdiv(tokens, _TOKENS),)](
            positions,
            frequencies,
            axis,
            out,
            *positions.stride(),
            tokens,
            scaling,
            AXES=axes,
            DIM=dim,
            TOKENS=_TOKENS,
        )
    return out


def rotate(x: Tensor, tables: tuple[Tensor, Tensor], out: Tensor, scale: float) -> Tensor:
    """Rotate `x` [heads, n, head_dim] to `tables`, each [n, head_dim], into `out`."""
    heads, tokens, dim = x.shape
    x, cos, sin = (part if part.stride(-1) == 1 else part.contiguous() for part in (x, *tables))
    if tokens:
        _rotate[(triton.cdiv(tokens, _TOKENS), heads)](
            x,
            cos,
            sin,
            out,
            *x.stride()[:2],
            cos.stride(0),
            sin.stride(0),
            *out.stride()[:2],
            tokens,
            scale,
            DIM=dim,
            TOKENS=_TOKENS,
        )
    return out


def rotate_keys(
    keys: Tensor,
    positions: Tensor,
    rotary: tuple[Tensor, Tensor, float],
    out: Tensor,
    span: tuple[int, int],
    chosen: tuple[Tensor, Tensor] | None = None,
    bias: Tensor | None = None,
) -> None:
    """Rotate `keys` [layers, kv_heads, capacity, head_dim] to `positions` [layers, axes, capacity].

    Writes `out` [layers, kv_heads, room, head_dim] from the first to the second of `span`.
    `rotary`: frequencies, axis and scaling. `chosen`: [layers, n] int64, which key goes to each
    place, and [layers] int32, how many do; without, all keys keep their places. `bias`: [layers,
    kv_heads, 1, head_dim] fp32, what was taken off the keys.
    """
    layers, kv_heads, _, dim = keys.shape
    frequencies, axis, scaling = rotary
    first, tokens = span[0], span[1] - span[0]
    indices, counts = (positions, positions) if chosen is None else chosen
    if tokens > 0:
        _rotate_keys[(triton.cdiv(tokens, _TOKENS), layers)](
            keys.view(torch.uint8) if keys.itemsize == 1 else keys,
            positions,
            frequencies,
            axis,
            indices,
            counts,
            frequencies if bias is None else bias,
            out,
            *keys.stride()[:2],
            *positions.stride()[:2],
            indices.stride(0),
            *out.stride()[:2],
            first,
            tokens,
            scaling,
            KV=kv_heads,
            AXES=positions.shape[1],
            DIM=dim,
            TOKENS=_TOKENS,
            GATHERS=chosen is not None,
            BIASED=bias is not None,
        )
