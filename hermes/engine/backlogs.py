"""A pass over frames of cameras that send much, which gives way to those that send little."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from hermes.engine.scheduler import FEWER, Backlog

K = TypeVar("K", bound=Hashable)


class LongBacklogs(Generic[K]):
    """What waited of the cameras of one pass. It gives way to each other camera once.

    Once, so that the pass comes to its end however many cameras send.
    """

    def __init__(self, backlogs: Iterable[Backlog]) -> None:
        """`backlogs`: of the pass's cameras, as it began."""
        self._most = min((backlog.frames for backlog in backlogs), default=0) // FEWER
        self._went = set[K]()

    def __bool__(self) -> bool:
        return self._most > 0

    def let_first(self, waiting: Mapping[K, Backlog]) -> dict[K, Backlog]:
        """Those of the waiting cameras that the pass gives way to."""
        return {
            key: backlog
            for key, backlog in waiting.items()
            if backlog.frames <= self._most and key not in self._went
        }

    def went(self, cameras: Iterable[K]) -> None:
        """Frames of these were taken in between two layers of the pass."""
        self._went.update(cameras)
