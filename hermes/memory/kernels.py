"""Triton kernels by which questions and answers read memories in place. Only for CUDA.

Triton comes with PyTorch's CUDA builds; import this module only there. A pass
over N tokens finds each token's memory through a table of integers
(`hermes.memory.reading`), so that the shape of the pass is always the same.

Attention is computed in splits over the keys that are joined at the end, as in
Flash-Decoding (Dao et al., 2023), so that a single question keeps a GPU busy.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, import-untyped, import-not-found"

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from hermes.memory.reading import COLUMNS, Column

_BLOCK = 64
_FEWEST = 16
"""The fewest rows of a matrix product."""

_KEYS = tl.constexpr(COLUMNS.index(Column.KEYS))
_VALUES = tl.constexpr(COLUMNS.index(Column.VALUES))
_SEEN = tl.constexpr(COLUMNS.index(Column.SEEN))
_CAPACITY = tl.constexpr(COLUMNS.index(Column.CAPACITY))
_OWN_KEYS = tl.constexpr(COLUMNS.index(Column.OWN_KEYS))
_OWN_VALUES = tl.constexpr(COLUMNS.index(Column.OWN_VALUES))
_ROOM = tl.constexpr(COLUMNS.index(Column.ROOM))
_INDEX = tl.constexpr(COLUMNS.index(Column.INDEX))
_FORK = tl.constexpr(COLUMNS.index(Column.FORK))
_SKIP = tl.constexpr(COLUMNS.index(Column.SKIP))
_COUNTS = tl.constexpr(COLUMNS.index(Column.COUNTS))


@triton.jit
def _rotated(row, table, dims, DIM: tl.constexpr):
    """A vector at `row`, rotated by cos and sin at `table` and `table + DIM`. fp32."""
    half: tl.constexpr = DIM // 2
    plain = tl.load(row + dims).to(tl.float32)
    other = tl.load(row + (dims + half) % DIM).to(tl.float32)
    other = tl.where(dims < half, -other, other)
    return plain * tl.load(table + dims) + other * tl.load(table + DIM + dims)


@triton.jit
def _write(
    table, rotations, key, value, head_stride, layer, tokens, KV: tl.constexpr, DIM: tl.constexpr
):
    """Append a token's key, rotated, and its value to its answer's own tokens."""
    token, head = tl.program_id(0), tl.program_id(1)
    index = tl.load(table + _INDEX * tokens + token)
    if index >= 0:
        dims = tl.arange(0, DIM)
        room = tl.load(table + _ROOM * tokens + token)
        at = ((layer * KV + head) * room + index) * DIM + dims
        kind = key.dtype.element_ty
        keys = tl.load(table + _OWN_KEYS * tokens + token).to(tl.pointer_type(kind))
        values = tl.load(table + _OWN_VALUES * tokens + token).to(tl.pointer_type(kind))
        source = head * head_stride + token * DIM
        rotated = _rotated(key + source, rotations + token * 2 * DIM, dims, DIM)
        tl.store(keys + at, rotated.to(kind))
        tl.store(values + at, tl.load(value + source + dims))


@triton.jit
def _seen(table, token, layer, tokens):
    """How many tokens of its memory a token sees in this layer."""
    everywhere = tl.load(table + _SEEN * tokens + token)
    address = tl.load(table + _COUNTS * tokens + token)
    counts = address.to(tl.pointer_type(tl.int32))
    here = tl.load(counts + layer, mask=address != 0, other=0).to(tl.int64)
    return tl.where(address != 0, here, everywhere)


@triton.jit
def _attend(
    table,
    rotations,
    query,
    parts,
    sums,
    head_stride,
    layer,
    tokens,
    scale,
    KV: tl.constexpr,
    GROUPS: tl.constexpr,
    ROWS: tl.constexpr,
    DIM: tl.constexpr,
    SPAN: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One split of the keys, for the query heads that share a key head."""
    token, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    index = tl.load(table + _INDEX * tokens + token)
    seen = _seen(table, token, layer, tokens)
    skip = tl.load(table + _SKIP * tokens + token)
    total = tl.where(index >= 0, seen + index + 1 - skip, 0)
    first = split * SPAN
    if first < total:
        kind = query.dtype.element_ty
        dims, rows = tl.arange(0, DIM), tl.arange(0, ROWS)
        half: tl.constexpr = DIM // 2
        cos = tl.load(rotations + token * 2 * DIM + dims)[None, :]
        sin = tl.load(rotations + token * 2 * DIM + DIM + dims)[None, :]
        lines = query + (head * GROUPS + rows[:, None]) * head_stride + token * DIM
        there = rows[:, None] < GROUPS
        plain = tl.load(lines + dims[None, :], mask=there, other=0.0).to(tl.float32)
        other = tl.load(lines + ((dims + half) % DIM)[None, :], mask=there, other=0.0)
        other = tl.where(dims[None, :] < half, -other.to(tl.float32), other.to(tl.float32))
        asked = ((plain * cos + other * sin) * scale).to(kind)

        capacity = tl.load(table + _CAPACITY * tokens + token)
        room = tl.load(table + _ROOM * tokens + token)
        fork = tl.load(table + _FORK * tokens + token)
        far, near = (layer * KV + head) * capacity * DIM, (layer * KV + head) * room * DIM
        keys = tl.load(table + _KEYS * tokens + token).to(tl.pointer_type(kind)) + far
        values = tl.load(table + _VALUES * tokens + token).to(tl.pointer_type(kind)) + far
        own_keys = tl.load(table + _OWN_KEYS * tokens + token).to(tl.pointer_type(kind)) + near
        own_values = tl.load(table + _OWN_VALUES * tokens + token).to(tl.pointer_type(kind)) + near

        most = tl.full([ROWS], float("-inf"), tl.float32)
        mass = tl.zeros([ROWS], tl.float32)
        out = tl.zeros([ROWS, DIM], tl.float32)
        for start in range(0, SPAN, BLOCK):
            at = first + start + tl.arange(0, BLOCK)
            in_memory, in_own = at < seen, (at >= seen) & (at < total)
            memory = at[:, None] * DIM + dims[None, :]
            slot = at - seen
            slot += tl.where(slot >= fork, skip, 0)
            own = slot[:, None] * DIM + dims[None, :]
            key = tl.load(keys + memory, mask=in_memory[:, None], other=0.0)
            key += tl.load(own_keys + own, mask=in_own[:, None], other=0.0)
            scores = tl.dot(asked, tl.trans(key), input_precision="ieee")
            scores = tl.where((at < total)[None, :], scores, float("-inf"))
            higher = tl.maximum(most, tl.max(scores, 1))
            weights = tl.exp2(scores - higher[:, None])
            shrink = tl.exp2(most - higher)
            value = tl.load(values + memory, mask=in_memory[:, None], other=0.0)
            value += tl.load(own_values + own, mask=in_own[:, None], other=0.0)
            out = out * shrink[:, None]
            out += tl.dot(weights.to(kind), value, input_precision="ieee")
            mass = mass * shrink + tl.sum(weights, 1)
            most = higher
        slot = ((token * KV + head) * SPLITS + split) * ROWS + rows
        tl.store(parts + slot[:, None] * DIM + dims[None, :], out)
        tl.store(sums + 2 * slot, most)
        tl.store(sums + 2 * slot + 1, mass)


@triton.jit
def _join(
    table,
    parts,
    sums,
    joined,
    layer,
    tokens,
    KV: tl.constexpr,
    GROUPS: tl.constexpr,
    ROWS: tl.constexpr,
    DIM: tl.constexpr,
    SPAN: tl.constexpr,
    SPLITS: tl.constexpr,
):
    """Join the splits of one token and key head: [tokens, heads, DIM]."""
    token, head = tl.program_id(0), tl.program_id(1)
    index = tl.load(table + _INDEX * tokens + token)
    seen = _seen(table, token, layer, tokens)
    skip = tl.load(table + _SKIP * tokens + token)
    total = tl.where(index >= 0, seen + index + 1 - skip, 0)
    dims, rows = tl.arange(0, DIM), tl.arange(0, ROWS)
    first = (token * KV + head) * SPLITS * ROWS + rows
    most = tl.full([ROWS], float("-inf"), tl.float32)
    for split in range(SPLITS):
        there = (split * SPAN < total) & (rows < ROWS)
        found = tl.load(sums + 2 * (first + split * ROWS), mask=there, other=float("-inf"))
        most = tl.maximum(most, found)
    most = tl.where(most == float("-inf"), 0.0, most)
    mass = tl.zeros([ROWS], tl.float32)
    out = tl.zeros([ROWS, DIM], tl.float32)
    for split in range(SPLITS):
        there = (split * SPAN < total) & (rows < ROWS)
        slot = first + split * ROWS
        found = tl.load(sums + 2 * slot, mask=there, other=float("-inf"))
        share = tl.exp2(found - most)
        mass += share * tl.load(sums + 2 * slot + 1, mask=there, other=0.0)
        part = tl.load(parts + slot[:, None] * DIM + dims[None, :], mask=there[:, None], other=0.0)
        out += share[:, None] * part
    out = out / tl.where(mass == 0.0, 1.0, mass)[:, None]
    lines = joined + (token * KV * GROUPS + head * GROUPS + rows[:, None]) * DIM + dims[None, :]
    tl.store(lines, out.to(joined.dtype.element_ty), mask=rows[:, None] < GROUPS)


KERNELS = (_write, _attend, _join)
"""All kernels, in the order in which a layer runs them."""


class Reader:
    """Attention of N tokens over their memories, in preallocated buffers.

    `reach`: the most keys that a token sees, its own answer's included. `span`:
    keys of one split.
    """

    def __init__(
        self,
        tokens: int,
        heads: int,
        kv_heads: int,
        dim: int,
        reach: int,
        like: Tensor,
        span: int | None = None,
    ) -> None:
        self._tokens, self._heads, self._kv_heads, self._dim = tokens, heads, kv_heads, dim
        self._groups = heads // kv_heads
        self._rows = max(_FEWEST, triton.next_power_of_2(self._groups))
        # Few tokens need many splits; many keep the device busy by themselves.
        self._span = span or (256 if tokens <= 8 else 2048)
        self._splits = -(-reach // self._span)
        sizes = (tokens, kv_heads, self._splits, self._rows)
        self._parts = torch.empty((*sizes, dim), dtype=torch.float32, device=like.device)
        self._sums = torch.empty((*sizes, 2), dtype=torch.float32, device=like.device)

    def attend(
        self,
        table: Tensor,
        rotations: Tensor,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
    ) -> Tensor:
        """[heads, N, dim] queries and [kv_heads, N, dim] keys and values, as they came ->
        [N, heads, dim].

        `table`: int64 [columns, N]. `rotations`: fp32 [N, 2, dim], cos and sin of each token's
        position.
        """
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        tokens, kv_heads, stride = self._tokens, self._kv_heads, self._tokens * self._dim
        _write[(tokens, kv_heads)](
            table, rotations, key, value, stride, layer, tokens, KV=kv_heads, DIM=self._dim
        )
        _attend[(tokens, kv_heads, self._splits)](
            table,
            rotations,
            query,
            self._parts,
            self._sums,
            stride,
            layer,
            tokens,
            scale * math.log2(math.e),
            KV=kv_heads,
            GROUPS=self._groups,
            ROWS=self._rows,
            DIM=self._dim,
            SPAN=self._span,
            SPLITS=self._splits,
            BLOCK=_BLOCK,
        )
        joined = torch.empty(
            (tokens, self._heads, self._dim), dtype=query.dtype, device=query.device
        )
        _join[(tokens, kv_heads)](
            table,
            self._parts,
            self._sums,
            joined,
            layer,
            tokens,
            KV=kv_heads,
            GROUPS=self._groups,
            ROWS=self._rows,
            DIM=self._dim,
            SPAN=self._span,
            SPLITS=self._splits,
        )
        return joined
