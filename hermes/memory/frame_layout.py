"""The layout of a frame: how many tokens it has, where they are in it, and their positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from hermes.errors import InvalidInput

PLACES = 1 << 20
"""One past the largest place of a frame."""

CHANGES_APART = 1 << 10
"""After so many changes of the picture's sides, the oldest count as none: numbers are 32 bits."""

FIRST_TEXT = 1 << 19
"""The first place of a frame's text: its marks and its time. Places of pictures are below it."""

FIRST_TIME = FIRST_TEXT + 2
"""The first place of the text that is before a frame's marks."""

_LEADS = 4
"""A lead takes at most this part of the model's positions: longer times look shorter."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameLayout:
    """The tokens of one frame, in order. Frames of one stream may have different layouts.

    `offsets`: [axes, tokens] int32, their positions relative to the clock.
    `advance`: how far the frame moves each axis of the clock.
    `patches`: [tokens] int32, the place of each token: which part of the picture
    it is, from 0, or which token of the frame's text, from `FIRST_TEXT`. By
    default they count from 0.
    `extent`: the largest offset on each axis. `sides`: rows and columns of the
    picture's places. The same place of two frames is the same part of the picture
    if their sides are equal.
    `lead`: how far the first axis of the clock moves before the frame.
    `text_before`: how many tokens of text come before those of the picture.
    `has_text`: whether any of its tokens are text.
    """

    offsets: Tensor
    advance: tuple[int, ...]
    patches: Tensor = None  # type: ignore[assignment]
    extent: tuple[int, ...] = ()
    sides: tuple[int, ...] = ()
    lead: int = 0
    text_before: int = 0
    has_text: bool = False

    def __post_init__(self) -> None:
        if self.patches is None:
            count = torch.arange(self.tokens, dtype=torch.int32, device=self.offsets.device)
            object.__setattr__(self, "patches", count)
        if not self.extent:
            extent = tuple(self.offsets.amax(dim=1).tolist())
            object.__setattr__(self, "extent", extent)

    @property
    def tokens(self) -> int:
        """How many tokens the frame has."""
        return self.offsets.shape[1]

    @property
    def picture(self) -> slice:
        """The picture's tokens, if all of them are there."""
        return slice(self.text_before, self.text_before + prod(self.sides))

    @property
    def axes(self) -> int:
        """How many coordinates a position has."""
        return self.offsets.shape[0]

    @property
    def together(self) -> bool:
        """Whether the frame moves all axes equally far, as text does."""
        return self.axes == 1 or (self.advance[0] > 0 and len(set(self.advance)) == 1)

    @property
    def in_line(self) -> bool:
        """Whether its tokens have positions that follow one another on a single axis."""
        return self.advance == (self.tokens,) and self.extent == (self.tokens - 1,)

    @property
    def span(self) -> int:
        """How many positions the frame takes, without its lead."""
        return max(*self.advance, *(extent + 1 for extent in self.extent))

    def led_by(self, lead: int) -> FrameLayout:
        """The same layout after another lead."""
        return self if lead == self.lead else replace(self, lead=lead)

    def part(self, tokens: Tensor, *, dense: bool = False) -> FrameLayout:
        """The layout of a frame of which only `tokens` are taken in: [n] int64, ascending.

        The tokens keep their places, and their positions as well, and the clock
        moves on as if the frame were whole. `dense`, for one axis: positions
        follow one another, and the clock moves on by n.
        """
        patches, count = self.patches[tokens], len(tokens)
        if not dense:
            return replace(self, offsets=self.offsets[:, tokens], patches=patches)
        if self.axes > 1:
            raise ValueError("only positions on one axis can be dense")
        offsets = torch.arange(count, dtype=torch.int32, device=patches.device)[None]
        changes: dict[str, Any] = {"advance": (count,), "extent": (count - 1,)}
        return replace(self, offsets=offsets, patches=patches, **changes)

    def after_text(self, tokens: int) -> FrameLayout:
        """The layout of the same frame after so many tokens of text, which belong to it."""
        device, axes = self.offsets.device, self.axes
        line = torch.arange(tokens, dtype=torch.int32, device=device)
        return replace(
            self,
            offsets=torch.cat((line.expand(axes, tokens), self.offsets + tokens), dim=1),
            advance=tuple(step + tokens for step in self.advance),
            extent=tuple(extent + tokens for extent in self.extent),
            patches=torch.cat((line + FIRST_TIME, self.patches)),
            text_before=self.text_before + tokens,
            has_text=True,
        )

    @classmethod
    def sequential(cls, tokens: int, device: torch.device | None = None) -> FrameLayout:
        """For one axis: one token after another."""
        offsets = torch.arange(tokens, dtype=torch.int32, device=device)
        return cls(offsets[None], (tokens,), extent=(tokens - 1,), sides=(tokens,))

    @classmethod
    def grid(
        cls, height: int, width: int, time_step: int, device: torch.device | None = None
    ) -> FrameLayout:
        """For three axes: `height` x `width` tokens at one time, `time_step` before the next."""
        rows = torch.arange(height, dtype=torch.int32, device=device).repeat_interleave(width)
        columns = torch.arange(width, dtype=torch.int32, device=device).repeat(height)
        return cls(
            torch.stack((torch.zeros_like(rows), rows, columns)),
            (time_step, 0, 0),
            extent=(0, height - 1, width - 1),
            sides=(height, width),
        )

    @classmethod
    def marked(cls, height: int, width: int, device: torch.device | None = None) -> FrameLayout:
        """For three axes: a mark, `height` x `width` tokens at one time, and another mark.

        Marks are text, which has one position on all axes: a frame moves all
        axes equally far.
        """
        grid = cls.grid(height, width, 1, device).offsets + 1
        first = torch.zeros((3, 1), dtype=torch.int32, device=device)
        size = max(height, width) + 2
        last = first + size - 1
        places = torch.arange(height * width + 2, dtype=torch.int32, device=device) - 1
        places[0], places[-1] = FIRST_TEXT, FIRST_TEXT + 1
        return cls(
            torch.cat((first, grid, last), dim=1),
            (size,) * 3,
            places,
            extent=(size - 1,) * 3,
            sides=(height, width),
            text_before=1,
            has_text=True,
        )


def check_layouts(layouts: Sequence[FrameLayout], frames: int, axes: int, room: int) -> None:
    """Raises `InvalidInput` unless there are `frames` layouts that fit into a memory.

    `axes`: of its positions. `room`: video tokens that it can take before a compression.
    """
    if len(layouts) != frames:
        raise InvalidInput("frames", f"{frames} have {len(layouts)} layouts")
    for layout in layouts:
        if layout.axes != axes:
            raise InvalidInput(
                "frames", f"have positions on {layout.axes} axes; the model's have {axes}"
            )
        if not layout.tokens:
            raise InvalidInput("frames", "a frame has at least one token")
    tokens = sum(layout.tokens for layout in layouts)
    if tokens > room:
        raise InvalidInput(
            "frames", f"{tokens} tokens exceed the {room} that fit before a compression"
        )


def shortened(layouts: Sequence[FrameLayout], room: int, limit: int) -> list[FrameLayout]:
    """The same with shorter leads where the whole ones would take too many positions.

    `room`: positions that frames can take before they must be compacted. `limit`:
    those that the model was made for.
    """
    left = room - sum(layout.span for layout in layouts)
    found = []
    for layout in layouts:
        lead = max(0, min(layout.lead, limit // _LEADS, left))
        left -= lead
        found.append(layout.led_by(lead))
    return found
