"""One camera on the device: its memory, and the frames that wait for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from hermes.engine.scheduler import Backlog
from hermes.memory import Coverage, FrameStamp
from hermes.vlm import VideoMemory


@dataclass(frozen=True, slots=True)
class FrameInput:
    """A decoded frame on its way into memory.

    `picture`: [3, height, width] uint8. `replayed`: it is read again after a
    takeover, so that its age says nothing about this worker.
    """

    picture: Tensor
    stamp: FrameStamp
    after_gap: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What one entry of a log gives: its frames, possibly none, and the place in the log."""

    frames: Sequence[FrameInput]
    cursor: str


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A session as others may see it, from any thread. Replaced as a whole, never changed."""

    cursor: str = ""
    coverage: Coverage = field(default_factory=Coverage)
    tokens: int = 0
    kv_bytes: int = 0
    lag_s: float = 0.0


class Session:
    """State of one camera. Only the device's thread touches it, apart from `report`."""

    def __init__(self, camera_id: str, memory: VideoMemory) -> None:
        self.camera_id = camera_id
        self.memory = memory
        self.pending: deque[tuple[FrameInput | None, str | None]] = deque()
        self.report = SessionReport()
        self.between = True
        """Whether memory holds what lies up to the cursor, and nothing of the next entry."""

    def take(self, count: int) -> list[tuple[FrameInput | None, str | None]]:
        """The next of what waits, up to so many frames, each with the cursor that it completes."""
        taken = [self.pending.popleft() for _ in range(min(count, len(self.pending)))]
        if taken:
            self.between = taken[-1][1] is not None
        return taken

    def offer(self, batch: Batch) -> None:
        """Queue the frames; the cursor takes effect once the last of them is in memory."""
        if not batch.frames:
            self.pending.append((None, batch.cursor))
            return
        *others, last = batch.frames
        self.pending.extend((frame, None) for frame in others)
        self.pending.append((last, batch.cursor))

    @property
    def backlog(self) -> Backlog:
        """What waits. Its age is that of the first frame, 0 if a mere cursor comes first."""
        frame = self.pending[0][0]
        return Backlog(0 if frame is None else frame.stamp.capture_ms, len(self.pending))

    def publish(self, cursor: str | None, lag_s: float | None) -> None:
        """Replace the report."""
        self.report = SessionReport(
            cursor=self.report.cursor if cursor is None else cursor,
            coverage=self.memory.coverage(),
            tokens=self.memory.cache.video_tokens,
            kv_bytes=self.memory.cache.kv_bytes,
            lag_s=self.report.lag_s if lag_s is None else lag_s,
        )
