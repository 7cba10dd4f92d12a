"""Triton kernels by which questions and answers read memories in place. Only for CUDA.

Triton comes with PyTorch's CUDA builds; import this module only there. A pass
over N tokens finds each token's memory through a table of integers
(`hermes.memory.reading`), so that the shape of the pass is always the same.

Attention is computed in splits over the keys that are joined at the end, as in
Flash-Decoding (Dao et al., 2023), so that a single question keeps a GPU busy.
Several tokens of one row are read together, so that their memory is read once.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, import-untyped, import-not-found"

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from hermes.memory.attention import HeadNorms
from hermes.memory.reading import ALIGNED, COLUMNS, Column
from hermes.memory.storing import SHRINKS, shrunk
from hermes.memory.tiles import REGISTERS, Tiles
from hermes.memory.writing import address, write

_MOST_SPLITS = 64
"""In how many parts the keys of a token are read at most."""
_FEWEST_KEYS = 64
"""Keys of a part, at least."""
_BLOCKS_EACH = 3
"""Blocks of threads that a multiprocessor runs at once."""
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
_BEFORE = tl.constexpr(COLUMNS.index(Column.BEFORE))
_AFTER = tl.constexpr(COLUMNS.index(Column.AFTER))


@triton.jit
def _seen(table, token, layer, tokens):
    """How many tokens of its memory a token sees in this layer."""
    everywhere = tl.load(table + _SEEN * tokens + token)
    address = tl.load(table + _COUNTS * tokens + token)
    counts = address.to(tl.pointer_type(tl.int32))
    here = tl.load(counts + layer, mask=address != 0, other=0)
    return tl.where(address != 0, here, everywhere.to(tl.int32))


@triton.jit
def _fold(scores, value, most, mass, out):
    """Go on with a softmax over some more keys."""
    higher = tl.maximum(most, tl.max(scores, 1))
    level = tl.where(higher == float("-inf"), 0.0, higher)  # a row that has seen no key yet
    weights = tl.exp2(scores - level[:, None])
    shrink = tl.exp2(most - level)
    out = out * shrink[:, None]
    out = tl.dot(weights.to(value.dtype), value, out, input_precision="ieee")
    return higher, mass * shrink + tl.sum(weights, 1), out


@triton.jit(do_not_specialize=["layer", "tokens", "splits"])
def _attend(
    table,
    asked,
    parts,
    sums,
    layer,
    tokens,
    splits,
    KV: tl.constexpr,
    GROUPS: tl.constexpr,
    GROUP_ROWS: tl.constexpr,
    ROWS: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK: tl.constexpr,
    OWN_BLOCK: tl.constexpr,
    EIGHT_BITS: tl.constexpr,
):
    """One split of the keys, for some tokens of a row and the heads that share a key head.

    Rows of the product: `ROWS // GROUP_ROWS` tokens, of each the heads of a group.
    `EIGHT_BITS`: the memory's values are bytes (`hermes.memory.stored`).
    """
    first, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    together: tl.constexpr = ROWS // GROUP_ROWS
    index = tl.load(table + _INDEX * tokens + first)
    before = tl.load(table + _BEFORE * tokens + first)
    if (index >= 0) & (before % together == 0):
        kind = asked.dtype.element_ty
        dims, rows, slots = tl.arange(0, DIM), tl.arange(0, ROWS), tl.arange(0, BLOCK)
        last = tl.minimum(tl.load(table + _AFTER * tokens + first).to(tl.int32), together - 1)
        token, group = first + rows // GROUP_ROWS, rows % GROUP_ROWS
        there = (rows // GROUP_ROWS <= last) & (group < GROUPS)
        heads = token * KV * GROUPS + head * GROUPS + group
        line = asked + heads[:, None] * DIM + dims[None, :]
        query = tl.load(line, mask=there[:, None], other=0.0)

        seen = _seen(table, first, layer, tokens)
        own = tl.load(table + _INDEX * tokens + first + last).to(tl.int32) + 1
        total = seen + own
        span = tl.cdiv(tl.cdiv(total, splits), BLOCK) * BLOCK
        start = split * span
        stop = tl.minimum(start + span, total)

        most = tl.full([ROWS], float("-inf"), tl.float32)
        mass = tl.zeros([ROWS], tl.float32)
        out = tl.zeros([ROWS, DIM], tl.float32)

        places = slots[:, None] * DIM + dims[None, :]
        capacity = tl.load(table + _CAPACITY * tokens + first)
        far = (layer * KV + head) * capacity * DIM
        keys = address(table + _KEYS * tokens + first, kind) + far
        values = address(table + _VALUES * tokens + first, tl.uint8 if EIGHT_BITS else kind) + far
        end = tl.minimum(stop, seen)
        for at in tl.range(start, end, BLOCK):
            held = slots < end - at
            key = tl.load(keys + at * DIM + places, mask=held[:, None], other=0.0)
            value = tl.load(values + at * DIM + places, mask=held[:, None], other=0)
            if EIGHT_BITS:
                value = shrunk(value).to(kind)
            scores = tl.dot(query, tl.trans(key), input_precision="ieee")
            scores = tl.where(held[None, :], scores, float("-inf"))
            most, mass, out = _fold(scores, value, most, mass, out)
        if EIGHT_BITS:
            out = out * SHRINKS

        room = tl.load(table + _ROOM * tokens + first)
        near = (layer * KV + head) * room * DIM
        keys = address(table + _OWN_KEYS * tokens + first, kind) + near
        values = address(table + _OWN_VALUES * tokens + first, kind) + near
        newest = tl.load(table + _INDEX * tokens + token, mask=there, other=-1).to(tl.int32)
        fork = tl.load(table + _FORK * tokens + token, mask=there, other=0).to(tl.int32)
        skip = tl.load(table + _SKIP * tokens + token, mask=there, other=0).to(tl.int32)
        few = tl.arange(0, OWN_BLOCK)
        places = few[:, None] * DIM + dims[None, :]
        for at in tl.range(tl.maximum(start - seen, 0), stop - seen, OWN_BLOCK):
            slot = at + few
            held = slot < stop - seen
            key = tl.load(keys + at * DIM + places, mask=held[:, None], other=0.0)
            value = tl.load(values + at * DIM + places, mask=held[:, None], other=0.0)
            scores = tl.dot(query, tl.trans(key), input_precision="ieee")
            visible = held[None, :] & (slot[None, :] <= newest[:, None])
            visible &= (slot[None, :] < fork[:, None]) | (slot[None, :] >= (fork + skip)[:, None])
            scores = tl.where(visible, scores, float("-inf"))
            most, mass, out = _fold(scores, value, most, mass, out)

        place = heads * splits + split
        tl.store(parts + place[:, None] * DIM + dims[None, :], out, mask=there[:, None])
        tl.store(sums + 2 * place, most, mask=there)
        tl.store(sums + 2 * place + 1, mass, mask=there)


@triton.jit(do_not_specialize=["tokens", "splits"])
def _join(
    table,
    parts,
    sums,
    joined,
    tokens,
    splits,
    DIM: tl.constexpr,
    MOST: tl.constexpr,
):
    """Join the splits of one token and head, all at once: [tokens, heads, DIM]."""
    token, head, heads = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    dims, split = tl.arange(0, DIM), tl.arange(0, MOST)
    used = tl.load(table + _INDEX * tokens + token) >= 0
    there = used & (split < splits)
    place = (token * heads + head) * splits + split
    most = tl.load(sums + 2 * place, mask=there, other=float("-inf"))
    mass = tl.load(sums + 2 * place + 1, mask=there, other=0.0)
    there = mass > 0.0
    level = tl.max(tl.where(there, most, float("-inf")), 0)
    level = tl.where(level == float("-inf"), 0.0, level)  # the token only fills the pass up
    share = tl.where(there, tl.exp2(most - level), 0.0)
    part = tl.load(parts + place[:, None] * DIM + dims[None, :], mask=there[:, None], other=0.0)
    out = tl.sum(part * share[:, None], 0)
    total = tl.sum(mass * share, 0)
    out = out / tl.where(total == 0.0, 1.0, total)
    tl.store(joined + (token * heads + head) * DIM + dims, out.to(joined.dtype.element_ty))


class Reader:
    """Attention of N tokens over their memories, in preallocated buffers.

    `reach`: the most keys that a token sees, its own answer's included. `splits`: in how many
    parts the keys of a token are read at most. `splits` and `tiles` are what suits the device,
    unless they are given. `eight_bits`: memories store their values in 8 bits.
    """

    def __init__(
        self,
        tokens: int,
        heads: int,
        kv_heads: int,
        dim: int,
        reach: int,
        like: Tensor,
        splits: int | None = None,
        tiles: Tiles | None = None,
        *,
        eight_bits: bool = False,
    ) -> None:
        self._tokens, self._heads, self._kv_heads, self._dim = tokens, heads, kv_heads, dim
        self._groups, self._eight_bits = heads // kv_heads, eight_bits
        self._tiles = tiles or Tiles.of(_capability(), tokens, self._groups, eight_bits=eight_bits)
        if splits is None:
            blocks = kv_heads * -(-tokens // self._tiles.tokens)
            splits = -(-_BLOCKS_EACH * _multiprocessors(like.device) // blocks)
        self._splits = max(1, min(splits, _MOST_SPLITS, -(-reach // _FEWEST_KEYS)))
        sizes = (tokens, heads, self._splits)
        self._parts = torch.empty((*sizes, dim), dtype=torch.float32, device=like.device)
        self._sums = torch.empty((*sizes, 2), dtype=torch.float32, device=like.device)
        self._asked = torch.empty((tokens, heads, dim), dtype=like.dtype, device=like.device)

    def attend(
        self,
        table: Tensor,
        rotations: Tensor,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        norms: HeadNorms | None = None,
    ) -> Tensor:
        """[heads, N, dim] queries and [kv_heads, N, dim] keys and values, as they came ->
        [N, heads, dim].

        `table`: int64 [columns, N]. `rotations`: fp32 [N, 2, dim], cos and sin of each token's
        position. `norms`: how queries and keys are normalised first.
        """
        query, key, value = _aligned(query), _aligned(key), _aligned(value)
        tokens, heads, kv_heads = self._tokens, self._heads, self._kv_heads
        write(
            table,
            rotations,
            (query, key, value),
            norms,
            self._asked,
            layer,
            scale * math.log2(math.e),
            self._tiles.group,
        )
        _attend[(tokens, kv_heads, self._splits)](
            table,
            self._asked,
            self._parts,
            self._sums,
            layer,
            tokens,
            self._splits,
            KV=kv_heads,
            GROUPS=self._groups,
            GROUP_ROWS=self._tiles.group,
            ROWS=self._tiles.rows,
            DIM=self._dim,
            BLOCK=self._tiles.block,
            OWN_BLOCK=self._tiles.own_block,
            EIGHT_BITS=self._eight_bits,
            num_warps=self._tiles.warps,
            num_stages=2,
            maxnreg=REGISTERS,
        )
        joined = torch.empty((tokens, heads, self._dim), dtype=query.dtype, device=query.device)
        _join[(tokens, heads)](
            table,
            self._parts,
            self._sums,
            joined,
            tokens,
            self._splits,
            DIM=self._dim,
            MOST=_MOST_SPLITS,
            num_warps=4,
        )
        return joined


def _aligned(x: Tensor) -> Tensor:
    """`x`, or a copy of it that vectors can be loaded from."""
    wide = x.data_ptr() % ALIGNED == 0 and all(
        n * x.itemsize % ALIGNED == 0 for n in x.stride()[:2]
    )
    return x if x.stride(2) == 1 and wide else x.clone(memory_format=torch.contiguous_format)


def _capability() -> int:
    """Of the current GPU, as 90; 0 if kernels are interpreted."""
    try:
        return int(triton.runtime.driver.active.get_current_target().arch)
    except RuntimeError:
        return 0


def _multiprocessors(device: torch.device) -> int:
    if device.type != "cuda":
        return 1
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
