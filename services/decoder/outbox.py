"""The outbox: frames on their way from the reading thread to the publishing thread, bounded."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hermes.v1.camera_pb2 import GAP_REASON_UNSPECIFIED, GapReason
from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.decoder.chunker import Chunker

LIVE_BYTES = 32 << 20
"""Memory for a live camera's frames while Redis is out of reach, whatever the staleness budget."""

FILE_BYTES = 2 << 20
"""How far a file's reader may run ahead of its publisher."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A closed chunk and when (monotonic seconds) it was closed."""

    chunk: FrameChunk
    since_s: float
    size: int


class Outbox:
    """Closes chunks and queues them. Thread-safe: one thread adds, one takes.

    For a live source, chunks older than `staleness_s` are dropped, oldest first, and
    so are those above `LIVE_BYTES`; a file's reader waits for room instead.
    """

    def __init__(
        self,
        chunker: Chunker,
        *,
        live: bool,
        staleness_s: float,
        on_dropped: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chunker = chunker
        self._live = live
        self._staleness_s = staleness_s
        self._on_dropped = on_dropped
        self._clock = clock
        self._queue: deque[Pending] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def add(self, frame: Frame) -> int:
        """Take a sampled frame. Never waits. Returns the frames sampled in this epoch so far."""
        with self._changed:
            now_s = self._clock()
            for chunk in self._chunker.add(frame, now_s):
                self._enqueue(chunk, now_s)
            self._changed.notify_all()
            return self._chunker.sampled

    def interrupt(self, reason: GapReason = GAP_REASON_UNSPECIFIED) -> None:
        """Frames are missing: close the open chunk, and mark the next one as a discontinuity."""
        self._end(lambda: self._chunker.interrupt(reason))

    def flush(self) -> None:
        """Close the open chunk."""
        self._end(self._chunker.flush)

    def close(self) -> None:
        """Nothing more will be added."""
        with self._changed:
            self._closed = True
        self.flush()

    def wait_for_room(self, timeout_s: float) -> bool:
        """Whether a file's reader may go on; waits up to `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._live or self._closed or self._bytes < FILE_BYTES, timeout_s
            )

    def take(self, timeout_s: float) -> Pending | None:
        """The oldest chunk, closing the open one when it is due. None after `timeout_s`."""
        until_s = self._clock() + timeout_s
        with self._changed:
            while True:
                now_s = self._clock()
                due = self._chunker.due(now_s)
                if due is not None:
                    self._enqueue(due, now_s)
                self._drop_stale(now_s)
                if self._queue:
                    return self._pop()
                if self._closed or now_s >= until_s:
                    return None
                wake_s = min(until_s, self._chunker.deadline_s or until_s)
                self._changed.wait(max(0.001, wake_s - now_s))

    def is_stale(self, pending: Pending) -> bool:
        """Whether a chunk in the publisher's hands is past the budget."""
        return self._live and self._clock() - pending.since_s > self._staleness_s

    @property
    def finished(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._closed and not self._queue

    def _end(self, close_chunk: Callable[[], FrameChunk | None]) -> None:
        with self._changed:
            chunk = close_chunk()
            if chunk is not None:
                self._enqueue(chunk, self._clock())
            self._changed.notify_all()

    def _enqueue(self, chunk: FrameChunk, now_s: float) -> None:
        size = chunk.ByteSize()
        self._queue.append(Pending(chunk, now_s, size))
        self._bytes += size
        self._drop_stale(now_s)

    def _drop_stale(self, now_s: float) -> None:
        if not self._live:
            return
        while self._queue and (
            now_s - self._queue[0].since_s > self._staleness_s or self._bytes > LIVE_BYTES
        ):
            self._on_dropped(len(self._pop().chunk.frames))

    def _pop(self) -> Pending:
        pending = self._queue.popleft()
        self._bytes -= pending.size
        self._changed.notify_all()
        return pending
