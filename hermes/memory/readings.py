"""Readings of one text on a branch, side by side in one pass; in each something is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.memory.attention import ReadingRow
from hermes.memory.branch import Branch


class Readings(ReadingRow):
    """The tokens of several readings, one reading after the other.

    Each reads what the branch reads, without the tokens of the frames that are hidden from
    it, and its own tokens. Nothing is written: the branch stays as it is.
    """

    def __init__(self, branch: Branch, tokens: int, hidden: Sequence[Sequence[int]]) -> None:
        """`tokens`: of one reading, which begins as the branch began. `hidden`: the numbers of
        the frames that are hidden from each.
        """
        self._branch = branch
        self._count, self._each = len(hidden), tokens
        cos, sin = branch.rotary.tables(branch.positions(tokens, anew=True))
        self.tables = cos.repeat(self._count, 1), sin.repeat(self._count, 1)
        device = cos.device
        numbers = branch.slab.frames[:, : branch.seen]
        self._far = torch.stack([_among(numbers, frames) for frames in hidden])
        opening = torch.tensor(branch.opening_frames, dtype=torch.int64)
        opening = opening.to(device, non_blocking=True)
        near = torch.ones((tokens, tokens), dtype=torch.bool, device=device).triu_(1)
        self._near = near.repeat(self._count, 1, 1)
        for at, frames in enumerate(hidden):
            self._near[at, :, : len(opening)] |= _among(opening, frames)

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""
        return self._count * self._each

    def attend_rotated(
        self, layer: int, query: Tensor, rotated: tuple[Tensor, Tensor], value: Tensor
    ) -> Tensor:
        """Attend to what the branch reads, and within each reading."""
        branch, count, each = self._branch, self._count, self._each
        keys, values = branch.slab.read(layer, branch.seen, branch.rotary)
        kv_heads, seen, dim = keys.shape
        groups = query.shape[0] // kv_heads
        wide = torch.float32 if query.device.type == "cpu" else query.dtype
        asked = rotated[0].reshape(kv_heads, groups * count * each, dim).to(wide)
        far = torch.matmul(asked, keys.mT.to(wide)).to(torch.float32)
        far = far.view(kv_heads, groups, count, each, seen)
        far = far.masked_fill(self._far[:, layer, None, :seen], -torch.inf)
        asked = asked.view(kv_heads, groups, count, each, dim)
        own = rotated[1].reshape(kv_heads, 1, count, each, dim).to(wide)
        near = torch.matmul(asked, own.mT).to(torch.float32)
        near = near.masked_fill(self._near, -torch.inf)
        weights = torch.softmax(torch.cat((far, near), dim=-1), dim=-1).to(wide)
        out = torch.matmul(weights[..., :seen].reshape(kv_heads, -1, seen), values.to(wide))
        out = out.view(kv_heads, groups, count, each, dim)
        own = value.reshape(kv_heads, 1, count, each, dim).to(wide)
        out = out + torch.matmul(weights[..., seen:], own)
        return out.to(query.dtype).reshape(query.shape[0], count * each, dim)


def _among(numbers: Tensor, frames: Sequence[int]) -> Tensor:
    """Which of these numbers are among `frames`: bool, of the same shape."""
    found = torch.zeros(numbers.shape, dtype=torch.bool, device=numbers.device)
    for first, last in _runs(frames):
        found |= (numbers >= first) & (numbers <= last)
    return found


def _runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for frame in sorted(frames):
        if runs and frame == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], frame
        else:
            runs.append((frame, frame))
    return runs
