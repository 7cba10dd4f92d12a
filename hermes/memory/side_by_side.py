"""Branches that are read at once on a CPU, side by side in one tensor.

There a small operation takes longer to start than to run: sixteen rows one after the
other take nearly sixteen times as long as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from hermes.memory.attention import Joined
from hermes.memory.excerpt import Excerpt
from hermes.memory.rope import Rotary
from hermes.memory.slab import Slab

MOST_OF_A_ROW = 256 * 1024
"""Bytes of keys and values of one layer: to copy more takes longer than to read a row alone."""
MOST_TOGETHER = 64 * 1024 * 1024
"""Bytes of keys and values of all branches, in all layers."""
FURTHER = 32
"""Tokens that branches can take before they are copied again."""
_AHEAD = 8
"""Zeros are written for so many tokens more than needed, to write them less often."""


class Reads(Protocol):
    """What reads a memory and keys and values of its own: a branch."""

    slab: Slab | Excerpt
    rotary: Rotary
    seen: int
    length: int
    written: int
    side_by_side: SideBySide | None

    @property
    def keys(self) -> Tensor:
        """Of its own tokens: [layers, kv_heads, room, head_dim]."""
        ...

    @property
    def values(self) -> Tensor:
        """Of its own tokens, as `keys`."""
        ...


class RowOfIt(Protocol):
    """Its tokens in one pass."""

    @property
    def tokens(self) -> int:
        """How many."""
        ...

    @property
    def kept(self) -> int:
        """How many of them stay, from the first on."""
        ...

    @property
    def causal(self) -> bool:
        """Whether each sees all of the branch's own tokens up to itself."""
        ...

    @property
    def mask(self) -> Tensor | None:
        """[tokens, own tokens so far] bool: what each sees; None if all of them."""
        ...


@dataclass(slots=True)
class _Pass:
    """What one pass has of some branches. Another pass may read others of them meanwhile.

    `of`: their copies. `rows`: of each its branch's number, and how many of its tokens stay.
    `numbers`: [rows]. `whole`: they are the numbers of all branches, in order.
    `places`: [rows, tokens], where the rows' tokens go. `alike`: they go to the same places of all
    branches. `end`: past the last place. `hidden`: [branches, 1, tokens, end], minus infinity where
    a token does not see.
    """

    of: SideBySide
    rows: list[tuple[int, int]]
    numbers: Tensor
    whole: bool
    places: Tensor
    alike: bool
    end: int
    hidden: Tensor

    def attend(self, layer: int, rotated: tuple[Tensor, Tensor], value: Tensor) -> Tensor:
        """[heads, tokens of all rows, head_dim] from query and key, rotated and the query scaled,
        and the value. After the last layer the branches find keys and values in the copies.
        """
        return self.of.attend(self, layer, rotated, value)


class SideBySide:
    """Copies of what some branches read, for pass after pass.

    Each row of a pass sees its own memory and branch, as it would alone.
    """

    def __init__(self, branches: Sequence[Reads], tokens: int) -> None:
        """`tokens`: of the first row of each."""
        shape = branches[0].slab.shape
        self._number = {id(branch): number for number, branch in enumerate(branches)}
        self._branches = tuple(branches)
        self._seen = max(branch.seen for branch in branches)
        self._length = self._seen + _longest(branches) + tokens + FURTHER
        size = (shape.layers, len(branches), shape.kv_heads, self._length, shape.head_dim)
        self._keys = torch.empty(size, dtype=torch.float32)
        self._values = torch.empty(size, dtype=torch.float32)
        self._defined = self._seen
        self._lengths = [branch.length for branch in branches]
        self._columns = torch.arange(self._length)
        seen = torch.tensor([branch.seen for branch in branches]).unsqueeze(1)
        beyond = (self._columns >= seen) & (self._columns < self._seen)
        self._hidden = torch.zeros(beyond.shape).masked_fill_(beyond, float("-inf"))
        """[branches, length]: minus infinity where a branch's memory ends before the longest."""
        self._define(self._seen + _longest(branches) + tokens)
        for number, branch in enumerate(branches):
            keys = branch.slab.all_rotated_keys(branch.seen, branch.rotary)
            self._copy(self._keys[:, number], keys, branch.keys, branch)
            self._copy(self._values[:, number], branch.slab.values, branch.values, branch)
            branch.side_by_side = self

    def _define(self, end: int) -> None:
        """Write zeros past the memories, up to `end`: what is hidden must still be a number."""
        if end > self._defined:
            ahead = min(self._length, end + _AHEAD)
            for kept in (self._keys, self._values):
                kept[:, :, :, self._defined : ahead] = 0.0
            self._defined = ahead

    def _copy(self, row: Tensor, memory: Tensor, own: Tensor, branch: Reads) -> None:
        row[:, :, : branch.seen] = memory[:, :, : branch.seen]
        if branch.seen < self._seen:
            row[:, :, branch.seen : self._seen] = 0.0  # what is hidden must still be a number
        if branch.length:
            end = self._seen + branch.length
            row[:, :, self._seen : end] = own[:, :, : branch.length]

    @classmethod
    def of(cls, rows: Sequence[RowOfIt], branches: Sequence[Reads]) -> Joined | None:
        """What one pass reads of these rows, which have equally many tokens.

        None if they are better read one after the other.
        """
        made, tokens = branches[0].side_by_side, rows[0].tokens
        if not isinstance(made, cls) or not made.fits(branches, tokens):
            if not _worthwhile(branches, tokens):
                return None
            made = cls(branches, tokens)
        return made.begin(rows, branches)

    def fits(self, branches: Sequence[Reads], tokens: int) -> bool:
        """Whether it has these branches, as they are now and few others, and room for more."""
        numbers = [self._number.get(id(branch)) for branch in branches]
        if 2 * len(branches) < len(self._branches) or None in numbers:
            return False
        return self._seen + _longest(branches) + tokens <= self._length and all(
            branch.length == self._lengths[number]
            for branch, number in zip(branches, numbers, strict=True)
            if number is not None
        )

    def begin(self, rows: Sequence[RowOfIt], branches: Sequence[Reads]) -> _Pass:
        """What one pass reads of these rows. They must fit."""
        tokens = rows[0].tokens
        numbers = [self._number[id(branch)] for branch in branches]
        starts = [self._seen + branch.length for branch in branches]
        end = max(starts) + tokens
        self._define(end)
        starts_of_all = [0] * len(self._branches)  # what the others' rows would see is not used
        for number, start in zip(numbers, starts, strict=True):
            starts_of_all[number] = start
        last = torch.tensor(starts_of_all).unsqueeze(1) + self._columns[:tokens]
        later = self._columns[:end] > last.unsqueeze(2)
        hidden = self._hidden[:, None, :end].masked_fill(later, float("-inf"))
        for row, number, start in zip(rows, numbers, starts, strict=True):
            if not row.causal and (mask := row.mask) is not None:
                own = hidden[number, :, self._seen : start + tokens]
                own.masked_fill_(~mask, float("-inf"))
        which = torch.tensor(numbers)
        whole = numbers == list(range(len(self._branches)))
        alike = whole and len(set(starts)) == 1
        kept = [row.kept for row in rows]
        return _Pass(
            self,
            list(zip(numbers, kept, strict=True)),
            which,
            whole,
            last.index_select(0, which),
            alike,
            end,
            hidden.unsqueeze(1),
        )

    def attend(
        self, here: _Pass, layer: int, rotated: tuple[Tensor, Tensor], value: Tensor
    ) -> Tensor:
        """What a pass reads of one layer: see `_Pass.attend`."""
        query, key = rotated
        (count, tokens), total = here.places.shape, len(self._branches)
        heads, kv_heads, dim = query.shape[0], key.shape[0], query.shape[2]
        groups = heads // kv_heads
        for kept, new in ((self._keys, key), (self._values, value)):
            apart = new.reshape(kv_heads, count, tokens, dim)
            if here.alike:
                kept[layer, :, :, here.end - tokens : here.end] = apart.transpose(0, 1)
                continue
            apart = apart.permute(1, 2, 0, 3).to(torch.float32)
            kept[layer][here.numbers.unsqueeze(1), :, here.places] = apart
        folded = query.reshape(kv_heads, groups, count, tokens, dim).permute(2, 0, 1, 3, 4)
        asked = folded.reshape(count, kv_heads, groups * tokens, dim).to(torch.float32)
        if not here.whole:  # some answers take no part, or they come in another order
            asked = asked.new_zeros((total, *asked.shape[1:])).index_copy(0, here.numbers, asked)
        if here.hidden.shape[2] < groups * tokens:
            here.hidden = here.hidden.repeat(1, 1, groups, 1)
        out = functional.scaled_dot_product_attention(
            asked,
            self._keys[layer, :, :, : here.end],
            self._values[layer, :, :, : here.end],
            attn_mask=here.hidden,
            scale=1.0,
        )
        if not here.whole:
            out = out.index_select(0, here.numbers)
        if layer == len(self._keys) - 1:
            self._keep(here)
        unfolded = out.to(query.dtype).reshape(count, kv_heads, groups, tokens, dim)
        return unfolded.permute(1, 2, 0, 3, 4).reshape(heads, count * tokens, dim)

    def _keep(self, here: _Pass) -> None:
        """The pass is done: each branch finds here what its row wrote."""
        for number, kept in here.rows:
            branch = self._branches[number]
            branch.written = min(branch.written, branch.length)
            self._lengths[number] = branch.length + kept

    def write_back(self, branch: Reads, keys: Tensor, values: Tensor) -> None:
        """Write to the branch's own tensors what they lack: tokens from `written` to `length`."""
        number, first, end = self._number[id(branch)], branch.written, branch.length
        here = slice(self._seen + first, self._seen + end)
        keys[:, :, first:end] = self._keys[:, number, :, here]
        values[:, :, first:end] = self._values[:, number, :, here]


def _worthwhile(branches: Sequence[Reads], tokens: int) -> bool:
    shape = branches[0].slab.shape
    if shape.device.type != "cpu" or any(type(branch.slab) is not Slab for branch in branches):
        return False
    length = max(branch.seen for branch in branches) + _longest(branches) + tokens + FURTHER
    row = 2 * shape.kv_heads * length * shape.head_dim * torch.float32.itemsize
    return row <= MOST_OF_A_ROW and row * len(branches) * shape.layers <= MOST_TOGETHER


def _longest(branches: Sequence[Reads]) -> int:
    return max(branch.length for branch in branches)
