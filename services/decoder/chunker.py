"""Chunks: a few frames at a time, closed by count, by age, or by size. Pure; time is passed in."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hermes.v1.camera_pb2 import GAP_REASON_UNSPECIFIED, GapReason
from hermes.v1.frames_pb2 import Frame, FrameChunk

MAX_CHUNK_BYTES = 512 << 10
"""A reply of Redis must fit its time-out, whatever the frame size."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What all chunks of one camera and epoch share."""

    camera_id: str
    epoch: int
    live: bool


class CaptureClock:
    """Capture times in ms since the epoch, strictly increasing whatever the wall clock does."""

    def __init__(self, last_ms: int = 0) -> None:
        self._last_ms = last_ms

    def stamp(self, wall_ms: int) -> int:
        """The capture time of a frame that arrived at `wall_ms`."""
        self._last_ms = max(wall_ms, self._last_ms + 1)
        return self._last_ms


def wall_ms() -> int:
    """The wall clock in ms since the epoch."""
    return time.time_ns() // 1_000_000


class Chunker:
    """Collects frames into chunks. Not thread-safe."""

    def __init__(
        self,
        origin: Origin,
        max_frames: int,
        max_duration_s: float,
        *,
        first_index: int = 0,
        interrupted: bool = False,
        gap_reason: GapReason = GAP_REASON_UNSPECIFIED,
    ) -> None:
        """`first_index`: frames of this epoch sampled before. `interrupted`: some were missed.

        `gap_reason`: why they were.
        """
        self._origin = origin
        self._max_frames = max_frames
        self._max_duration_s = max_duration_s
        self._index = first_index
        self._interrupted = interrupted
        self._gap_reason = gap_reason if interrupted else GAP_REASON_UNSPECIFIED
        self._open: FrameChunk | None = None
        self._bytes = 0
        self._since_s = 0.0

    @property
    def sampled(self) -> int:
        """Frames sampled in this epoch, published or not."""
        return self._index

    @property
    def deadline_s(self) -> float | None:
        """When the open chunk is due, by the clock that is passed to `add`."""
        return None if self._open is None else self._since_s + self._max_duration_s

    def add(self, frame: Frame, now_s: float) -> list[FrameChunk]:
        """Take a frame; returns the chunks that it closed, oldest first (at most two)."""
        size = len(frame.jpeg)
        closed = [self.due(now_s)]
        if self._open is not None and self._bytes + size > MAX_CHUNK_BYTES:
            closed.append(self.flush())
        if self._open is None:
            self._open = FrameChunk(
                camera_id=self._origin.camera_id,
                epoch=self._origin.epoch,
                first_frame_index=self._index,
                live=self._origin.live,
                discontinuity=self._interrupted,
                gap_reason=self._gap_reason,
            )
            self._interrupted, self._gap_reason = False, GAP_REASON_UNSPECIFIED
            self._bytes = 0
            self._since_s = now_s
        self._open.frames.append(frame)
        self._bytes += size
        self._index += 1
        if len(self._open.frames) >= self._max_frames:
            closed.append(self.flush())
        return [chunk for chunk in closed if chunk is not None]

    def due(self, now_s: float) -> FrameChunk | None:
        """The open chunk, if it is old enough to be closed now."""
        deadline_s = self.deadline_s
        return self.flush() if deadline_s is not None and now_s >= deadline_s else None

    def flush(self) -> FrameChunk | None:
        """The open chunk, closed."""
        chunk, self._open = self._open, None
        return chunk

    def interrupt(self, reason: GapReason = GAP_REASON_UNSPECIFIED) -> FrameChunk | None:
        """The open chunk, closed; the next one will say that the source was interrupted, and why.

        Of several reasons before a frame comes, the first counts.
        """
        if not self._interrupted:
            self._interrupted, self._gap_reason = True, reason
        return self.flush()
