"""Long backlogs of frames, whose pass gives way to cameras that send less. Plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hermes.engine.scheduler import FEWER, Backlog


class LongBacklogs:
    """What waited of the cameras of one pass, which gives way to cameras that send less.

    Each of these gets no more frames meanwhile than the pass takes of its own cameras. So the pass
    comes to its end however much others send. Cameras are named by number.
    """

    def __init__(self, backlogs: Mapping[int, Backlog], frames: Mapping[int, int]) -> None:
        """`backlogs`: of the cameras of the pass, as it began. `frames`: how many it takes in."""
        least = min((backlog.frames for backlog in backlogs.values()), default=0)
        self._few = least // FEWER
        self._own = set(backlogs)
        self._most = min(frames.values(), default=0)
        self._went = Counter[int]()
        self.tokens = sum(backlogs[key].tokens * count for key, count in frames.items())
        """How many tokens the pass has, at most."""

    def __bool__(self) -> bool:
        """Whether it gives way at all: each of its cameras has more than one frame."""
        return self._few > 0

    def let_first(self, waiting: Mapping[int, Backlog]) -> dict[int, Backlog]:
        """The waiting cameras that the pass gives way to."""
        return {
            key: backlog
            for key, backlog in waiting.items()
            if backlog.frames <= self._few and key not in self._own and self._went[key] < self._most
        }

    def went(self, frames: Mapping[int, int]) -> None:
        """So many frames of each are taken in between two layers of the pass."""
        self._went.update(frames)


NONE_LONG = LongBacklogs({}, {})
