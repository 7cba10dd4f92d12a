"""Triton kernels for a mixture of experts, over a few tokens. Only for CUDA.

A token of an answer is read by a few experts of many, and takes as long as reading their weights.
Two launches do it: each block of threads finds the token's experts from the router's output by
itself, which costs less than a launch, and reads weights where they lie.

Triton comes with PyTorch's CUDA builds; import this module only there. `hermes.vlm.experts` has
the same in steps, which is the reference.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, import-untyped, import-not-found"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_ROWS = 8
"""Rows of a matrix of weights that a block of threads reads."""
_COLUMNS = 512
"""Columns of them that it reads at once, at most."""
_WARPS = 4


@triton.jit
def _levels(router, token, EXPERTS: tl.constexpr, PADDED: tl.constexpr):
    """The router's output for all experts of a token."""
    slots = tl.arange(0, PADDED)
    line = router + token * EXPERTS + slots
    return tl.load(line, mask=slots < EXPERTS, other=float("-inf")).to(tl.float32)


@triton.jit
def _best(levels, EXPERTS: tl.constexpr, PADDED: tl.constexpr):
    """The best expert that is left, its level, and the levels without it."""
    best, level = tl.argmax(levels, 0), tl.max(levels, 0)
    left = tl.where(tl.arange(0, PADDED) == best, float("-inf"), levels)
    # Where levels are not finite there may be none left: any expert does, if its weights are there.
    return tl.minimum(best, EXPERTS - 1).to(tl.int64), level, left


@triton.jit
def _gated(
    values,
    router,
    weights,
    made,
    EXPERTS: tl.constexpr,
    PADDED: tl.constexpr,
    WIDTH: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """silu(gate(x)) * up(x) of one of a token's experts, some rows of it."""
    token, rank = tl.program_id(0).to(tl.int64), tl.program_id(1)
    levels = _levels(router, token, EXPERTS, PADDED)
    for _ in range(rank):
        _, _, levels = _best(levels, EXPERTS, PADDED)
    expert, _, _ = _best(levels, EXPERTS, PADDED)

    rows, columns = tl.program_id(2) * ROWS + tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    gates = weights + (expert * 2 * INNER + rows[:, None]) * WIDTH + columns[None, :]
    gate = tl.zeros([ROWS, COLUMNS], tl.float32)
    up = tl.zeros([ROWS, COLUMNS], tl.float32)
    for at in tl.range(0, WIDTH, COLUMNS):
        value = tl.load(values + token * WIDTH + at + columns).to(tl.float32)[None, :]
        gate += tl.load(gates + at).to(tl.float32) * value
        up += tl.load(gates + INNER * WIDTH + at).to(tl.float32) * value
    gated = tl.sum(gate, 1)
    gated = gated / (1.0 + tl.exp(-gated)) * tl.sum(up, 1)
    line = made + (token * tl.num_programs(1) + rank) * INNER + rows
    tl.store(line, gated.to(made.dtype.element_ty))


@triton.jit
def _mixed(
    hidden,
    made,
    router,
    weights,
    EXPERTS: tl.constexpr,
    PADDED: tl.constexpr,
    CHOSEN: tl.constexpr,
    WIDTH: tl.constexpr,
    INNER: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Add what a token's experts make of it, each with its share, to some of its columns."""
    token = tl.program_id(0).to(tl.int64)
    rows, columns = tl.program_id(1) * ROWS + tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    levels = _levels(router, token, EXPERTS, PADDED)
    highest = tl.max(levels, 0)
    mass = 0.0
    mixed = tl.zeros([ROWS, COLUMNS], tl.float32)
    for rank in tl.range(0, CHOSEN):
        expert, level, levels = _best(levels, EXPERTS, PADDED)
        share = tl.exp(level - highest)
        mass += share
        lines = weights + (expert * WIDTH + rows[:, None]) * INNER + columns[None, :]
        value = made + (token * CHOSEN + rank) * INNER + columns
        for at in tl.static_range(0, INNER, COLUMNS):
            shared = tl.load(value + at).to(tl.float32) * share
            mixed += tl.load(lines + at).to(tl.float32) * shared[None, :]
    line = hidden + token * WIDTH + rows
    added = tl.load(line).to(tl.float32) + tl.sum(mixed, 1) / mass
    tl.store(line, added.to(hidden.dtype.element_ty))


def gated(values: Tensor, router: Tensor, weights: Tensor, chosen: int) -> Tensor:
    """silu(gate(x)) * up(x) by the `chosen` best experts of each token: [n, chosen, inner].

    `values`: [n, width]. `router`: [n, experts], what the router made of them. `weights`:
    [experts, 2 * inner, width]. All are contiguous; `width` and `inner` are multiples of 16.
    """
    (tokens, width), (experts, doubled, _) = values.shape, weights.shape
    inner = doubled // 2
    made = torch.empty((tokens, chosen, inner), dtype=values.dtype, device=values.device)
    _gated[(tokens, chosen, inner // _ROWS)](
        values,
        router,
        weights,
        made,
        EXPERTS=experts,
        PADDED=triton.next_power_of_2(experts),
        WIDTH=width,
        INNER=inner,
        ROWS=_ROWS,
        COLUMNS=_columns(width),
        num_warps=_WARPS,
    )
    return made


def mixed(hidden: Tensor, made: Tensor, router: Tensor, weights: Tensor) -> Tensor:
    """`hidden` [n, width], overwritten by its sum with what the experts make of `made`.

    `made`: [n, chosen, inner], as `gated` gives it. `router`: as there. `weights`:
    [experts, width, inner]. All are contiguous.
    """
    (tokens, chosen, inner), (experts, width, _) = made.shape, weights.shape
    _mixed[(tokens, width // _ROWS)](
        hidden,
        made,
        router,
        weights,
        EXPERTS=experts,
        PADDED=triton.next_power_of_2(experts),
        CHOSEN=chosen,
        WIDTH=width,
        INNER=inner,
        ROWS=_ROWS,
        COLUMNS=_columns(inner),
        num_warps=_WARPS,
    )
    return hidden


def _columns(all_of: int) -> int:
    """The largest power of two that divides them, up to a limit."""
    return min(_COLUMNS, all_of & -all_of)
