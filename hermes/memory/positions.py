"""The clock of a memory: which position the next token gets on each axis.

Plain RoPE has one axis. Multimodal RoPE has three (time, height, width): the
tokens of a frame share a time, height and width count from the same origin in
every frame, and text continues after the largest position, on all axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.memory.frame_layout import FrameLayout


class Clock:
    """The positions given out so far, as plain integers."""

    def __init__(
        self,
        axes: int,
        largest: int = -1,
        origin: Sequence[int] | None = None,
        *,
        together: bool | None = None,
    ) -> None:
        """New, or as another clock was that had these.

        `largest`: the largest position so far. `origin`: where the next frame starts on each axis.
        `together`: as in the attribute; by default, whether `origin` is the same on all axes.
        """
        self.axes = axes
        self.origin = [0] * axes if origin is None else list(origin)
        self.largest = largest
        self.together = len(set(self.origin)) == 1 if together is None else together
        """Whether all axes move together: there is only one, or frames have marks of text."""

    @property
    def next_text(self) -> int:
        """The position of the next text token, on every axis."""
        return self.largest + 1

    def copy(self) -> Clock:
        """Another clock that shows the same."""
        return Clock(self.axes, self.largest, self.origin, together=self.together)

    def text(self, tokens: int, device: torch.device) -> Tensor:
        """Positions [axes, tokens] of text that comes next. The clock does not move."""
        return text_positions(self.axes, self.next_text, tokens, device)

    def took_text(self, tokens: int) -> None:
        """Move on: the text is in memory."""
        self.largest += tokens
        self.origin = [self.largest + 1] * self.axes

    def frames(self, layouts: Sequence[FrameLayout]) -> Tensor:
        """Positions [axes, tokens of all] of frames that come next. The clock does not move."""
        ahead = self.copy()
        starts = [ahead.took_frame(layout) for layout in layouts]
        offsets = joined([layout.offsets for layout in layouts], dim=1)
        if len({axis for start in starts for axis in start}) == 1:
            return offsets + starts[0][0]
        counts = torch.tensor([layout.tokens for layout in layouts])
        each = torch.tensor(starts, dtype=torch.int32).repeat_interleave(counts, dim=0).T
        return each.to(offsets.device, non_blocking=True) + offsets  # nothing waits for sizes

    def took_frames(self, layouts: Sequence[FrameLayout]) -> None:
        """Move on: the frames are in memory."""
        for layout in layouts:
            self.took_frame(layout)

    def took_frame(self, layout: FrameLayout) -> list[int]:
        """Move on by one frame. Returns where it starts on each axis."""
        self.origin[0] += layout.lead
        start = list(self.origin)
        for axis, (step, extent) in enumerate(zip(layout.advance, layout.extent, strict=True)):
            self.largest = max(self.largest, start[axis] + extent)
            self.origin[axis] += step
        self.together = layout.together
        return start

    def took_tick(self) -> int:
        """Move on by one position, which a summary token gets."""
        self.largest += 1
        origin = max(self.origin[0], self.largest + 1)
        self.origin = [origin] * self.axes if self.together else [origin, *self.origin[1:]]
        return self.largest

    def compacted(self, positions: Tensor, prefix: int, layout_step: int) -> None:
        """Continue after compacted positions: [layers, axes, n] of the video tokens."""
        largest = positions.amax(dim=(0, 2)).tolist() if positions.shape[2] else [prefix - 1]
        self.largest = int(max(largest))
        if self.together:
            self.origin = [self.largest + 1] * self.axes
        else:
            # One clock for all layers: time continues after the layer that is furthest.
            self.origin = [int(largest[0]) + layout_step] + [prefix] * (self.axes - 1)


def joined(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The parts one after the other; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=dim)


def dense_ranks(positions: Tensor, start: int, *, together: bool = False) -> Tensor:
    """[..., axes, n] -> the same order on each axis, with consecutive positions from `start` on.

    Each axis is compacted by itself; or all `together`, where text among the
    tokens needs one position on all axes: then only positions that no axis uses
    are closed up.
    """
    groups = positions.flatten(-2) if together else positions
    return numbered(groups).view(positions.shape).to(torch.int32) + start


def numbered(values: Tensor) -> Tensor:
    """[..., n] int64: equal values of a row have one number; numbers follow the values from 0 on.

    As the inverse of `torch.unique` of each row, but the host does not wait for it.
    """
    ordered, order = values.sort(dim=-1, stable=True)
    first = torch.zeros_like(order)
    first[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    return torch.empty_like(order).scatter_(-1, order, first.cumsum(dim=-1))


def text_positions(axes: int, start: int, tokens: int, device: torch.device) -> Tensor:
    """Positions [axes, tokens] of text from `start` on: the same on every axis."""
    line = torch.arange(start, start + tokens, dtype=torch.int32, device=device)
    return line.expand(axes, tokens)
