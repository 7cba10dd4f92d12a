"""Branches that are read at once on a CPU, side by side in one tensor.

There a small operation takes longer to start than to run: sixteen rows one after the
other take nearly sixteen times as long as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from hermes.memory.branch import Branch, BranchRow
from hermes.memory.slab import Slab

MOST_OF_A_ROW = 256 * 1024
"""Bytes of keys and values of one layer: to copy more takes longer than to read a row alone."""
MOST_TOGETHER = 64 * 1024 * 1024
"""Bytes of keys and values of all branches, in all layers."""
FURTHER = 32
"""Tokens that branches can take before they are copied again."""


@dataclass(slots=True)
class _Pass:
    """What a pass has of some branches.

    `numbers`: which of them. `places`: [rows, tokens], where the rows' tokens go. `end`:
    past the last place. `hidden`: [branches, 1, tokens, end], minus infinity where a
    token does not see. `kept`: how many tokens stay of each row.
    """

    numbers: Tensor
    places: Tensor
    end: int
    hidden: Tensor
    kept: list[int]


class SideBySide:
    """Copies of what some branches read, for pass after pass.

    Each row of a pass sees its own memory and branch, as it would alone.
    """

    def __init__(self, branches: Sequence[Branch], tokens: int) -> None:
        """`tokens`: of the first row of each."""
        shape = branches[0].slab.shape
        self._number = {id(branch): number for number, branch in enumerate(branches)}
        self._branches = tuple(branches)
        self._seen = max(branch.seen for branch in branches)
        self._length = self._seen + _longest(branches) + tokens + FURTHER
        size = (shape.layers, len(branches), shape.kv_heads, self._length, shape.head_dim)
        self._keys = torch.empty(size, dtype=torch.float32)
        self._values = torch.empty(size, dtype=torch.float32)
        self._lengths = [branch.length for branch in branches]
        self._pass: _Pass | None = None
        for number, branch in enumerate(branches):
            keys = branch.slab.all_rotated_keys(branch.seen, branch.rotary)
            self._copy(self._keys[:, number], keys, branch.keys, branch)
            self._copy(self._values[:, number], branch.slab.values, branch.values, branch)
            branch.side_by_side = self

    def _copy(self, row: Tensor, memory: Tensor, own: Tensor, branch: Branch) -> None:
        end = self._seen + branch.length
        row[:, :, : branch.seen] = memory[:, :, : branch.seen]
        row[:, :, branch.seen : self._seen] = 0.0  # what is hidden must still be a number
        row[:, :, self._seen : end] = own[:, :, : branch.length]
        row[:, :, end:] = 0.0

    @classmethod
    def of(cls, rows: Sequence[BranchRow], branches: Sequence[Branch]) -> Self | None:
        """Ready for a pass of these rows, which have equally many tokens.

        None if they are better read one after the other.
        """
        made, tokens = branches[0].side_by_side, rows[0].tokens
        if not isinstance(made, cls) or not made.fits(branches, tokens):
            if not _worthwhile(branches, tokens):
                return None
            made = cls(branches, tokens)
        made._begin(rows, branches)
        return made

    def fits(self, branches: Sequence[Branch], tokens: int) -> bool:
        """Whether it has these branches, as they are now and few others, and room for more."""
        numbers = [self._number.get(id(branch)) for branch in branches]
        if 2 * len(branches) < len(self._branches) or None in numbers:
            return False
        return self._seen + _longest(branches) + tokens <= self._length and all(
            branch.length == self._lengths[number]
            for branch, number in zip(branches, numbers, strict=True)
            if number is not None
        )

    def _begin(self, rows: Sequence[BranchRow], branches: Sequence[Branch]) -> None:
        tokens = rows[0].tokens
        numbers = [self._number[id(branch)] for branch in branches]
        starts = [self._seen + branch.length for branch in branches]
        end = max(starts) + tokens
        visible = torch.ones((len(self._branches), tokens, end), dtype=torch.bool)
        for row, branch, number, start in zip(rows, branches, numbers, starts, strict=True):
            visible[number, :, branch.seen : self._seen] = False
            visible[number, :, start + tokens :] = False
            if (mask := row.mask) is not None:
                visible[number, :, self._seen : start + tokens] = mask
        hidden = torch.zeros(visible.shape).masked_fill_(~visible, float("-inf"))
        places = torch.tensor(starts).unsqueeze(1) + torch.arange(tokens)
        kept = [row.kept for row in rows]
        self._pass = _Pass(torch.tensor(numbers), places, end, hidden.unsqueeze(1), kept)

    def attend(self, layer: int, rotated: tuple[Tensor, Tensor], value: Tensor) -> Tensor:
        """[heads, tokens of all rows, head_dim] from query and key, rotated and the query scaled,
        and the value. After the last layer the branches have the keys and values.
        """
        here, (query, key) = self._pass, rotated
        assert here is not None
        (count, tokens), total = here.places.shape, len(self._branches)
        heads, kv_heads, dim = query.shape[0], key.shape[0], query.shape[2]
        groups = heads // kv_heads
        for kept, new in ((self._keys, key), (self._values, value)):
            apart = new.reshape(kv_heads, count, tokens, dim).permute(1, 2, 0, 3)
            kept[layer][here.numbers.unsqueeze(1), :, here.places] = apart.to(torch.float32)
        folded = query.reshape(kv_heads, groups, count, tokens, dim).permute(2, 0, 1, 3, 4)
        asked = folded.reshape(count, kv_heads, groups * tokens, dim).to(torch.float32)
        if count < total:  # the other answers have ended
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
        if count < total:
            out = out.index_select(0, here.numbers)
        if layer == len(self._keys) - 1:
            self._keep(here)
        unfolded = out.to(query.dtype).reshape(count, kv_heads, groups, tokens, dim)
        return unfolded.permute(1, 2, 0, 3, 4).reshape(heads, count * tokens, dim)

    def _keep(self, here: _Pass) -> None:
        """Give each branch the keys and values of its row."""
        tokens = here.places.shape[1]
        for number, kept in zip(here.numbers.tolist(), here.kept, strict=True):
            branch = self._branches[number]
            own, start = branch.length, self._seen + branch.length
            branch.keys[:, :, own : own + tokens] = self._keys[:, number, :, start : start + tokens]
            branch.values[:, :, own : own + tokens] = self._values[
                :, number, :, start : start + tokens
            ]
            self._lengths[number] = own + kept


def _worthwhile(branches: Sequence[Branch], tokens: int) -> bool:
    shape = branches[0].slab.shape
    if shape.device.type != "cpu" or any(type(branch.slab) is not Slab for branch in branches):
        return False
    length = max(branch.seen for branch in branches) + _longest(branches) + tokens + FURTHER
    row = 2 * shape.kv_heads * length * shape.head_dim * torch.float32.itemsize
    return row <= MOST_OF_A_ROW and row * len(branches) * shape.layers <= MOST_TOGETHER


def _longest(branches: Sequence[Branch]) -> int:
    return max(branch.length for branch in branches)
