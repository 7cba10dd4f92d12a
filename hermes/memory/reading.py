"""A pass over questions and answers of fixed shape, for CUDA graphs.

Each token of the pass has a column in a table of integers: the address of its
memory, how much of it the token sees, where its own answer's keys and values
go, and which of them it does not see. With another table, a recorded pass works for other cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

import torch
from torch import Tensor

from hermes.memory.attention import HeadNorms
from hermes.memory.branch import BranchRow
from hermes.memory.rope import Rotary


class Column(StrEnum):
    """The rows of the table, in order. Addresses are in bytes; the others count tokens."""

    KEYS = "keys"
    VALUES = "values"
    SEEN = "seen"
    CAPACITY = "capacity"
    OWN_KEYS = "own_keys"
    OWN_VALUES = "own_values"
    ROOM = "room"
    INDEX = "index"
    POSITION = "position"
    FORK = "fork"
    SKIP = "skip"
    COUNTS = "counts"
    """The address of an int32 for each layer: what is seen there. 0 if it is `SEEN` in all."""
    BEFORE = "before"
    """How many tokens of its row come before it. They read the same memory."""
    AFTER = "after"
    """How many tokens of its row come after it."""


COLUMNS = tuple(Column)

ALIGNED = 16
"""Bytes. Keys and values begin at a multiple of it, and so does each token's part of them."""

_UNUSED = -1
"""The index of a token that only fills the pass up."""


class Attends(Protocol):
    """What computes the attention (`hermes.memory.kernels.Reader`)."""

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
        """[heads, N, dim], [kv_heads, N, dim] twice -> [N, heads, dim]."""
        ...


NewReader = Callable[[int, int, int, int, int, Tensor], Attends]
"""(tokens, heads, kv_heads, head_dim, reach, any tensor on the device) -> their attention."""


class ReadingPass:
    """What a model's attention layers get: N tokens, each with a column of `table`.

    Gives the same results as a `PackedPass` of branch rows.
    """

    def __init__(
        self,
        tokens: int,
        rotary: Rotary,
        axes: int,
        reach: int,
        new_reader: NewReader,
        device: torch.device,
    ) -> None:
        """`reach`: the most tokens that one token sees, its own answer included."""
        self.tokens = tokens
        self._rotary = rotary
        self._axes = axes
        self._reach = reach
        self._new_reader = new_reader
        self.table = torch.zeros((len(COLUMNS), tokens), dtype=torch.int64, device=device)
        self.table[COLUMNS.index(Column.INDEX)] = _UNUSED
        self._rotations: Tensor | None = None
        self._reader: Attends | None = None

    def begin(self) -> None:
        """Prepare a run of the model: compute cos and sin for the table's positions."""
        positions = self.table[COLUMNS.index(Column.POSITION)].expand(self._axes, -1)
        self._rotations = self._rotary.stacked(positions)

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        norms: HeadNorms | None = None,
    ) -> Tensor:
        """[1, heads, tokens, head_dim] in, [1, tokens, heads, head_dim] out."""
        assert self._rotations is not None
        if self._reader is None:  # the number of heads is known only now
            heads, kv_heads, dim = query.shape[1], key.shape[1], query.shape[3]
            self._reader = self._new_reader(self.tokens, heads, kv_heads, dim, self._reach, query)
        out = self._reader.attend(
            self.table, self._rotations, layer, query[0], key[0], value[0], scale, norms
        )
        return out.unsqueeze(0)


def columns_of(rows: Sequence[BranchRow], tokens: int) -> Tensor:
    """The table [columns, tokens] for these rows, on the host.

    Columns past the rows' tokens are marked as unused.
    """
    found: list[tuple[int, ...]] = []  # plain numbers: tensor operations would be slow
    for row in rows:
        layout = row.layout()
        keys, values = _address(layout.keys), _address(layout.values)
        own_keys, own_values = _address(layout.own_keys), _address(layout.own_values)
        capacity, room = layout.keys.shape[2], layout.own_keys.shape[2]
        counts = 0 if layout.counts is None else layout.counts.data_ptr()
        memory = (keys, values, layout.seen, capacity, own_keys, own_values, room)
        places = row.places()
        found += [
            (*memory, *place, counts, n, len(places) - 1 - n) for n, place in enumerate(places)
        ]
    unused = tuple(_UNUSED if column is Column.INDEX else 0 for column in COLUMNS)
    found += [unused] * (tokens - len(found))
    return torch.tensor(found, dtype=torch.int64).T.contiguous()


def _address(cache: Tensor) -> int:
    """Where keys or values begin. What reads them relies on it that each token's are aligned."""
    address = cache.data_ptr()
    if address % ALIGNED or cache.shape[-1] * cache.itemsize % ALIGNED or not cache.is_contiguous():
        raise RuntimeError(f"keys and values must lie in line, aligned to {ALIGNED} bytes")
    return address
