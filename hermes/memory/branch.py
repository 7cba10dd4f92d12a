"""A question and its answer, on a branch of a memory that leaves no trace."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.attention import ReadingRow, split_attention, tail_mask
from hermes.memory.coverage import Coverage
from hermes.memory.rope import Rotary
from hermes.memory.shape import CacheShape
from hermes.memory.slab import Slab


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row's memory and its own tokens lie.

    `keys`, `values`: the memory's, [layers, kv_heads, capacity, head_dim], keys turned to their
    positions; the first `seen` are seen. `own_keys`, `own_values`: [layers, kv_heads, room,
    head_dim]; the row's first token comes at `index`, and has `position` on every axis.
    """

    keys: Tensor
    values: Tensor
    seen: int
    own_keys: Tensor
    own_values: Tensor
    index: int
    position: int


class Branch(ABC):
    """Reads a memory as it was when the branch was opened, and keeps its own tokens apart.

    Use it as a context manager, or call `close`.
    """

    def __init__(
        self, shape: CacheShape, rotary: Rotary, position: int, room: int, coverage: Coverage
    ) -> None:
        """`position`: of its first token, on every axis. `room`: tokens that it may take."""
        self.coverage = coverage
        self._shape = shape
        self._rotary = rotary
        self._position = position
        self._room = room
        size = (shape.layers, shape.kv_heads, room, shape.head_dim)
        self._keys = torch.empty(size, dtype=shape.dtype, device=shape.device)
        self._values = torch.empty(size, dtype=shape.dtype, device=shape.device)
        self._length = 0
        self._closed = False

    def row(self, tokens: int) -> BranchRow:
        """A row for the next tokens: the question, or one token of the answer."""
        if self._length + tokens > self._room:
            raise InvalidInput(
                "question",
                f"{self._length + tokens} tokens exceed the {self._room} that a question and its"
                " answer may take together",
            )
        return BranchRow(self, tokens)

    def commit(self, row: BranchRow) -> None:
        """The row's forward pass is done; the next row comes behind it."""
        self._length += row.tokens

    def close(self) -> None:
        """Let go of the memory. Closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attend(
        self,
        layer: int,
        query: Tensor,
        turned: tuple[Tensor, Tensor],
        value: Tensor,
        scale: float,
        row: BranchRow,
    ) -> Tensor:
        end = self._length + row.tokens
        self._keys[layer, :, self._length : end] = turned[1]
        self._values[layer, :, self._length : end] = value
        memory = self._memory(layer, query)
        own = (self._keys[layer, :, :end], self._values[layer, :, :end])
        return split_attention(turned[0], memory, own, row.mask, scale)

    @abstractmethod
    def _memory(self, layer: int, query: Tensor) -> tuple[Tensor, Tensor]:
        """Keys, turned to their positions, and values that a layer reads: [kv_heads, n, head_dim].

        `query`: [heads, tokens, head_dim] of the row that reads, not rotated.
        """

    def _place(self) -> Place | None:
        """Where the next row's memory lies, if it lies in one piece."""
        return None

    def _let_go(self) -> None:  # noqa: B027 - most have nothing to do
        """The branch is closed."""


class MemoryBranch(Branch):
    """A branch of a slab, which does not move anything that the branch sees."""

    def __init__(
        self, slab: Slab, rotary: Rotary, position: int, room: int, coverage: Coverage
    ) -> None:
        super().__init__(slab.shape, rotary, position, room, coverage)
        self._slab = slab
        self._seen = slab.length
        slab.open()

    def _memory(self, layer: int, query: Tensor) -> tuple[Tensor, Tensor]:
        keys = self._slab.rotated_keys(layer, self._seen, self._rotary)
        return keys[:, : self._seen], self._slab.values[layer, :, : self._seen]

    def _place(self) -> Place:
        slab = self._slab
        return Place(
            slab.turned(self._seen, self._rotary),
            slab.values,
            self._seen,
            self._keys,
            self._values,
            self._length,
            self._position + self._length,
        )

    def _let_go(self) -> None:
        self._slab.close()


class BranchRow(ReadingRow):
    """Tokens of a question or an answer within one forward pass."""

    def __init__(self, branch: Branch, tokens: int) -> None:
        self._branch = branch
        self._tokens = tokens

    # Made where they are used: a recorded pass (`hermes.memory.reading`) needs neither.

    @cached_property
    def tables(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """cos and sin of its positions."""
        branch = self._branch
        start = branch._position + branch._length
        line = torch.arange(start, start + self._tokens, device=branch._keys.device)
        return branch._rotary.tables(line.expand(branch._shape.axes, self._tokens))

    @cached_property
    def mask(self) -> Tensor | None:
        """[tokens, own tokens so far] bool: what each sees of the answer; None if all of it."""
        branch = self._branch
        return tail_mask(self._tokens, branch._length + self._tokens, branch._keys.device)

    @property
    def tokens(self) -> int:
        """How many tokens of the pass are this row's."""
        return self._tokens

    def place(self) -> Place | None:
        """Where all of this lies on the device; None if the memory is not in one piece."""
        return self._branch._place()

    def attend_turned(
        self, layer: int, query: Tensor, turned: tuple[Tensor, Tensor], value: Tensor, scale: float
    ) -> Tensor:
        """Attend to the memory and to the branch; the branch remembers keys and values."""
        return self._branch._attend(layer, query, turned, value, scale, self)
