"""A Triton kernel that begins a layer's attention: it writes the tokens of a pass. Only for CUDA.

Queries and keys are normalised, where the model does that, and rotated to their positions; keys and
values are appended to what their answers have of their own.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, import-untyped, import-not-found"

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from hermes.memory.attention import HeadNorms
from hermes.memory.reading import ALIGNED, COLUMNS, Column

_ALIGNED = tl.constexpr(ALIGNED)
_OWN_KEYS = tl.constexpr(COLUMNS.index(Column.OWN_KEYS))
_OWN_VALUES = tl.constexpr(COLUMNS.index(Column.OWN_VALUES))
_ROOM = tl.constexpr(COLUMNS.index(Column.ROOM))
_INDEX = tl.constexpr(COLUMNS.index(Column.INDEX))


@triton.jit
def address(cell, kind):
    """The address in a cell of the table, as a pointer to numbers of this type.

    The host promises its alignment (`hermes.memory.reading`): so vectors of 16 bytes are loaded.
    """
    return tl.multiple_of(tl.load(cell).to(tl.pointer_type(kind)), _ALIGNED)


@triton.jit(do_not_specialize=["layer", "tokens"])
def _write(
    table,
    rotations,
    query,
    key,
    value,
    query_norm,
    key_norm,
    asked,
    query_head,
    query_token,
    key_head,
    key_token,
    value_head,
    value_token,
    layer,
    tokens,
    scale,
    epsilon,
    KV: tl.constexpr,
    GROUPS: tl.constexpr,
    GROUP_ROWS: tl.constexpr,
    DIM: tl.constexpr,
    NORMED: tl.constexpr,
):
    """Rotate a token's queries and key; append key and value to its answer's own tokens.

    `NORMED`: each head is normalised before.
    """
    token, head = tl.program_id(0), tl.program_id(1)
    index = tl.load(table + _INDEX * tokens + token)
    if index >= 0:
        kind = key.dtype.element_ty
        half: tl.constexpr = DIM // 2
        dims, groups = tl.arange(0, half), tl.arange(0, GROUP_ROWS)
        cos = tl.load(rotations + token * 2 * DIM + dims)
        sin = tl.load(rotations + token * 2 * DIM + DIM + dims)

        source = key + head * key_head + token * key_token + dims
        low, high = tl.load(source).to(tl.float32), tl.load(source + half).to(tl.float32)
        if NORMED:
            square = (tl.sum(low * low, 0) + tl.sum(high * high, 0)) / DIM
            level = tl.rsqrt(square + epsilon)
            low = low * level * tl.load(key_norm + dims).to(tl.float32)
            high = high * level * tl.load(key_norm + half + dims).to(tl.float32)
        room = tl.load(table + _ROOM * tokens + token)
        at = ((layer * KV + head) * room + index) * DIM
        keys = address(table + _OWN_KEYS * tokens + token, kind) + at + dims
        tl.store(keys, (low * cos - high * sin).to(kind))
        tl.store(keys + half, (high * cos + low * sin).to(kind))
        source = value + head * value_head + token * value_token + dims
        values = address(table + _OWN_VALUES * tokens + token, kind) + at + dims
        tl.store(values, tl.load(source))
        tl.store(values + half, tl.load(source + half))

        there = (groups < GROUPS)[:, None]
        heads = head * GROUPS + groups[:, None]
        source = query + heads * query_head + token * query_token + dims[None, :]
        low = tl.load(source, mask=there, other=0.0).to(tl.float32)
        high = tl.load(source + half, mask=there, other=0.0).to(tl.float32)
        if NORMED:
            square = (tl.sum(low * low, 1) + tl.sum(high * high, 1)) / DIM
            level = tl.rsqrt(square + epsilon)[:, None]
            low = low * level * tl.load(query_norm + dims).to(tl.float32)[None, :]
            high = high * level * tl.load(query_norm + half + dims).to(tl.float32)[None, :]
        low, high = low * scale, high * scale
        lines = asked + (token * KV * GROUPS + heads) * DIM + dims[None, :]
        tl.store(lines, (low * cos - high * sin).to(kind), mask=there)
        tl.store(lines + half, (high * cos + low * sin).to(kind), mask=there)


def write(
    table: Tensor,
    rotations: Tensor,
    heads: tuple[Tensor, Tensor, Tensor],
    norms: HeadNorms | None,
    asked: Tensor,
    layer: int,
    scale: float,
    group_rows: int,
) -> None:
    """Write the tokens of a pass, and their queries, rotated and scaled, to `asked`.

    `heads`: [heads, N, dim] queries, [kv_heads, N, dim] keys and values. `table`, `rotations`: as
    of a `hermes.memory.kernels.Reader`. `asked`: [N, heads, dim]. `group_rows`: query heads that
    share a key head, rounded up to a power of two.
    """
    query, key, value = heads
    kv_heads, tokens, dim = key.shape
    _write[(tokens, kv_heads)](
        table,
        rotations,
        query,
        key,
        value,
        query if norms is None else norms.query,
        key if norms is None else norms.key,
        asked,
        *query.stride()[:2],
        *key.stride()[:2],
        *value.stride()[:2],
        layer,
        tokens,
        scale,
        0.0 if norms is None else norms.epsilon,
        KV=kv_heads,
        GROUPS=len(query) // kv_heads,
        GROUP_ROWS=group_rows,
        DIM=dim,
        NORMED=norms is not None,
        num_warps=1,
    )
