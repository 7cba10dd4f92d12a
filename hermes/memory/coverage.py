"""What a memory can know about, in capture time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

MAX_GAPS = 64


@dataclass(frozen=True, slots=True)
class FrameStamp:
    """When a frame was captured, and where it lies in its source if that is a file. In ms."""

    capture_ms: int
    media_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """From the oldest frame of which something is held to the newest. In ms since the epoch.

    `gaps` are stretches inside the span from which no frame was seen. Times
    are None while nothing is held.
    """

    start_ms: int | None = None
    end_ms: int | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    media_start_ms: int | None = None
    media_end_ms: int | None = None
    frames: int = 0
    frames_seen: int = 0


class FrameTable:
    """The stamps of the frames that are held, and the gaps between them. Bounded by both."""

    def __init__(self) -> None:
        self._stamps: OrderedDict[int, FrameStamp] = OrderedDict()
        self._gaps: list[tuple[int, int]] = []
        self._last_ms: int | None = None
        self.seen = 0

    def add(self, stamp: FrameStamp, *, after_gap: bool) -> int:
        """Take in the next frame and return its number."""
        number = self.seen
        if after_gap and self._last_ms is not None:
            self._gaps.append((self._last_ms, stamp.capture_ms))
            del self._gaps[:-MAX_GAPS]
        self._stamps[number] = stamp
        self._last_ms = stamp.capture_ms
        self.seen += 1
        return number

    def retain(self, held: Iterable[int]) -> None:
        """Forget every frame that is not in `held`, and the gaps before the oldest."""
        wanted = set(held)
        for number in [number for number in self._stamps if number not in wanted]:
            del self._stamps[number]
        if self._stamps:
            oldest = next(iter(self._stamps.values())).capture_ms
            self._gaps = [gap for gap in self._gaps if gap[1] > oldest]

    def stamps(self) -> list[tuple[int, FrameStamp]]:
        """Number and stamp of every frame that is held, in order."""
        return list(self._stamps.items())

    def gaps(self) -> list[tuple[int, int]]:
        """From the last frame before a gap to the first behind it, in order."""
        return list(self._gaps)

    @property
    def last_ms(self) -> int | None:
        """When the newest frame of all was captured."""
        return self._last_ms

    @classmethod
    def restored(
        cls,
        stamps: Iterable[tuple[int, FrameStamp]],
        gaps: Iterable[tuple[int, int]],
        last_ms: int | None,
        seen: int,
    ) -> FrameTable:
        """The table of which these were told."""
        table = cls()
        table._stamps.update(stamps)
        table._gaps.extend(gaps)
        table._last_ms, table.seen = last_ms, seen
        return table

    def coverage(self) -> Coverage:
        """What is held now."""
        if not self._stamps:
            return Coverage(frames_seen=self.seen)
        first = next(iter(self._stamps.values()))
        last = next(reversed(self._stamps.values()))
        return Coverage(
            start_ms=first.capture_ms,
            end_ms=last.capture_ms,
            gaps=tuple(self._gaps),
            media_start_ms=first.media_ms,
            media_end_ms=last.media_ms,
            frames=len(self._stamps),
            frames_seen=self.seen,
        )
