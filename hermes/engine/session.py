"""One camera on the device: its memory, and the frames that wait to enter it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from hermes.engine.scheduler import Backlog
from hermes.errors import CameraNotOwned, HermesError, InvalidInput, Overloaded
from hermes.memory import Coverage, FrameStamp, HeldFrames
from hermes.vlm import VideoMemory


@dataclass(frozen=True, slots=True)
class FrameInput:
    """A decoded frame on its way into memory.

    `picture`: [3, height, width] uint8. `after_gap`: frames before it were not
    seen. `replayed`: it was read from the log after a takeover, so its age says
    nothing about this worker.
    """

    picture: Tensor
    stamp: FrameStamp
    after_gap: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """The frames of one log entry (possibly none) and the cursor past that entry."""

    frames: Sequence[FrameInput]
    cursor: str


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A memory's state for other threads: replaced as a whole, never changed.

    `taken`, `change`, `changes`: `ratio`, `change` and `changes` of `hermes.vlm.Intake`.
    `held`: the frames of which something is held.
    """

    cursor: str = ""
    coverage: Coverage = field(default_factory=Coverage)
    tokens: int = 0
    kv_bytes: int = 0
    lag_s: float = 0.0
    taken: float = 1.0
    change: float = 1.0
    changes: int = 0
    held: HeldFrames = field(default_factory=HeldFrames)


class Room:
    """Counts the frames of one camera that wait for the device. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """How many frames may be offered now."""
        return max(0, self._most - self._waiting)

    def reserve(self, frames: int) -> None:
        """Count frames in. A batch larger than the limit is let in alone. Raises `Overloaded`."""
        with self._lock:
            if self._waiting and self._waiting + frames > self._most:
                raise Overloaded(f"{self._waiting} frames of this camera wait for the device")
            self._waiting += frames

    def release(self, frames: int) -> None:
        """Count frames out, once they are in memory or skipped."""
        with self._lock:
            self._waiting -= frames


class Session:
    """State of one open camera.

    Only the device's thread touches it, except `report`, `room` and `failure`.
    """

    def __init__(
        self, camera_id: str, number: int, max_pending_frames: int, question_tokens: int = 0
    ) -> None:
        """`number`: unique within the engine, so that two memories of one camera id differ.

        `question_tokens`: the longest question; 0 is the engine's limit.
        """
        self.question_tokens = question_tokens
        self.camera_id = camera_id
        self.number = number
        self.room = Room(max_pending_frames)
        self.pending: deque[tuple[FrameInput | None, str | None]] = deque()
        self.report = SessionReport()
        self.between = True
        """Whether the memory holds exactly the log entries up to the cursor, none in part."""
        self.failure: HermesError | None = None
        """Why there is no memory, if it could not be made."""
        self._memory: VideoMemory | None = None

    def open(self, memory: VideoMemory) -> None:
        """Start with this empty memory."""
        self._memory = memory

    def close(self) -> None:
        """Free the memory, and drop the frames that wait."""
        self.pending.clear()
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    @property
    def is_open(self) -> bool:
        """Whether the session has a memory."""
        return self._memory is not None

    @property
    def memory(self) -> VideoMemory:
        """The memory. Raises `CameraNotOwned` if the session is not open."""
        if self._memory is None:
            raise CameraNotOwned(self.camera_id)
        return self._memory

    @property
    def present_tokens(self) -> int:
        """The most tokens of frames that a question reads beside the memory."""
        return 0 if self._memory is None else self._memory.present_tokens

    def take(self, count: int) -> list[tuple[FrameInput | None, str | None]]:
        """Remove up to `count` waiting frames, each with the cursor that it completes."""
        taken = [self.pending.popleft() for _ in range(min(count, len(self.pending)))]
        if taken:
            self.between = taken[-1][1] is not None
        return taken

    def offer(self, batch: Batch) -> None:
        """Queue the frames; the cursor takes effect once the last of them is in memory."""
        if not self.is_open:
            return
        if not batch.frames:
            self.pending.append((None, batch.cursor))
            return
        *others, last = batch.frames
        self.pending.extend((frame, None) for frame in others)
        self.pending.append((last, batch.cursor))

    @property
    def backlog(self) -> Backlog:
        """What waits. `since` is 0 if a cursor without a frame comes first."""
        first = self.pending[0][0]
        frame = first or next((frame for frame, _ in self.pending if frame is not None), None)
        return Backlog(
            0 if first is None else first.stamp.capture_ms,
            len(self.pending),
            1 if frame is None else tokens_of(self.memory, frame.picture),
            _until_compression(self.memory),
        )

    def publish(self, cursor: str | None, lag_s: float | None) -> None:
        """Replace the report."""
        self.report = SessionReport(
            cursor=self.report.cursor if cursor is None else cursor,
            coverage=self.memory.coverage(),
            tokens=self.memory.cache.video_tokens,
            kv_bytes=self.memory.cache.kv_bytes,
            taken=self.memory.intake.ratio,
            change=self.memory.intake.change,
            changes=self.memory.intake.changes,
            held=HeldFrames.of(self.memory.cache.held.table),
            lag_s=self.report.lag_s if lag_s is None else lag_s,
        )


def _until_compression(memory: VideoMemory) -> int:
    """About how many frames come in until a compression, the one that causes it included."""
    expected = max(1.0, memory.model.most_frame_tokens * memory.intake.ratio)
    return max(1, math.ceil(memory.tokens_at_once / expected))


def tokens_of(memory: VideoMemory, picture: Tensor) -> int:
    """How many tokens a frame of this picture has, at most; 1 if it is refused."""
    try:
        return memory.tokens_of(picture)
    except InvalidInput:
        return 1
