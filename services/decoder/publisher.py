"""The publisher: chunks into the frame log, fenced, each exactly once, trimmed as it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import redis

from hermes.v1.frames_pb2 import FrameChunk
from services.common import logs
from services.common.backoff import Backoff
from services.common.frame_log import BEGINNING, FrameLog, LogId, OutOfOrder, id_of
from services.common.leases import Fence
from services.decoder.outbox import Outbox, Pending
from services.decoder.retention import Retention
from services.decoder.telemetry import Telemetry

log = logs.get(__name__)

TAKE_S = 0.25
POLL_S = 0.1
"""How often a waiting file asks for its reader's position."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the worker has read a camera's log: the last id that it took in, and the last that
    is in a checkpoint. None if there is none.
    """

    taken_in: LogId | None = None
    durable: LogId | None = None


class Publisher:
    """Appends the chunks of an `Outbox` to the log. Runs on a thread of its own."""

    def __init__(
        self,
        frame_log: FrameLog,
        fence: Fence,
        outbox: Outbox,
        retention: Retention,
        telemetry: Telemetry,
        position: Callable[[], Reading],
        backoff: Backoff,
        *,
        unread_max_bytes: int | None,
        last: LogId = BEGINNING,
    ) -> None:
        """`position`: how far the camera's reader is (may raise `redis.RedisError`).

        `unread_max_bytes`: wait while this much is unread; None never waits.
        `last`: the log's last id.
        """
        self._log = frame_log
        self._fence = fence
        self._outbox = outbox
        self._retention = retention
        self._telemetry = telemetry
        self._position = position
        self._backoff = backoff
        self._unread_max_bytes = unread_max_bytes
        self._last = last
        self._next_index: int | None = None
        self._read = Reading()
        self._stop = threading.Event()
        self._reachable = True

    def stop(self) -> None:
        """Drop the chunks that cannot be appended at once."""
        self._stop.set()

    def run(self) -> None:
        """Publish until the outbox is closed and empty. Raises `frame_log.Fenced`."""
        while not self._outbox.finished:
            pending = self._outbox.take(TAKE_S)
            if pending is None:
                continue
            if self._unread_max_bytes is not None:
                self._wait_for_reader(pending.size, self._unread_max_bytes)
            self._publish(pending)

    def _wait_for_reader(self, size: int, limit: int) -> None:
        while not self._stop.is_set():
            # The position is asked for only when it matters.
            if self._retention.unread(self._read.taken_in) + size <= limit // 2:
                return
            try:
                self._read = self._position()
            except (redis.RedisError, ValueError):
                self._stop.wait(POLL_S)
                continue
            unread = self._retention.unread(self._read.taken_in)
            if unread == 0 or unread + size <= limit:
                return
            self._stop.wait(POLL_S)

    def _publish(self, pending: Pending) -> None:
        chunk = pending.chunk
        shift_above(chunk, self._last)
        if self._next_index is not None:
            # Frames sampled since and not in this chunk were dropped by this process.
            chunk.dropped_before = chunk.first_frame_index - self._next_index
        while not self._outbox.is_stale(pending):
            id = id_of(chunk)
            min_id = self._retention.min_id(
                id, pending.size, self._read.taken_in, self._read.durable
            )
            try:
                self._log.append(chunk, self._fence, min_id)
            except OutOfOrder as error:
                shift_above(chunk, error.last)
                continue
            except redis.RedisError as error:
                # The same id again: if the lost reply was a success, it is refused.
                self._unreachable(error)
                if self._stop.wait(self._backoff.next()):
                    break
                continue
            self._last = id
            self._next_index = chunk.first_frame_index + len(chunk.frames)
            self._retention.appended(id, pending.size, min_id)
            self._telemetry.published(len(chunk.frames))
            self._reached()
            return
        self._telemetry.dropped(len(chunk.frames))

    def _unreachable(self, error: redis.RedisError) -> None:
        if self._reachable:
            log.warning("frames_not_published", error=str(error))
        self._reachable = False

    def _reached(self) -> None:
        if not self._reachable:
            log.info("frames_published_again")
        self._reachable = True
        self._backoff.reset()


def shift_above(chunk: FrameChunk, last: LogId) -> None:
    """Move capture times up, as little as keeps them increasing and above the log's last id."""
    previous_ms = last.ms
    for frame in chunk.frames:
        frame.capture_time_ms = max(frame.capture_time_ms, previous_ms + 1)
        previous_ms = frame.capture_time_ms
