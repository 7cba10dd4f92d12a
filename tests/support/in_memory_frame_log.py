"""A frame log for tests that need no Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from hermes.v1.frames_pb2 import FrameChunk
from services.common.frame_log import (
    BEGINNING,
    Entry,
    Fenced,
    LogId,
    OutOfOrder,
    id_of,
    parse_chunk,
)
from services.common.leases import Fence


class InMemoryFrameLog:
    """A frame log inside one process, without Redis."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[LogId, bytes]]] = {}
        self._last: dict[str, LogId] = {}
        self._fences: dict[str, Fence] = {}
        self._changed = threading.Condition()

    def set_fence(self, camera_id: str, fence: Fence) -> None:
        """Make `fence` the camera's current decoder lease."""
        with self._changed:
            self._fences[camera_id] = fence

    def put_raw(self, camera_id: str, id: LogId, payload: bytes) -> None:
        """Append bytes as they are (for tests of malformed entries)."""
        with self._changed:
            self._entries.setdefault(camera_id, []).append((id, payload))
            self._last[camera_id] = id
            self._changed.notify_all()

    def clear(self) -> None:
        """Lose everything, as a Redis that lost its data does."""
        with self._changed:
            self._entries.clear()
            self._last.clear()

    def append(self, chunk: FrameChunk, fence: Fence, min_id: LogId | None = None) -> LogId:
        """See `FrameLog.append`."""
        id = id_of(chunk)
        with self._changed:
            if self._fences.get(chunk.camera_id) != fence:
                raise Fenced
            entries = self._entries.setdefault(chunk.camera_id, [])
            last = self._last.get(chunk.camera_id, BEGINNING)
            payload = chunk.SerializeToString()
            if id <= last:
                there = dict(entries).get(id)
                # One that is the last and not there was trimmed by the call that added it.
                if there == payload or (there is None and id == last):
                    return id
                raise OutOfOrder(last)
            entries.append((id, payload))
            self._last[chunk.camera_id] = id
            if min_id is not None:
                entries[:] = [entry for entry in entries if entry[0] >= min_id]
            self._changed.notify_all()
        return id

    def read(self, after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        """See `FrameLog.read`."""
        deadline = time.monotonic() + block_s
        with self._changed:
            while True:
                found = [
                    Entry(camera_id, id, parse_chunk(camera_id, payload))
                    for camera_id, offset in after.items()
                    for id, payload in [
                        e for e in self._entries.get(camera_id, []) if e[0] > offset
                    ][:count]
                ]
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def last_id(self, camera_id: str) -> LogId:
        """See `FrameLog.last_id`."""
        with self._changed:
            return self._last.get(camera_id, BEGINNING)

    def last_ids(self, camera_ids: Sequence[str]) -> dict[str, LogId]:
        """See `FrameLog.last_ids`."""
        return {camera_id: self.last_id(camera_id) for camera_id in camera_ids}

    def size(self, camera_id: str) -> int:
        """See `FrameLog.size`."""
        with self._changed:
            return sum(len(payload) for _, payload in self._entries.get(camera_id, []))
