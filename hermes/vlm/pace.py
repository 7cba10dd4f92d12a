"""When a memory is compressed: by the tokens it takes in, not by frames."""

from __future__ import annotations

from collections.abc import Sequence

from hermes.memory import FrameLayout, StreamMemory
from hermes.memory.frame_layout import shortened


class Pace:
    """A compression is due after so many tokens, or once the next frame might find no room.

    `since`: tokens taken in since the last compression.
    """

    def __init__(self, every: int, most_frame_tokens: int) -> None:
        """`every`: tokens between two compressions. `most_frame_tokens`: of the largest frame."""
        self.every = every
        self.since = 0
        self._frame = most_frame_tokens

    def before_compression(
        self, cache: StreamMemory, layouts: Sequence[FrameLayout]
    ) -> tuple[int, bool]:
        """How many of these frames come before the next compression, and whether it follows them.

        At least the first does. The compression comes where it would come if each
        frame had a pass of its own.
        """
        since, room, positions = self.since, cache.room(), cache.position_room
        for count, layout in enumerate(layouts, 1):
            (led,) = shortened([layout], positions, cache.config.position_limit)
            since += layout.tokens
            room -= layout.tokens
            positions -= led.lead + led.span
            if since >= self.every or min(room, positions) < self._frame:
                return count, True
        return len(layouts), False

    def took(self, tokens: int, *, compressed: bool) -> None:
        """Move on: so many tokens are in memory, and a compression follows or not."""
        self.since = 0 if compressed else self.since + tokens
