"""The clock of a memory: which position the next token gets on each axis.

Plain RoPE has one axis. Multimodal RoPE has three (time, height, width): the
tokens of a frame share a time, height and width count from the same origin in
every frame, and text continues after the largest position, on all axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """The positions of one frame's tokens, relative to the clock.

    `offsets`: [axes, tokens] int32. `advance`: how far the frame moves each
    axis of the clock.
    """

    offsets: Tensor
    advance: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Video tokens of one frame."""
        return self.offsets.shape[1]

    @classmethod
    def sequential(cls, tokens: int, device: torch.device | None = None) -> FrameLayout:
        """For one axis: one token after another."""
        offsets = torch.arange(tokens, dtype=torch.int32, device=device)
        return cls(offsets[None], (tokens,))

    @classmethod
    def grid(
        cls, height: int, width: int, time_step: int, device: torch.device | None = None
    ) -> FrameLayout:
        """For three axes: `height` x `width` tokens at one time, `time_step` before the next."""
        rows = torch.arange(height, dtype=torch.int32, device=device).repeat_interleave(width)
        columns = torch.arange(width, dtype=torch.int32, device=device).repeat(height)
        return cls(torch.stack((torch.zeros_like(rows), rows, columns)), (time_step, 0, 0))

    @classmethod
    def marked(cls, height: int, width: int, device: torch.device | None = None) -> FrameLayout:
        """For three axes: a mark, `height` x `width` tokens at one time, and another mark.

        Marks are text, which has one position on all axes: a frame moves all
        axes equally far.
        """
        grid = cls.grid(height, width, 1, device).offsets + 1
        first = torch.zeros((3, 1), dtype=torch.int32, device=device)
        last = first + max(height, width) + 1
        return cls(torch.cat((first, grid, last), dim=1), (max(height, width) + 2,) * 3)


class Clock:
    """The positions given out so far, as plain integers."""

    def __init__(self, axes: int, largest: int = -1, origin: Sequence[int] | None = None) -> None:
        """New, or as another clock was that had these.

        `largest`: the largest position so far. `origin`: where the next frame starts on each axis.
        """
        self.axes = axes
        self.origin = [0] * axes if origin is None else list(origin)
        self.largest = largest

    @property
    def next_text(self) -> int:
        """The position of the next text token, on every axis."""
        return self.largest + 1

    @property
    def together(self) -> bool:
        """Whether all axes move together: there is only one, or frames have marks of text."""
        return len(set(self.origin)) == 1

    def text(self, tokens: int, device: torch.device) -> Tensor:
        """Positions [axes, tokens] of text that comes next. The clock does not move."""
        return text_positions(self.axes, self.next_text, tokens, device)

    def took_text(self, tokens: int) -> None:
        """Move on: the text is in memory."""
        self.largest += tokens
        self.origin = [self.largest + 1] * self.axes

    def frames(self, count: int, layout: FrameLayout) -> Tensor:
        """Positions [axes, count * tokens] of frames that come next. The clock does not move."""
        device = layout.offsets.device
        step = torch.tensor(layout.advance, dtype=torch.int32, device=device)
        origin = torch.tensor(self.origin, dtype=torch.int32, device=device)
        starts = origin[:, None] + step[:, None] * torch.arange(
            count, dtype=torch.int32, device=device
        )
        return (starts[:, :, None] + layout.offsets[:, None, :]).flatten(1)

    def took_frames(self, count: int, layout: FrameLayout) -> None:
        """Move on: the frames are in memory."""
        spans = layout.offsets.amax(dim=1).tolist()
        for axis, (step, span) in enumerate(zip(layout.advance, spans, strict=True)):
            last = self.origin[axis] + step * (count - 1)
            self.largest = max(self.largest, last + int(span))
            self.origin[axis] += step * count

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


def dense_ranks(positions: Tensor, start: int, *, together: bool = False) -> Tensor:
    """[axes, n] -> the same order on each axis, with consecutive positions from `start` on.

    Each axis is compacted by itself; or all `together`, where text among the
    tokens needs one position on all axes: then only positions that no axis uses
    are closed up.
    """
    groups = [positions] if together else positions
    ranks = [torch.unique(group, return_inverse=True)[1] for group in groups]
    return torch.stack(ranks).view(positions.shape).to(torch.int32) + start


def text_positions(axes: int, start: int, tokens: int, device: torch.device) -> Tensor:
    """Positions [axes, tokens] of text from `start` on: the same on every axis."""
    line = torch.arange(start, start + tokens, dtype=torch.int32, device=device)
    return line.expand(axes, tokens)
