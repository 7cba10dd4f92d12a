"""The frames of which a memory holds something, for other threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from hermes.memory.coverage import FrameStamp, FrameTable

NumberedStamp = tuple[int, FrameStamp]
"""A frame's number, which counts the stream's frames from 0, and its stamp."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldFrames:
    """The held frames at one moment, oldest first. Making one copies nothing.

    `last_ms`: when the newest frame of all was captured, held or not; None before
    the first. `tokens`: how many tokens of each frame the last compression left,
    over all layers, by number; a frame that came later is not in it.
    `grows`: frames are appended to it until a compression takes another list, so
    only the first `count` count here.
    """

    grows: Sequence[NumberedStamp] = ()
    count: int = 0
    last_ms: int | None = None
    tokens: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, table: FrameTable) -> HeldFrames:
        """Those of a memory's table."""
        numbered = table.numbered
        return cls(numbered, len(numbered), table.last_ms, table.left)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[NumberedStamp]:
        return islice(self.grows, self.count)

    def after(self, earlier: HeldFrames) -> Sequence[NumberedStamp] | None:
        """The frames that came after `earlier`; None if a compression or a restore lies between."""
        if self.grows is not earlier.grows:
            return None
        return self.grows[earlier.count : self.count]
